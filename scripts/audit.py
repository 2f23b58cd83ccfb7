"""Hold a signal or a strategy against the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

if TYPE_CHECKING:
    from signals.contract.checks import Check
    from signals.contract.market import Source

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Hold a signal or a strategy against the contract.

It is run on a small synthetic market, or on data of yours: that it reads nothing after t (all of which is replaced by
noise), does the same twice and in another process, and survives gaps; of a signal also that it can be saved without
pickle. Exit code 0 if everything holds, 1 if something does not.

With --recovery: how much does a signal find of what a synthetic market has planted? Its Rank IC of the last two years
stands beside that of an oracle that knows it all, with what its scores are made of.
"""

EXAMPLES = """\b
Examples:
  python scripts/audit.py reversal-20d
  python scripts/audit.py my/idea.py:Idea -p window=10 --data ../shared/data --universe csi300
  python scripts/audit.py my/strategy.py --signal momentum-12-1 --rebalance 1W
  python scripts/audit.py linear --recovery
  python scripts/audit.py mlp --recovery --data "synthetic:stocks=200,seed=2,alphas=interaction*3+memory*3"
"""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    plugin: Annotated[str, typer.Argument(metavar="PLUGIN", help="path.py:Class, module:Class, or a name.")],
    override: Annotated[
        list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="Parameter of the plug-in. Repeatable.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of tables, or synthetic[:stocks=80,...].")] = None,
    universe: Annotated[str, typer.Option(help="all, an index, or symbols with commas.")] = "all",
    benchmark: Annotated[str, typer.Option(metavar="CODE", help="Index, if the plug-in asks for one.")] = "",
    date: Annotated[str, typer.Option(metavar="DATE", help="Of a signal: after this day all is noise.")] = "",
    signal: Annotated[
        str | None, typer.Option(help="Of a strategy: whose scores it gets, or none. Default: reversal-20d.")
    ] = None,
    rebalance: Annotated[str | None, typer.Option(help="Of a strategy: 1D, 1W, 1M, ... Default: 1M.")] = None,
    recovery: Annotated[bool, typer.Option("--recovery", help="Of a signal: what it finds of planted alphas.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine import plugins
        from engine.config import PluginConfig
        from engine.config_values import check_date, parse_override
        from engine.errors import ConfigError
        from signals.contract.market import DATA, Source

        given = dict(map(parse_override, override or ()))
        kind, cls = plugins.resolve_any(plugin, ("signal", "strategy"))
        others: dict[str, Any] = {"--signal": signal, "--rebalance": rebalance}
        if kind == "strategy":
            others = {"--date": date, "--recovery": recovery}
        for option, value in others.items():
            if value:
                raise ConfigError(f"{option} is no option for a {kind}; leave it out")
        if recovery:
            from _audit_recovery import show

            made = plugins.build("signal", PluginConfig(name=plugin, params=given))
            output.result({kind: plugin, "parameters": given, **show(made, data, universe)})
            return
        if date:
            check_date("date", date)
        source = Source(data or DATA, universe, benchmark)
        if kind == "signal":
            checks = _signal(plugin, given, source, date)
        else:
            checks = _strategy(plugin, given, source, "reversal-20d" if signal is None else signal, rebalance)
        for check in checks:
            print(f"{check.status:<8}{check.name}" + (f": {check.text}" if check.text else ""))
        failed = [check for check in checks if check.status == "failed"]
        print()
        if failed:
            print(f"{cls.__name__} breaks the contract in {len(failed)} of {len(checks)} points.")
        else:
            held = sum(check.status == "passed" for check in checks)
            print(f"{cls.__name__} keeps the contract ({held} checks held, {len(checks) - held} do not apply).")
        output.result(
            {
                kind: plugin,
                "parameters": given,
                "holds": not failed,
                "checks": [{"name": one.name, "status": one.status, "text": one.text} for one in checks],
            }
        )
    if failed:
        raise typer.Exit(1)


def _signal(name: str, params: dict[str, Any], source: Source, date: str) -> list[Check]:
    from engine import plugins
    from engine.config import PluginConfig
    from signals.contract.suite import audit

    return audit(plugins.build("signal", PluginConfig(name=name, params=params)), source, date=date)


def _strategy(name: str, params: dict[str, Any], source: Source, signal: str, rebalance: str | None) -> list[Check]:
    from engine import plugins
    from engine.config import PluginConfig
    from strategies.contract import audit

    known = plugins.complete("strategy", PluginConfig(name=name, params=params))
    scores = PluginConfig(name="" if signal == "none" else signal)
    plugins.complete("signal", scores)
    options = {"rebalance": rebalance} if rebalance else {}
    return audit(plugins.resolve("strategy", name), known.params, signal=scores, source=source, options=options)


if __name__ == "__main__":
    _cli.main_guard(app)
