"""``factors.py backtest``: each factor's top quantile through the engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from _data_sql import Data, Json, chosen_data, print_rows
from _factors_list import File, Only, UniverseName, chosen_factors, print_missing
from _factors_screen import End, Start, progress_bar

EXAMPLES = """\b
Examples:
  python scripts/factors.py backtest --only valuation --data ../shared/data --universe csi300 --start 2014-01-01
  python scripts/factors.py backtest --only return_1m,turnover_1m --share 0.1 --rebalance 1W
"""


def backtest(
    only: Only = None,
    data: Data = None,
    universe: UniverseName = "csi300",
    start: Start = None,
    end: End = None,
    share: Annotated[float, typer.Option(help="Share of the scored stocks to hold.")] = 0.2,
    rebalance: Annotated[str, typer.Option(help="1D, 1W, 1M, 3M ...")] = "1M",
    benchmark: Annotated[str, typer.Option(metavar="CODE", help="Index.")] = "000300",
    cash: Annotated[float, typer.Option(help="Yuan at the start of each.")] = 100_000_000.0,
    fees: Annotated[str, typer.Option(help="a-share, retail-2024, fund, paper-2, zero ...")] = "a-share",
    jobs: Annotated[int, typer.Option(min=1, help="Processes. Default: one a core.")] = os.cpu_count() or 1,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of runs.")] = Path("runs/factors"),
    file: File = None,
    as_json: Json = False,
) -> None:
    """Backtest the top quantile of each factor after fees. Runs that are there are not repeated."""
    import _cli

    with _cli.output(as_json) as output:
        from engine.config import RunConfig
        from engine.errors import ConfigError, SignalError
        from feeds.store import open_market
        from signals.factors.panel import FactorPanel
        from signals.screening.backtests import backtest_factors, configuration

        if not 0.0 < share <= 1.0:
            raise ConfigError(f"--share is {share:g}; give the fraction of the scored stocks to hold, up to 1")
        chosen = chosen_factors(only, file)
        place = chosen_data(data)
        market = open_market(place, universe=universe, start=start, end=end)
        panel = FactorPanel(market, [len(market.sessions) - 1], tail=1)
        missing = {one.name: one.missing(panel) for one in chosen}
        given = {
            "data": place, "universe": universe, "start": start, "end": end, "rebalance": rebalance,
            "benchmark": benchmark, "cash": cash, "fees": fees,
        }  # fmt: skip
        if all(missing.values()):
            name, inputs = next(iter(missing.items()))
            raise ConfigError(f"the data have none of the factors asked for: {name} needs {', '.join(inputs)}")
        base = RunConfig().with_values([(key, value) for key, value in given.items() if value is not None])
        configs = {
            one.name: configuration(base, one.name, share=share, file="" if file is None else str(file))
            for one in chosen
            if not missing[one.name]
        }
        with progress_bar() as progress:
            results, failed = backtest_factors(configs, out, jobs=jobs, done=progress)
        _show(chosen, results)
        print_missing(missing)
        for name, problem in failed.items():
            print(f"failed: {name}: {problem}")
        again = sum(result["reused"] for result in results.values())
        print(f"\n{len(results)} backtest{'' if len(results) == 1 else 's'} in {out}, {again} there already")
        output.result({"results": results, "failed": failed, "unavailable": {k: v for k, v in missing.items() if v}})
        if failed:
            many = f"{len(failed)} of {len(configs)} backtests failed, the first of them" if len(configs) > 1 else ""
            first, problem = next(iter(failed.items()))
            raise SignalError(f"{many or 'the backtest failed'}: {first}: {problem}")


def _show(chosen: list[Any], results: dict[str, dict[str, Any]]) -> None:
    from signals.screening.backtests import COLUMNS

    titles = {one.name: one.chinese for one in chosen}
    rows = []
    for name, result in results.items():
        figures = [result.get(key) for key in COLUMNS]
        rows.append((name, titles[name], *figures, Path(result["folder"]).name))
    rows.sort(key=lambda row: -(row[2] if isinstance(row[2], float) else float("-inf")))
    forms = [{"beta": "+.2f", "information_ratio": "+.2f", "scored": ".0f"}.get(key, "+.1%") for key in COLUMNS]
    texts = [
        (*row[:2], *("-" if x is None else format(x, form) for x, form in zip(row[2:-1], forms, strict=True)), row[-1])
        for row in rows
    ]
    print_rows(["factor", "name", *COLUMNS.values(), "run"], texts, widest=60)
