"""Write the tearsheet of a run again, or put several runs side by side, without running again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

if TYPE_CHECKING:
    from engine.run_folder import Run

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Write the tearsheet of a run again, from its folder, without running again.

Of several runs, write one page that shows them side by side on the sessions that they share: curves, figures,
differences with bootstrap intervals, overlap of holdings, and how many settings were tried.
"""

EXAMPLES = """\b
Examples, for the newest run and for the two newest:
  python scripts/tearsheet.py "$(ls -td runs/*/ | head -1)"
  python scripts/tearsheet.py $(ls -td runs/*/ | head -2)
"""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN_FOLDER...", help="Folders that backtest.py printed.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page of several runs. Default: comparison.html beside the first."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine.errors import ConfigError
        from engine.run_folder import Run

        runs = [Run.load(folder) for folder in run_folders]
        if len(runs) == 1:
            if out is not None:
                raise ConfigError("--out is for several runs: the tearsheet of one lies in its folder")
            sheet = runs[0].tearsheet()
            print(f"Tearsheet: {sheet}")
            output.result({"id": runs[0].id, "folder": str(runs[0].folder), "tearsheet": str(sheet)})
            return
        _compare(runs, out, output)


def _compare(runs: list[Run], out: Path | None, output: _cli.Output) -> None:
    from engine.comparison import compare
    from engine.comparison_page import NAME, context, write_comparison
    from engine.errors import DataError

    found = compare(runs)
    shown = context(found)
    target = runs[0].folder.parent / NAME if out is None else out
    try:
        page = write_comparison(shown, target)
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error.strerror or error}); give another --out") from error
    for label, text in shown["conclusions"]:
        print(f"{label}: {text}")
    print(f"Comparison: {page}")
    rows = [
        {"folder": str(run.folder), "label": label, "conclusion": text, **figures}
        for run, (label, text), figures in zip(runs, shown["conclusions"], found.figures, strict=True)
    ]
    output.result({"runs": rows, "comparison": str(page)})


if __name__ == "__main__":
    _cli.main_guard(app)
