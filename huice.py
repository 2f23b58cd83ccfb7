"""Huice: backtests of Chinese A-share strategies. ``from huice import Market, RunConfig, run``.

The names load when first used. On import only one thing is checked: that ``engine``, ``feeds``, ``signals``
and ``strategies`` are the folders beside this file. Their names are common ones, and a user's own
``strategies/`` that stands earlier on the path would be taken for ours without a word.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.backtest import run
    from engine.config import RunConfig
    from engine.market import Market

__version__ = "0.1.0"
__all__ = ["Market", "RunConfig", "run", "__version__"]

_HOME = {"Market": "engine.market", "RunConfig": "engine.config", "run": "engine.backtest"}


def _check_packages() -> None:
    here = Path(__file__).resolve().parent
    for name in ("engine", "feeds", "signals", "strategies"):
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ImportError(f"Huice's package '{name}' is missing from {here}; install Huice again.")
        places = list(spec.submodule_search_locations or []) or [spec.origin or name]
        found = Path(places[0]).resolve()
        if found != here / name:
            raise ImportError(
                f"{found} shadows Huice's own package '{name}'; rename it, or start Python from another "
                "folder or with -P so that it does not come first on the path."
            )


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'huice' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


_check_packages()
