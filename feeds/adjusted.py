"""Whether bars are those that were traded: what tells of adjusted prices, and rows that no market can have had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from feeds.foreign import Part
    from feeds.mappings import Layout

_BAR = ("open", "high", "low", "close")

_INSIDE = 0.9
"""Share of the bars whose mean price amount / volume lies between low and high that true prices reach."""

_ODD_DECIMALS = 0.02
"""Share of closes with parts of a fen from which on prices are called adjusted."""

_HUNDREDFOLD = 0.05


def judge(part: Part, layout: Layout) -> None:
    """Find out whether prices are those that were paid, and set the units of volume right where they tell."""
    frame = part.frame
    flags = set(frame.pop("adjust_flag").unique().tolist()) if "adjust_flag" in frame else set()
    if not len(frame):
        return
    if flags & {"1", "2"}:
        part.adjusted = "forward" if "2" in flags else "backward"
        part.why = f"the flag of adjustment is {sorted(flags)[0]}"
        return
    if layout.adjusted in ("forward", "backward"):
        part.adjusted, part.why = layout.adjusted, "the mapping says so"
        return
    bad = frame["low"].to_numpy() <= 0
    if bad.any():
        row = frame.iloc[int(np.argmax(bad))]
        part.adjusted, part.why = "forward", f"the low of {row['date']:%Y-%m-%d} is {row['low']:g}"
        return
    if layout.adjusted == "no" or flags == {"3"}:
        return
    inside, ratio = _mean_price(frame)
    if inside is not None and inside.mean() < _INSIDE:
        middle = float(np.median(ratio))
        for factor in (100.0, 0.01):
            if abs(middle / factor - 1.0) < _HUNDREDFOLD and not layout.sure:
                frame["volume"] *= factor
                part.notes.append(f"volume times {factor:g}: amount / volume was {middle:.3g} times the price")
                inside, ratio = _mean_price(frame)
                break
    if inside is not None and inside.mean() < _INSIDE:
        part.adjusted = "forward" if np.median(ratio) > 1.0 else "backward"  # paid above or below what stands there
        part.why = f"amount / volume lies between low and high on {100 * inside.mean():.0f} % of the days only"
        return
    fen = frame["close"].to_numpy() * 100.0
    odd = np.abs(fen - np.rint(fen)) > 0.01
    if odd.mean() > _ODD_DECIMALS:
        part.adjusted = "adjusted"
        part.why = f"{100 * odd.mean():.0f} % of the closes have parts of a fen"


def _mean_price(frame: pd.DataFrame) -> tuple[np.ndarray | None, np.ndarray]:
    """Whether amount / volume lies between low and high by day, and how many times the close it is."""
    if "amount" not in frame or not (frame["amount"] > 0).any():
        return None, np.zeros(0)
    some = (frame["amount"] > 0).to_numpy()
    mean = (frame["amount"] / frame["volume"]).to_numpy()[some]
    low, high, close = (frame[name].to_numpy()[some] for name in ("low", "high", "close"))
    return (mean >= low * 0.99 - 0.01) & (mean <= high * 1.01 + 0.01), mean / close


def broken_row(frame: pd.DataFrame) -> str:
    """What is wrong with the first bar that cannot be one; "" where all can.

    A price may be missing on no day with trade, and high and low are the highest and the lowest price of the day.
    """
    values = {name: frame[name].to_numpy(dtype=float) for name in (*_BAR, "volume") if name in frame}
    if (values["low"] <= 0).any():  # then prices are adjusted, which says more
        return ""
    for name, column in values.items():
        bad = ~np.isfinite(column)
        if bad.any():
            at = int(np.argmax(bad))
            return f"column '{name}' of {where(frame, at)} is {'empty' if np.isnan(column[at]) else 'infinite'}"
    for upper, lower in (("high", "low"), ("high", "open"), ("high", "close"), ("open", "low"), ("close", "low")):
        bad = values[upper] < values[lower] - 1e-6
        if bad.any():
            at = int(np.argmax(bad))
            return (
                f"the {upper} {values[upper][at]:g} of {where(frame, at)} is below its {lower} {values[lower][at]:g}"
            )
    return ""


def where(frame: pd.DataFrame, row: int) -> str:
    """Symbol and day of a row."""
    return f"{frame['symbol'].iloc[row]} on {frame['date'].iloc[row]:%Y-%m-%d}"
