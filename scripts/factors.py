"""List, screen and backtest factors."""

from __future__ import annotations

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import _factors_backtest
import _factors_list
import _factors_screen
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

COMMANDS = """
Examples:
  python scripts/factors.py list --family momentum
  python scripts/factors.py screen --data ../shared/data --universe csi300 --start 2013-01-01 --html out.html
"""


@app.callback(help="List, screen and backtest factors.", epilog=COMMANDS, invoke_without_command=True)
def main(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from engine.errors import ConfigError

        names = [str(command.name) for command in app.registered_commands]
        raise ConfigError(f"name a command: {', '.join(names)}")


app.command("list", epilog=_factors_list.EXAMPLES)(_factors_list.list_factors)
app.command("screen", epilog=_factors_screen.EXAMPLES)(_factors_screen.screen)
app.command("sheet", epilog=_factors_screen.SHEET_EXAMPLES)(_factors_screen.sheet)
app.command("backtest", epilog=_factors_backtest.EXAMPLES)(_factors_backtest.backtest)

if __name__ == "__main__":
    _cli.main_guard(app)
