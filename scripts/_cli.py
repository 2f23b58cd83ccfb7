"""What the scripts share: the import path, errors as one sentence, ``--json``, the progress bar.

Import it first: it puts the project's own packages at the head of the path. Where a script is started from
does not matter then, even if that folder holds an ``engine`` or ``strategies`` of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_SCRIPTS = Path(__file__).resolve().parent

# An empty entry stands for the current folder. The script's own folder goes last: it holds the parts of a script.
sys.path[:] = [str(ROOT), *(p for p in sys.path if p and Path(p).resolve() not in (ROOT, _SCRIPTS)), str(_SCRIPTS)]

BAD_INPUT, INTERRUPTED = 2, 130
"""Exit codes."""


def main_guard(app: Callable[..., Any]) -> None:
    """Run a typer app and leave the process with its exit code.

    What a user can mend (a :class:`engine.errors.HuiceError`, a wrong option) becomes ``error: <sentence>`` on
    standard error and exit code 2, without a traceback; Ctrl-C becomes 130. Anything else is a defect and keeps
    its traceback.
    """
    import typer

    from engine.errors import HuiceError

    usage: Any = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that lacks a character costs that character
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except HuiceError as error:
        _leave(str(error), BAD_INPUT)
    except usage as error:
        _leave(error.format_message(), BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    if code == INTERRUPTED:  # typer's own answer to Ctrl-C, without a word
        print("interrupted", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _leave(sentence: str, code: int) -> None:
    print("error: " + " ".join(sentence.split()), file=sys.stderr)
    sys.exit(code)


class Output:
    """Text for a reader, or one JSON object for a program.

    Attributes
    ----------
    as_json : bool
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._stdout = sys.stdout

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the JSON object, if that is what was asked for."""
        if self.as_json:
            from engine.run_folder import json_text

            self._stdout.write(json_text(value))

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print labels and texts in two columns."""
        width = max((len(label) for label, _ in rows), default=0)
        for label, text in rows:
            print(f"{label:<{width}}  {text}")


@contextlib.contextmanager
def output(as_json: bool) -> Iterator[Output]:
    """With ``as_json`` all that anybody prints inside, plug-ins included, goes to standard error."""
    out = Output(as_json)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield out


@contextlib.contextmanager
def progress_bar(wanted: bool) -> Iterator[Callable[[int, int, str, float], None] | None]:
    """A bar with the date, the account value and the time left; None where standard error is no terminal."""
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[value]}"),
        TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    # What a plug-in prints appears above the bar, but never moves from a file to the terminal.
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
    with bar:
        task = bar.add_task("reading the data", total=None, value="")

        def show(done: int, total: int, date: str, value: float) -> None:
            bar.update(task, completed=done, total=total, description=date, value=f"{value:,.0f} yuan")

        yield show
