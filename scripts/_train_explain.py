"""``train.py --explain``: what the windows hold, saved beside the models and drawn as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STOCKS = 6
"""Stocks whose predictions are drawn."""


def write_explanation(
    done: Any, folder: Path, name: str, result: Mapping[str, Any], facts: Sequence[tuple[str, str]], repeats: int,
    show: Any,
) -> Path:  # fmt: skip
    """Look inside, write ``inside.npz`` and ``explain.html``, and return the page's path."""
    from _train_table import meaning, table

    from feeds.survivorship import data_warnings
    from signals.learning.explain import explain, save
    from signals.learning.explain_page import write_page

    found = explain(
        done.market, done.walk, done.known, repeats=repeats, seed=done.signal.seed, progress=show
    )
    save(found, folder / "inside.npz")
    predictions = None
    if getattr(done.signal, "own_networks", False):
        from signals.lstm_price import predicted_and_actual

        predictions = predicted_and_actual(done.market, done.walk.scores, STOCKS)
    leaks = ["LEAKS: these models used data from after their decisions."] if done.signal.protocol == "paper" else []
    return write_page(
        found, folder / "explain.html", title=f"Inside {name}", facts=facts, predictions=predictions,
        table=table([*result["windows"], {"fit": "all", **result["all"]}], "fit", bool(done.signal.classes)),
        meaning=meaning(done.signal), total=result["all"], warnings=[*leaks, *data_warnings(done.market)],
    )  # fmt: skip
