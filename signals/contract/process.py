"""Loads a saved signal in a process of its own, while pickle is taken away, and prints what it scores.

    python -m signals.contract.process request.json
"""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class _Refused:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("pickle was used to load a signal")


def digest_of(scores: pd.DataFrame) -> str:
    """Hash of scores to the last bit."""
    total = hashlib.sha256("\0".join([*map(str, scores.columns), *map(str, scores.index)]).encode())
    total.update(scores.to_numpy(dtype="float64").tobytes())
    return total.hexdigest()


def main(request: Path) -> None:
    """Answer a request: class, folder, source of the market, sessions."""
    asked = json.loads(request.read_text(encoding="utf-8"))
    from engine import plugins
    from signals.contract.market import Source, same
    from signals.protocols import hand_over

    cls: Any = plugins.resolve("signal", asked["class"])
    market = same(Source(**asked["source"]).open())
    held = {name: getattr(pickle, name) for name in ("Unpickler", "load", "loads")}
    for name in held:
        setattr(pickle, name, _Refused)
    signal = cls.load(asked["folder"])
    for name, value in held.items():  # Numba keeps what it compiles in its own way
        setattr(pickle, name, value)
    if signal.protocol == "paper":
        signal = hand_over(signal, market)
    print(json.dumps({str(t): digest_of(signal.predict(market.view(t))) for t in asked["sessions"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
