"""Write a working plug-in to begin with, and its test."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Write a working plug-in to begin with, and its test.

A signal is my_signal.py with a score of its own and test_my_signal.py, which holds it against the contract.
"""

EXAMPLES = """\b
Examples:
  python scripts/new.py signal my_signal
  python scripts/new.py signal my_model --kind trained --folder plugins
"""

SIGNAL = '''"""$title: a signal of my own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from signals.base import Signal

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View


class $name(Signal):
    """Minus the distance of the close from its mean over ``window`` sessions, as a fraction.

    Parameters
    ----------
    window : int
        Sessions.
    """

    window: int = Field(20, ge=2, le=250)

    @property
    def lookback(self) -> int:
        """Sessions of history that predict reads."""
        return self.window

    def predict(self, view: View) -> pd.DataFrame:
        """Score the universe as of view.date: one value for each stock, high is good, NaN for no score."""
        close = view.adjusted("close", self.window)  # (window, stocks), ends at t
        return view.scores(1.0 - close[-1] / close.mean(axis=0))
'''

TRAINED = '''"""$title: a signal of my own that learns."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from signals.labels import NextReturn
from signals.saved import Learnt
from signals.trained import TrainedSignal, Window


class $name(TrainedSignal):
    """Next month's return by ridge regression on momentum factors, fitted each year on the 12 months before.

    Parameters
    ----------
    strength : float
        Of the ridge.
    """

    factors = ("return_1m", "return_3m", "return_6m")
    label = NextReturn()

    preprocess: str = "paper-5"  # z-score, drop sparse factors, principal components: fitted in each window
    strength: float = Field(1.0, ge=0.0)

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        """Learn from window.x (samples, features) and window.y."""
        x = np.c_[window.x, np.ones(len(window.x))].astype(np.float64)
        penalty = self.strength * np.eye(x.shape[1])
        return Learnt({"weights": np.linalg.solve(x.T @ x + penalty, x.T @ window.y)})

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """What the model says of samples; here that is the score."""
        return np.c_[x, np.ones(len(x))] @ model.arrays["weights"]
'''

TEST = '''"""$title keeps the contract of a signal; run it with: python -m pytest $test"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path($root)
sys.path[:0] = [str(ROOT)]

from engine import plugins  # noqa: E402
from signals.contract.suite import audit, failures  # noqa: E402

FILE = Path(__file__).resolve().parent / "$file"


def test_it_keeps_the_contract() -> None:
    signal = plugins.resolve("signal", f"{FILE}:$name")()
    assert failures(audit(signal)) == []
'''


@app.callback(help=HELP, epilog=EXAMPLES)
def main() -> None:
    pass


@app.command(epilog=EXAMPLES)
def signal(
    name: Annotated[str, typer.Argument(help="Name of the file, as my_signal.")],
    kind: Annotated[str, typer.Option(help="score (a formula) or trained (a model on factors).")] = "score",
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; here by default.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write a signal and its test."""
    from engine.errors import ConfigError, nearest
    from signals.saved import write_bytes

    if not name.isidentifier() or not name.isascii() or name != name.lower() or name.startswith("_"):
        raise ConfigError(f"'{name}' is no name of a file of Python; use lower case letters, digits and underscores")
    kinds = {"score": SIGNAL, "trained": TRAINED}
    if kind not in kinds:
        raise ConfigError(f"there is no kind '{kind}'; {nearest(kind, kinds)}")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--folder '{folder}' is a file; give a folder")
    words = {
        "name": "".join(part.capitalize() for part in name.split("_")), "title": name.replace("_", " ").capitalize(),
        "file": f"{name}.py", "test": str(folder / f"test_{name}.py"), "root": repr(str(_cli.ROOT)),
    }  # fmt: skip
    files = {folder / f"{name}.py": kinds[kind], folder / f"test_{name}.py": TEST}
    there = [path for path in files if path.exists()]
    if there and not force:
        raise ConfigError(f"{there[0]} is there already; choose another name, or write over it with --force")
    for path, text in files.items():
        try:
            write_bytes(path, Template(text).substitute(words).encode())
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror}); choose another --folder") from None
    source, test = files
    print(f"{source}: the signal {words['name']}")
    print(f"{test}: its test")
    print()
    print(f"Audit it:    python scripts/audit.py {source}:{words['name']}")
    print(f"Backtest it: python scripts/backtest.py --signal {source}")


if __name__ == "__main__":
    _cli.main_guard(app)
