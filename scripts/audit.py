"""Hold a signal plug-in against the contract."""

from __future__ import annotations

from typing import Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Hold a signal plug-in against the contract.

It is fitted and asked on a small synthetic market, or on data of yours: that it reads nothing after t (all of which is
replaced by noise), learns the same twice, can be saved without pickle and used by another process, and survives gaps.
Exit code 0 if everything holds, 1 if something does not.
"""

EXAMPLES = """\b
Examples:
  python scripts/audit.py reversal-20d
  python scripts/audit.py my/idea.py:Idea -p window=10 --data ../shared/data --universe csi300
"""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    signal: Annotated[str, typer.Argument(metavar="SIGNAL", help="path.py:Class, module:Class, or a name.")],
    override: Annotated[
        list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="Parameter of the signal. Repeatable.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of tables, or synthetic[:stocks=80,...].")] = None,
    universe: Annotated[str, typer.Option(help="all, an index, or symbols with commas.")] = "all",
    benchmark: Annotated[str, typer.Option(metavar="CODE", help="Index, if the signal asks for one.")] = "",
    date: Annotated[str, typer.Option(metavar="DATE", help="After this day all is noise.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine import plugins
        from engine.config import PluginConfig
        from engine.config_values import check_date, parse_override
        from signals.contract.market import DATA, Source
        from signals.contract.suite import audit

        given = dict(map(parse_override, override or ()))
        plugin = PluginConfig(name=signal, params=given)
        made = plugins.build("signal", plugin)
        if date:
            check_date("date", date)
        checks = audit(made, Source(data or DATA, universe, benchmark), date=date)
        for check in checks:
            print(f"{check.status:<8}{check.name}" + (f": {check.text}" if check.text else ""))
        failed = [check for check in checks if check.status == "failed"]
        print()
        if failed:
            print(f"{type(made).__name__} breaks the contract in {len(failed)} of {len(checks)} points.")
        else:
            held = sum(check.status == "passed" for check in checks)
            print(f"{type(made).__name__} keeps the contract ({held} checks held, {len(checks) - held} do not apply).")
        output.result(
            {
                "signal": signal,
                "parameters": given,
                "holds": not failed,
                "checks": [{"name": one.name, "status": one.status, "text": one.text} for one in checks],
            }
        )
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    _cli.main_guard(app)
