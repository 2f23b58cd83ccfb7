"""Run a grid over the options of a run, on all cores or on a cluster, and write its table and page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer
from _train_walk import progress_bar

if TYPE_CHECKING:
    from engine.sweep import Sweep

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Run a grid over the options of a run, on all cores or on a cluster, and write its table and page.

FILE holds the options of a run as backtest.py --config takes them, and a table [grid] with a list of values for each
option to vary. A point that fails is recorded and the others go on; one whose run is there is not repeated, so that a
sweep that was killed goes on where it was. All points count among the settings tried.

On a cluster the workers need Huice installed and the data, the folder of runs and this folder under the same paths.
"""

EXAMPLES = """\b
Examples:
  python scripts/sweep.py experiment.toml
  python scripts/sweep.py experiment.toml --backend ray --address auto
  python scripts/sweep.py experiment.toml --backend dask --address tcp://10.0.0.1:8786

experiment.toml:
  data = "synthetic:stocks=60"
  start = 2012-01-04
  end = 2013-12-31

  [grid]
  hold = [5, 10, 30]
  signal.window = [10, 20]
  fees.commission = [0.00015, 0.00025]
"""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file of the experiment.")],
    jobs: Annotated[int, typer.Option(help="Processes at once; -1 for one a core.")] = -1,
    backend: Annotated[str, typer.Option(help="local, ray or dask.")] = "local",
    address: Annotated[
        str, typer.Option(help="Of a cluster that runs: auto or host:port for ray, tcp://host:port for dask.")
    ] = "",
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of runs.")] = Path("runs"),
    no_page: Annotated[bool, typer.Option("--no-page", help="Write the table alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine.errors import ConfigError
        from engine.sweep import Experiment, sweep
        from engine.sweep_backends import Backend

        if out.exists() and not out.is_dir():
            raise ConfigError(f"--out '{out}' is a file; give a folder")
        chosen = Backend(backend, address, jobs)
        experiment = Experiment.from_toml(file)
        with progress_bar(not no_progress, f"{len(experiment.points)} points") as progress:
            done = sweep(experiment, out=out, backend=chosen, progress=progress)
        written = done.write_table()
        page = None if no_page else _page(done)
        _show(done, written, page)
        failed = [answer for answer in done.answers if answer.problem]
        output.result(
            {
                "points": len(done.answers),
                "reused": sum(answer.reused for answer in done.answers),
                "failed": [{"point": answer.index + 1, "error": answer.problem} for answer in failed],
                "runs": [answer.run for answer in done.answers],
                "table": str(written),
                "page": None if page is None else str(page),
            }
        )
        if len(failed) == len(done.answers):
            raise ConfigError(f"all {len(failed)} points failed, the first of them: {failed[0].problem}")


def _page(done: Sweep) -> Path:
    from engine.sweep_page import write_page

    return write_page(done)


def _show(done: Sweep, written: Path, page: Path | None) -> None:
    from engine.presentation import known, number, percent
    from engine.sweep import label

    points, answers = done.experiment.points, done.answers
    again = sum(answer.reused for answer in answers)
    print(f"{len(answers)} points, {again} of them there already")
    best = sorted(
        (answer for answer in answers if known(answer.figures.get("sharpe"))),
        key=lambda answer: (-answer.figures["sharpe"], answer.index),
    )
    for answer in best[:5]:
        ratio, year = number(answer.figures["sharpe"]), percent(answer.figures["annual_return"])
        print(f"  Sharpe {ratio:>5}, {year:>7} a year, run {answer.run}: {label(points[answer.index].values)}")
    for answer in answers:
        if answer.problem:
            print(f"failed: {label(points[answer.index].values)}: {answer.problem}")
    print(f"Table: {written}")
    if page is not None:
        print(f"Page: {page}")


if __name__ == "__main__":
    _cli.main_guard(app)
