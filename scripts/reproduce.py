"""Write a paper's report: its tables and figures as published, by its own procedure, and honest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

if TYPE_CHECKING:
    from reproduction.budget import Plan

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Write a paper's report, one HTML file: every table and figure that the data allow, the published number, ours
by the paper's own procedure (leaks included), ours honest, and what differs.

PAPER is lstm-residual-value, lstm-price, top-bottom, three-class or attention-gru. What the training budget pays for
is said before anything is trained. A report that was killed goes on where it was when the command is given again.
"""

EXAMPLES = """\b
Examples:
  python scripts/reproduce.py attention-gru --quick
  python scripts/reproduce.py lstm-residual-value --data ../shared/data --budget 2h --jobs 2
"""


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="Which of the five.")],
    data: Annotated[str | None, typer.Option(help="Folder of tables, or synthetic[:stocks=500]. Default: synthetic.")]
    = None,
    quick: Annotated[bool, typer.Option("--quick", help="The whole report on a thinned problem, under 3 minutes.")]
    = False,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="CPU time for training: 2h, 90m, 600s. Default: by paper.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that train; no figure depends on it.")] = 1,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of reports.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from engine.errors import ConfigError
        from engine.run_folder import json_text
        from reproduction.budget import duration, seconds_of
        from reproduction.page import to_json, write_page
        from reproduction.paper import paper_of
        from reproduction.study import Study

        chosen = paper_of(paper)
        if out.exists() and not out.is_dir():
            raise ConfigError(f"--out '{out}' is a file; give a folder")
        allowed = seconds_of(budget) if budget else chosen.quick_budget if quick else chosen.budget
        folder = out / (f"{paper}-quick" if quick else paper)
        source = data or (chosen.quick_data if quick else "synthetic")
        with _progress(not no_progress) as tell:
            study = Study(paper, chosen, source, folder, quick=quick, budget=allowed, jobs=jobs, tell=tell)
            print(f"{chosen.title}: data {study.fingerprint[:16]}, training budget {duration(allowed)} of CPU")
            _announce(study.plan)
            found = study.results()
        conclusion = chosen.conclusion(study, {name: one.facts for name, one in found.items()})
        page = write_page(study, found, conclusion)
        result = to_json(study, found, conclusion)
        from engine.files import write_beside

        write_beside(folder / "report.json", json_text(result))
        print()
        print(conclusion)
        print()
        print(f"Report: {page}")
        output.result({**result, "report": str(page)})


def _announce(plan: Plan) -> None:
    """What the budget pays for, before anything is trained."""
    from reproduction.budget import duration

    for one in plan.chosen:
        print(f"  trained   {duration(one.seconds):>7}  {one.what}")
    for one in plan.skipped:
        print(f"  skipped   {duration(one.seconds):>7}  {one.what}")


@contextmanager
def _progress(wanted: bool) -> Iterator[Callable[[str, float], None] | None]:
    """A bar with the time left; a line a step where standard error is no terminal."""
    import sys
    import time

    if not wanted:
        yield None
        return
    if not sys.stderr.isatty():
        began = time.monotonic()

        def line(what: str, behind: float) -> None:
            from reproduction.budget import duration

            passed = time.monotonic() - began
            left = f", about {duration(passed / behind - passed)} left" if 0.02 < behind < 1.0 else ""
            print(f"[{behind:4.0%}{left}] {what}", file=sys.stderr, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, behind: bar.update(task, completed=behind, description=what)


if __name__ == "__main__":
    _cli.main_guard(app)
