"""Write the tearsheet of a run again, without running again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Write the tearsheet of a run again, from its folder alone, without running again."""

EXAMPLES = """\b
Example, for the newest run:
  python scripts/tearsheet.py "$(ls -td runs/*/ | head -1)"
"""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="Folder that backtest.py printed.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine.run_folder import Run

        run = Run.load(run_folder)
        sheet = run.tearsheet()
        print(f"Tearsheet: {sheet}")
        output.result({"id": run.id, "folder": str(run.folder), "tearsheet": str(sheet)})


if __name__ == "__main__":
    _cli.main_guard(app)
