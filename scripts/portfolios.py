"""Run all portfolios of a strategy in one pass over the market: layers of scores, long-short, by size or industry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

if TYPE_CHECKING:
    from engine.portfolios_run import PortfoliosRun

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Run all portfolios of a strategy in one pass over the market and write their folder and page.

With the default strategy, layered, stocks are sorted by score inside each industry and cut into layers (paper 3). Each
portfolio is an account of its own under all trading rules: the same to the fen as a run of its own. Options given here
override the --config file, and -p overrides both.
"""

EXAMPLES = """\b
Examples:
  python scripts/portfolios.py --signal reversal-20d --layers 5
  python scripts/portfolios.py --data ../shared/data --scores runs/ID/scores.parquet --layers 10 --by size
"""

Text = str | None
CASH = 1e8
"""Yuan of each portfolio: lots of 100 shares then hardly matter, as in the papers, which trade fractions."""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file with the options below.")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="KEY=VALUE", help="Any option of a run, as signal.window=10. Repeatable."),
    ] = None,
    data: Annotated[Text, typer.Option(help="Folder of tables, or synthetic[:stocks=500]. Default: synthetic.")] = None,
    universe: Annotated[Text, typer.Option(help="all, an index (csi300), or symbols. Default: all.")] = None,
    exclude: Annotated[Text, typer.Option(help="Leave out st, suspended, delisting, new:3M; with commas.")] = None,
    start: Annotated[Text, typer.Option(metavar="DATE", help="First day, as 2012-01-01.")] = None,
    end: Annotated[Text, typer.Option(metavar="DATE", help="Last day.")] = None,
    strategy: Annotated[Text, typer.Option(help="One that forms several portfolios. Default: layered.")] = None,
    signal: Annotated[Text, typer.Option(help="Name, module:Class or a .py file. Default: reversal-20d.")] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Scores made before, as scores.parquet of a run, instead of a signal."),
    ] = None,
    layers: Annotated[int | None, typer.Option(help="Layers of strategy layered. Default: 5.")] = None,
    by: Annotated[Text, typer.Option(help="all (default), size (thirds by market value) or industry.")] = None,
    rebalance: Annotated[Text, typer.Option(help="1D, 1W, 1M, 3M, ... Default: 1M.")] = None,
    cash: Annotated[float | None, typer.Option(help="Yuan of each portfolio. Default: 100000000.")] = None,
    fill: Annotated[Text, typer.Option(help="next_open (default), next_close (paper 3) or same_close.")] = None,
    fees: Annotated[Text, typer.Option(help="a-share (default), fund, zero, ...")] = None,
    slippage: Annotated[Text, typer.Option(help="none (default), bps:5, ... Anything but none is slower.")] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of runs.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Run again although the run is there.")] = False,
    no_page: Annotated[bool, typer.Option("--no-page", help="Write no page.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine.config import RunConfig
        from engine.config_values import parse_override
        from engine.errors import ConfigError
        from engine.portfolios_run import run_portfolios

        if scores is not None and signal is not None:
            raise ConfigError("--scores takes the place of --signal; give one of them")
        given: dict[str, Any] = {
            "data": data, "universe": universe, "exclude": exclude, "start": start, "end": end, "strategy": strategy,
            "signal": signal if scores is None else "scores-file", "signal.file": scores and str(scores),
            "rebalance": rebalance, "cash": cash, "fill": fill, "fees": fees, "slippage": slippage,
            "strategy.layers": layers, "strategy.by": by,
        }  # fmt: skip
        defaults = {"strategy": "layered", "cash": CASH} if config is None else {}
        changes = [(key, value) for key, value in (defaults | _given(given)).items()]
        changes += map(parse_override, override or ())
        base = RunConfig() if config is None else RunConfig.from_toml(config)
        if out.exists() and not out.is_dir():
            raise ConfigError(f"--out '{out}' is a file; give a folder")
        with _cli.progress_bar(not no_progress) as progress:
            run = run_portfolios(base.with_values(changes), out=out, force=force, progress=progress)
        page = None if no_page else _page(run)
        _show(run, page, output)
        more = {"folder": str(run.folder), "reused": run.reused, "page": None if page is None else str(page)}
        output.result({**run.result, **more})


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _page(run: PortfoliosRun) -> Path:
    from engine.portfolios_page import NAME, write_page

    there = run.folder / NAME
    return there if run.reused and there.is_file() else write_page(run)


def _show(run: PortfoliosRun, page: Path | None, output: _cli.Output) -> None:
    from engine.presentation import number, percent

    if run.reused:
        print(f"This run is in {run.folder} already and was not repeated (--force repeats it).")
    print(f"{run.result['start']} to {run.result['end']}; fees: {run.result['fees_text']}")
    print()
    found = run.result["portfolios"]
    width = max(map(len, found))
    print(f"{'':<{width}}  a year   excess   Sharpe  drawdown")
    for name, one in found.items():
        cells = (percent(one["annual_return"]), percent(one["excess_return"], sign=True), number(one["sharpe"]))
        print(f"{name:<{width}}  {cells[0]:>7}  {cells[1]:>7}  {cells[2]:>6}  {percent(one['max_drawdown']):>8}")
    print()
    print(f"Run folder: {run.folder}")
    if page is not None:
        print(f"Page: {page}")


if __name__ == "__main__":
    _cli.main_guard(app)
