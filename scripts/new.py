"""Write a working plug-in to begin with, and its test."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Annotated

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Write a working plug-in to begin with, and its test.

A signal is my_signal.py with a score of its own, a strategy my_strategy.py with weights of its own; the test beside
it, test_my_signal.py, holds it against the contract.
"""

EXAMPLES = """\b
Examples:
  python scripts/new.py signal my_signal
  python scripts/new.py signal my_model --kind trained --folder plugins
  python scripts/new.py strategy my_strategy
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

STRATEGY = '''"""$title: a strategy of my own."""

from strategies.base import RebalanceStrategy, best


class $name(RebalanceStrategy):
    """The ``hold`` stocks of highest score, weighted by their rank."""

    params = (("hold", 20),)

    def allocate(self, scores, portfolio, view):
        """Choose weights by symbol after the close of view.date: fractions of the account, in all at most 1."""
        chosen = best(scores, self.p.hold)
        points = range(len(chosen), 0, -1)
        return {symbol: point / sum(points) for symbol, point in zip(chosen, points)}
'''

TEST = '''"""$title keeps the contract of a $kind; run it with: python -m pytest $test"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path($root)
sys.path[:0] = [str(ROOT)]

from engine import plugins  # noqa: E402
from $suite import audit  # noqa: E402
from signals.contract.checks import failures  # noqa: E402

FILE = Path(__file__).resolve().parent / "$file"


def test_it_keeps_the_contract() -> None:
    $kind = plugins.resolve("$kind", f"{FILE}:$name")$made
    assert failures(audit($kind)) == []
'''

Name = Annotated[str, typer.Argument(help="Name of the file, as my_idea.")]
Folder = Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; here by default.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]


@app.callback(help=HELP, epilog=EXAMPLES)
def main() -> None:
    pass


@app.command(epilog=EXAMPLES)
def signal(
    name: Name,
    kind: Annotated[str, typer.Option(help="score (a formula) or trained (a model on factors).")] = "score",
    folder: Folder = Path(),
    force: Force = False,
) -> None:
    """Write a signal and its test."""
    from engine.errors import ConfigError, nearest

    kinds = {"score": SIGNAL, "trained": TRAINED}
    if kind not in kinds:
        raise ConfigError(f"there is no kind '{kind}'; {nearest(kind, kinds)}")
    _write("signal", name, kinds[kind], folder, force)


@app.command(epilog=EXAMPLES)
def strategy(name: Name, folder: Folder = Path(), force: Force = False) -> None:
    """Write a strategy and its test."""
    _write("strategy", name, STRATEGY, folder, force)


def _write(kind: str, name: str, text: str, folder: Path, force: bool) -> None:
    from engine.errors import ConfigError
    from engine.files import write_beside

    if not name.isidentifier() or not name.isascii() or name != name.lower() or name.startswith("_"):
        raise ConfigError(f"'{name}' is no name of a file of Python; use lower case letters, digits and underscores")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--folder '{folder}' is a file; give a folder")
    source, test = folder / f"{name}.py", folder / f"test_{name}.py"
    words = {
        "name": "".join(part.capitalize() for part in name.split("_")), "title": name.replace("_", " ").capitalize(),
        "kind": kind, "file": source.name, "test": str(test), "root": repr(str(_cli.ROOT)),
        "suite": "signals.contract.suite" if kind == "signal" else "strategies.contract",
        "made": "()" if kind == "signal" else "",
    }  # fmt: skip
    for path in (source, test):
        if path.exists() and not force:
            raise ConfigError(f"{path} is there already; choose another name, or write over it with --force")
    for path, template in ((source, text), (test, TEST)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_beside(path, Template(template).substitute(words))
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror}); choose another --folder") from None
    print(f"{source}: the {kind} {words['name']}")
    print(f"{test}: its test")
    print()
    print(f"Audit it:    python scripts/audit.py {source}:{words['name']}")
    print(f"Backtest it: python scripts/backtest.py --{kind} {source}")


if __name__ == "__main__":
    _cli.main_guard(app)
