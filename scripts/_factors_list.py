"""``factors.py list``: what factors there are, what each means, and whether the data at hand can give it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from _data_sql import Data, Json, chosen_data, print_rows

EXAMPLES = """\b
Examples:
  python scripts/factors.py list
  python scripts/factors.py list --data ../shared/data --only paper-1 --coverage --universe csi300
  python scripts/factors.py list --only ff3_residual_std_1m --formula
"""

_WIDEST = 120
"""Columns of a terminal that a table by year may take."""

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="A factor, a family (momentum) or a paper (paper-3). Repeatable."),
]
File = Annotated[Path | None, typer.Option("--file", help="Python file that declares further factors.")]
UniverseName = Annotated[str, typer.Option("--universe", help="all, an index (csi300, csi500, a code), or symbols.")]


def chosen_factors(only: list[str] | None, file: Path | None) -> list[Any]:
    """Factors that the options name: those of the file alone where nothing else is named, else all."""
    from signals.factors import registry

    own = [] if file is None else registry.load_file(file)
    if only is None:
        return own or registry.select(["all"])
    words = [word for part in only for word in part.split(",") if word.strip()]
    if not words:
        from engine.errors import ConfigError

        raise ConfigError(f"--only '{','.join(only)}' names nothing; give a factor, a family or a paper")
    return registry.select(words)


def print_missing(missing: dict[str, tuple[str, ...]]) -> None:
    """One line for each factor that the data cannot give."""
    for name, inputs in missing.items():
        if inputs:
            print(f"not available: {name} needs {', '.join(inputs)}")


def list_factors(
    only: Only = None,
    data: Data = None,
    universe: UniverseName = "all",
    file: File = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Compute them: share of the universe with each factor, by year.")
    ] = False,
    formula: Annotated[bool, typer.Option("--formula", help="Print formula and source below the table.")] = False,
    as_json: Json = False,
) -> None:
    """List factors with what the data have for them."""
    import _cli

    with _cli.output(as_json) as output:
        from feeds.store import open_market
        from signals.factors.panel import FactorPanel, month_ends

        chosen = chosen_factors(only, file)
        market = open_market(chosen_data(data), universe=universe)
        rows = month_ends(market.sessions)
        panel = FactorPanel(market, rows, tail=1)
        missing = {one.name: one.missing(panel) for one in chosen}
        there = [one for one in chosen if not missing[one.name]]
        years, shares = _coverage(market, there, rows) if coverage else ([], {})
        if coverage:
            names = max([len(one.name) for one in there], default=0)
            chinese = max([2 * len(one.chinese) for one in there], default=0)
            wide = names + 2 + chinese + 6 * len(years) > _WIDEST  # the name in Chinese gives way to the years
            print_rows(
                ["factor", *([] if wide else ["name"]), *(f"{year:>4}" for year in years)],
                [(one.name, *([] if wide else [one.chinese]), *map(_share, shares[one.name])) for one in there],
            )
            print(
                f"\nShare of universe '{universe}' (its listed members at each month's end) that has the factor; a "
                "halted stock has none."
            )
        else:
            good = {1: "high", -1: "low", 0: "-"}
            table = [
                (
                    one.name, one.chinese, one.family, good[one.direction], one.unit,
                    "all" if one.lookback is None else str(one.lookback), "no" if missing[one.name] else "yes",
                )
                for one in chosen
            ]  # fmt: skip
            print_rows(["factor", "name", "family", "good", "unit", "bars", "there"], table)
        families = {one.family for one in chosen}
        counts = (len(chosen), "factor", "factors"), (len(families), "family", "families")
        said = " in ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts)
        print(f"\n{said}, {len(there)} available on these data")
        print_missing(missing)
        if formula:
            for one in chosen:
                print(f"\n{one.name} ({one.source})\n  " + one.formula.replace("\n", "\n  "))
        output.result(
            {
                "factors": [
                    {
                        "name": one.name, "chinese": one.chinese, "family": one.family, "direction": one.direction,
                        "unit": one.unit, "inputs": list(one.inputs), "lookback": one.lookback, "source": one.source,
                        "formula": one.formula, "missing": list(missing[one.name]),
                        "available": not missing[one.name],
                        "coverage": dict(zip(map(str, years), shares.get(one.name, []), strict=False)),
                    }
                    for one in chosen
                ],
            }
        )  # fmt: skip


def _share(share: float) -> str:
    return f"{share:>4.0%}" if share == share else "   -"


def _coverage(market: Any, factors: list[Any], rows: Any) -> tuple[list[int], dict[str, list[float]]]:
    import numpy as np
    from _factors_screen import progress_bar

    from signals.screening.market import factor_values

    with progress_bar() as progress:
        values = factor_values(market, factors, rows, schedule="monthly", progress=progress)
    members = (market.member[rows] > 0) & (market.listed[rows] > 0)
    year = market.sessions[rows].astype("datetime64[Y]").astype(int) + 1970
    years = sorted(set(year.tolist()))
    shares: dict[str, list[float]] = {}
    for name, array in values.items():
        there = np.isfinite(array) & members
        shares[name] = [
            float(there[year == one].sum() / members[year == one].sum()) if members[year == one].any() else float("nan")
            for one in years
        ]
    return years, shares
