"""Run one backtest and write its run folder and tearsheet."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

if TYPE_CHECKING:
    from engine.config import RunConfig
    from engine.holdings_file import OwnHoldings
    from engine.next_session import NextSession
    from engine.run_folder import Run

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Run one backtest and write its run folder and tearsheet.

Options given here override the --config file, and -p overrides both. A run whose configuration, data and
code are those of a run already in the folder of runs is not repeated.
"""

EXAMPLES = """\b
Examples:
  python scripts/backtest.py --universe csi500 --hold 50 --benchmark 000905
  python scripts/backtest.py --list --sort sharpe
  python scripts/backtest.py --strategy top-n --signal momentum-12-1 -p skip=10 --rebalance 3M
"""

Text = str | None


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file with the options below.")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            metavar="KEY=VALUE",
            help="Any option, or a parameter of the strategy or signal: hold=30, signal.window=10. Repeatable.",
        ),
    ] = None,
    data: Annotated[
        Text, typer.Option(help="Folder of tables, or synthetic[:stocks=500,seed=1,...]. Default: synthetic.")
    ] = None,
    universe: Annotated[
        Text, typer.Option(help="all, an index (csi300, csi500, a code), or symbols with commas. Default: all.")
    ] = None,
    exclude: Annotated[
        Text, typer.Option(help="Left out of the universe, with commas: st, suspended, delisting, new:3M.")
    ] = None,
    start: Annotated[Text, typer.Option(metavar="DATE", help="First day, as 2012-01-01.")] = None,
    end: Annotated[Text, typer.Option(metavar="DATE", help="Last day.")] = None,
    strategy: Annotated[
        Text, typer.Option(help="Name, module:Class, or a .py file. Default: top-n; also equal-weight.")
    ] = None,
    signal: Annotated[
        Text,
        typer.Option(
            help="Name, module:Class, a .py file, or none. Default: reversal-20d; also momentum-12-1, "
            "small-cap, low-turnover."
        ),
    ] = None,
    hold: Annotated[int | None, typer.Option(help="Names to hold: the strategy's parameter hold.")] = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:KEY=VALUE,...",
            help="What the weights go through: volatility:target=0.15, drawdown:limit=0.2, timing:window=200, "
            "max-weight:most=0.05, max-industry:most=0.3, max-turnover:most=0.2. Repeatable, in order.",
        ),
    ] = None,
    rebalance: Annotated[
        Text, typer.Option(help="1D, 1W, 1M, 3M (month ends), 1MS (month starts), ... Default: 1M.")
    ] = None,
    anchor: Annotated[int | None, typer.Option(help="Month in which an n-month period ends. Default: 12.")] = None,
    cash: Annotated[float | None, typer.Option(help="Yuan at the start. Default: 1000000.")] = None,
    benchmark: Annotated[Text, typer.Option(metavar="CODE", help="Index, as 000905. Default: none.")] = None,
    benchmark_kind: Annotated[Text, typer.Option(help="total-return (default) or price.")] = None,
    fill: Annotated[Text, typer.Option(help="next_open (default), next_close or same_close.")] = None,
    slippage: Annotated[
        Text, typer.Option(help="none, yuan:0.01, bps:5, ticks:1, volume-share:cap=0.1,impact=0.1. Default: none.")
    ] = None,
    fees: Annotated[
        Text, typer.Option(help="a-share (default), retail-2024, fund, paper-2, percentage:0.001, or zero.")
    ] = None,
    fee: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Parameter of the fees: commission=0.00015, minimum=0, stamp_duty_minimum=1, table=my_fees.csv. "
            "Repeatable.",
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Trading rule: t_plus_one=false, short_cash=refuse. Repeatable."),
    ] = None,
    risk_free: Annotated[Text, typer.Option(help="Annual rate as a fraction, or cgb10y. Default: 0.")] = None,
    cash_rate: Annotated[float | None, typer.Option(help="Annual rate that cash earns. Default: 0.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of whatever is random. Default: 1.")] = None,
    protocol: Annotated[
        str,
        typer.Option(help="honest (default), or paper: the signal may repeat its paper's leaks; the run says LEAKS."),
    ] = "honest",
    jobs: Annotated[int, typer.Option(help="Processes that train a signal; scores do not depend on it.")] = 1,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of runs.")] = Path("runs"),
    list_runs: Annotated[bool, typer.Option("--list", help="Run nothing: list the runs in the folder.")] = False,
    ahead: Annotated[
        bool, typer.Option("--next", help="Also write targets.csv: what to trade on the day after the last bar.")
    ] = False,
    positions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV symbol,shares (row CASH: yuan) that --next decides on instead."),
    ] = None,
    sort: Annotated[str, typer.Option(help="What --list sorts by: date (default), return, sharpe, drawdown.")] = "date",
    force: Annotated[bool, typer.Option("--force", help="Run again although the run is there.")] = False,
    no_tearsheet: Annotated[bool, typer.Option("--no-tearsheet", help="Write no tearsheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        if list_runs:
            from _backtest_list import show_runs

            show_runs(out, sort, output)
            return
        import engine.backtest
        from engine.config import RunConfig
        from engine.config_values import parse_override
        from engine.errors import ConfigError
        from signals.walkforward import parallel

        given: dict[str, Any] = {
            "data": data, "universe": universe, "exclude": exclude, "overlays": overlay,
            "start": start, "end": end, "strategy": strategy, "signal": signal,
            "rebalance": rebalance, "anchor": anchor, "cash": cash, "benchmark": benchmark,
            "benchmark_kind": benchmark_kind, "fill": fill, "slippage": slippage, "fees": fees,
            "risk_free": risk_free, "cash_rate": cash_rate, "seed": seed, "strategy.hold": hold,
        }  # fmt: skip
        changes = [(key, value) for key, value in given.items() if value is not None]
        for table, texts in (("fees", fee), ("rules", rule)):
            changes += [(f"{table}.{key}", value) for key, value in map(parse_override, texts or ())]
        changes += map(parse_override, override or ())
        if positions is not None and not ahead:
            raise ConfigError("--positions says on what --next decides; add --next")
        if out.exists() and not out.is_dir():
            raise ConfigError(f"--out '{out}' is a file; give a folder")
        base = RunConfig() if config is None else RunConfig.from_toml(config)
        if protocol != "honest" and _has_protocol(base.with_values(changes).signal.name):
            changes.append(("signal.protocol", protocol))
        chosen = base.with_values(changes).completed()
        own = _holdings(chosen, positions) if ahead else None
        with _cli.progress_bar(not no_progress) as progress, parallel(jobs):
            run = engine.backtest.run(chosen, out=out, force=force, progress=progress, protocol=protocol)
            coming = _next(run, own, progress) if ahead else None
        sheet = None if no_tearsheet else _tearsheet(run)
        _show(run, sheet, output)
        found: dict[str, Any] = {
            **run.result,
            "folder": str(run.folder),
            "reused": run.reused,
            "tearsheet": None if sheet is None else str(sheet),
        }
        if coming is not None:
            from _backtest_next import show_next

            found["next"] = show_next(run, coming, positions)
        output.result(found)


def _holdings(chosen: RunConfig, positions: Path | None) -> OwnHoldings | None:
    """What --next decides on, with its errors before the run."""
    from engine.holdings_file import read_holdings
    from engine.next_session import check_next

    check_next(chosen)
    return None if positions is None else read_holdings(positions)


def _next(run: Run, own: OwnHoldings | None, progress: Any) -> NextSession:
    from engine.next_session import next_session

    return next_session(run, own, progress=progress)


def _has_protocol(signal: str) -> bool:
    """Whether the signal has the protocol as a parameter; a run refuses one that has not."""
    from engine import plugins

    return bool(signal) and "protocol" in plugins.parameter_names(plugins.resolve("signal", signal))


def _tearsheet(run: Run) -> Path:
    there = run.folder / "tearsheet.html"
    return there if run.reused and there.is_file() else run.tearsheet()


def _show(run: Run, sheet: Path | None, output: _cli.Output) -> None:
    from engine import plugins

    if run.reused:
        print(f"This run is in {run.folder} already and was not repeated (--force repeats it).")
    charged = plugins.build("fees", run.config.fees).describe()
    slipped = plugins.build("slippage", run.config.slippage).describe()
    if run.result.get("leaks"):
        print("LEAKS: this run used data from after its decisions; its figures are no backtest.")
    print(f"Fees: {charged}; {slipped}")
    print()
    output.table(run.headline())
    print()
    print(textwrap.fill(f"Conclusion: {_conclusion(run)}", 118, break_long_words=False, break_on_hyphens=False))
    print()
    _show_fee_rows(run.result.get("rules") or (), output)
    for text in run.result.get("warnings") or ():
        print(f"warning: {text}")
    for text in run.result.get("notes") or ():
        print(f"note: {text}")
    print(f"Run folder: {run.folder}")
    if sheet is not None:
        print(f"Tearsheet: {sheet}")


def _conclusion(run: Run) -> str:
    """What survives of the run, with the settings tried counted beside it."""
    from engine.conclusions import conclude
    from engine.luck import luck

    return conclude(run.result, luck=luck(run.result, run.equity, run.folder.parent, overfit=False)).text


def _show_fee_rows(rows: Sequence[Mapping[str, Any]], output: _cli.Output) -> None:
    """The dated fee rows that charged the run's fills."""
    if not rows:
        return
    print("Fee rows used (sources in result.json and the tearsheet)")
    shown = []
    for row in rows:
        if row["kind"].startswith("commission_"):
            continue  # the bounds of the commission are law, no charge: they are in result.json and warned of
        places = f"{row['kind'].replace('_', ' ')} {row['exchange'] or 'all exchanges'} {row['side']}".rstrip()
        rate = f"{100 * float(row['rate']):.6g} %"
        base = "of value" if row["base"] == "value" else "of face value"
        least = f" at least {row['minimum']} yuan" if row["minimum"] else ""
        span = f"{row['from']} to {row['to'] or 'today'}" if row["from"] else f"until {row['to']}"
        span = span if row["from"] or row["to"] else "on every date"
        charged = f"{row['charged']:,.2f} yuan on {row['fills']:,} fill{'s' * (row['fills'] != 1)}"
        sure = f", confidence {row['confidence']}" if row["confidence"] else ""
        shown.append((f"  {places}", f"{rate} {base}{least}, {span}: {charged}{sure}"))
    output.table(shown)
    print()


if __name__ == "__main__":
    _cli.main_guard(app)
