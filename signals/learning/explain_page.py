"""Inside a walk-forward as one self-contained HTML page: words, windows, factors, weights, attention, method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.files import write_beside
from engine.presentation import percent
from signals.learning import explain_charts as charts
from signals.learning.explain import Inside, mean_by_factor
from signals.learning.figures import mean, ranks
from signals.pages import cell, figure, rendered, share

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parent / "templates"

CURVES = {
    "train_loss": "Training loss", "validation_loss": "Validation loss", "train_accuracy": "Training, share right",
    "validation_accuracy": "Validation, share right",
}  # fmt: skip
ENOUGH = 6
"""Windows from which on a standard error over them is worth a sentence."""
SHOWN = 4
"""Inputs whose single weights are drawn."""


def write_page(
    found: Sequence[Inside],
    path: Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    table: tuple[Sequence[str], Sequence[Sequence[str]]] = ((), ()),
    meaning: Sequence[str] = (),
    total: Mapping[str, float] | None = None,
    predictions: Mapping[str, pd.DataFrame] | None = None,
    warnings: Sequence[str] = (),
) -> Path:
    """Write the page, beside and then renamed.

    Parameters
    ----------
    found : sequence of Inside
        The windows, in order.
    path : Path
        The HTML file.
    title : str
    facts : sequence of (label, text)
        Lines under the title, such as data and universe.
    table : (headings, rows of texts)
        The windows' figures, the last row those of all decisions.
    meaning : sequence of str
        What its columns are.
    total : mapping, optional
        Figures of all decisions, see :meth:`signals.paper_checks.Outcomes.figures`.
    predictions : mapping of str to DataFrame, optional
        By stock: columns ``date``, ``predicted`` and ``actual``, see :func:`signals.lstm_price.predicted_and_actual`.
    warnings : sequence of str
        What a reader must know first.

    Returns
    -------
    Path
        The file written.
    """
    shown = context(found, title, facts, total or {}, predictions or {})
    heads, rows = table
    windows = {
        "head": [(text, "text" if k == 0 else "", "") for k, text in enumerate(heads)],
        "rows": [[cell(text, kind="text strong" if k == 0 else "") for k, text in enumerate(row)] for row in rows],
    }  # fmt: skip
    path = Path(path)
    write_beside(
        path, rendered(TEMPLATES, "explain.html.j2", **shown, windows=windows, meaning=meaning, warnings=list(warnings))
    )
    return path


def context(
    found: Sequence[Inside], title: str, facts: Sequence[tuple[str, str]], total: Mapping[str, float],
    predictions: Mapping[str, pd.DataFrame],
) -> dict[str, Any]:  # fmt: skip
    """Everything that the template shows."""
    drawn: dict[str, Any] = {}
    for name in CURVES:
        chart = charts.curves_chart(found, name)
        if chart is not None:
            drawn[f"curve-{name}"] = chart
    shares = mean_by_factor([one.contribution for one in found if one.contribution])
    falls, errors, rises = _importance(found)
    if shares:
        drawn["contribution"] = charts.bars(shares, ".1%")
    if falls:
        drawn["importance"] = charts.bars(falls, "+.4f", errors)
    tested = [one for one in found if one.importance is not None]
    if len(tested) > 1:
        names = sorted(falls, key=lambda name: -falls[name])[: charts.ROWS]
        drawn["windows"] = charts.window_map([one.day for one in tested], names, _by_window(tested, names))
    weights = _weights(found, drawn)
    attention = _attention(found, drawn)
    stocks = []
    for place, (symbol, rows) in enumerate(predictions.items()):
        drawn[f"stock-{place}"] = charts.predicted_chart(rows)
        stocks.append({"place": place, "symbol": symbol, "text": _errors(rows)})
    return {
        "title": title, "subtitle": [*facts, ("Windows", _windows(found))], "charts": drawn,
        "summary": _summary(found, shares, falls, errors, attention, total),
        "curves": {name: text for name, text in CURVES.items() if f"curve-{name}" in drawn},
        "factors": _factors(shares, falls, errors, rises), "weights": weights, "attention": attention, "stocks": stocks,
    }  # fmt: skip


def _windows(found: Sequence[Inside]) -> str:
    return f"{len(found)}, fitted {found[0].day} to {found[-1].day}" if len(found) > 1 else f"fitted {found[0].day}"


# -- figures -----------------------------------------------------------------------------------------


def _importance(found: Sequence[Inside]) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """By factor: mean fall of the Rank IC over windows, its standard error, mean relative rise of the loss.

    The error is that of the mean over windows; of a single window, that of the mean over shuffles.
    """
    tested = [one.importance for one in found if one.importance is not None]
    names = list(dict.fromkeys(name for one in tested for name in one.factors))
    falls: dict[str, float] = {}
    errors: dict[str, float] = {}
    rises: dict[str, float] = {}
    for name in names:
        having = [(one, one.factors.index(name)) for one in tested if name in one.factors]
        own = np.array([one.rank_ic_falls[:, k].mean() for one, k in having])
        spread = own if len(own) > 1 else having[0][0].rank_ic_falls[:, having[0][1]]
        falls[name] = mean(own)
        errors[name] = float(np.std(spread, ddof=1) / math.sqrt(len(spread))) if len(spread) > 1 else float("nan")
        rises[name] = mean(np.array([one.loss_rises[:, k].mean() / abs(one.loss) for one, k in having]))
    return falls, errors, rises


def _by_window(tested: Sequence[Inside], names: Sequence[str]) -> np.ndarray:
    out = np.full((len(names), len(tested)), np.nan)
    for column, one in enumerate(tested):
        assert one.importance is not None
        places = {name: k for k, name in enumerate(one.importance.factors)}
        for row, name in enumerate(names):
            if name in places:
                out[row, column] = one.importance.rank_ic_falls[:, places[name]].mean()
    return out


def _weights(found: Sequence[Inside], drawn: dict[str, Any]) -> dict[str, Any] | None:
    """What the last recorded window shows of its input weights."""
    recorded = [one for one in found if one.record]
    if not recorded:
        return None
    one = recorded[-1]
    drawn["weights"] = charts.weight_map(one)
    singles, gates = [], []
    if one.record["weights_0"].shape[3] == len(one.features):
        for place, k in enumerate(charts.leading(one, SHOWN)):
            drawn[f"single-{place}"] = charts.trajectories(one, k)
            singles.append({"place": place, "name": one.features[k]})
    for gate, name in enumerate(one.gates):
        drawn[f"weights-{gate}"] = charts.distribution(one, "weights_0", gate)
        drawn[f"biases-{gate}"] = charts.distribution(one, "biases_0", gate)
        gates.append({"place": gate, "name": name})
    iterations = one.record["iterations"]
    return {
        "day": one.day, "singles": singles, "gates": gates, "units": one.record["weights_0"].shape[2],
        "model": "" if one.recorded == "model-0" else one.recorded, "recordings": len(iterations),
        "last": int(iterations[-1]),
    }  # fmt: skip


def _attention(found: Sequence[Inside], drawn: dict[str, Any]) -> dict[str, Any] | None:
    having = [one for one in found if len(one.attention)]
    if not having:
        return None
    names = list(dict.fromkeys(name for one in having for name in one.attended))
    days = [day for one in having for day in one.days]
    weights = np.full((len(days), len(names)), np.nan)
    row = 0
    for one in having:
        places = [names.index(name) for name in one.attended]
        weights[row : row + len(one.days), places] = one.attention
        row += len(one.days)
    drawn["attention"] = charts.attention_map(days, names, weights)
    known = np.nan_to_num(weights)
    parts = np.where(known > 0.0, known, 1.0)
    spread = float(np.mean(np.exp(-(known * np.log(parts)).sum(axis=1))))
    inputs = float(np.mean((~np.isnan(weights)).sum(axis=1)))
    most = int(np.argmax(known.mean(axis=0)))
    return {"spread": spread, "inputs": inputs, "most": names[most], "share": float(known[:, most].mean())}


def _errors(rows: pd.DataFrame) -> str:
    """Mean absolute error as a share, beside that of the last close."""
    actual = rows["actual"].to_numpy()
    known = np.isfinite(actual)
    off = [mean(np.abs(rows[name].to_numpy() / actual - 1.0)[known]) for name in ("predicted", "last")]
    return f"mean error {percent(off[0], 2)}; the last close in its place {percent(off[1], 2)}"


# -- words -------------------------------------------------------------------------------------------


def _summary(
    found: Sequence[Inside], shares: Mapping[str, float], falls: Mapping[str, float], errors: Mapping[str, float],
    attention: Mapping[str, Any] | None, total: Mapping[str, float],
) -> list[str]:  # fmt: skip
    words = []
    if total:
        text = f"Over {total['decisions']:.0f} decisions after the fits the mean Rank IC is {total['rank_ic']:+.4f}."
        if math.isfinite(total.get("accuracy", math.nan)):
            text += (
                f" {percent(total['accuracy'], 1)} of the stocks are put into their class, where the most frequent "
                f"class alone gives {percent(total['base_rate'], 1)}; the AUC is {total['auc']:.3f}."
            )
        elif math.isfinite(total.get("naive_r2", math.nan)):
            text += f" R² is {total['r2']:.3f}; the last known value reaches {total['naive_r2']:.3f}."
        words.append(text)
    if falls:
        top = sorted(falls, key=lambda name: -falls[name])[:3]
        sure = sum(falls[name] > 2.0 * errors[name] for name in falls)
        text = f"Shuffling {', '.join(f'{name} ({falls[name]:+.4f})' for name in top)} costs the most Rank IC."
        if len(found) >= ENOUGH:
            text += (
                f" Of {len(falls)} factors {sure} cost more than two standard errors; about {0.03 * len(falls):.0f} "
                "would by chance."
            )
        words.append(text)
    if shares:
        top = sorted(shares, key=lambda name: -shares[name])[:3]
        text = (
            f"The largest shares of the input weights: {', '.join(f'{n} {percent(shares[n], 1)}' for n in top)}; an "
            f"equal share is {percent(1.0 / len(shares), 1)}."
        )
        both = [name for name in shares if name in falls]
        if len(both) > 2:
            pair = np.corrcoef(ranks(np.array([shares[n] for n in both])), ranks(np.array([falls[n] for n in both])))
            text += (
                f" Their order and that of the shuffles have a rank correlation of {pair[0, 1]:+.2f}: large weights "
                "are not the same as use."
            )
        words.append(text)
    if attention is not None:
        words.append(
            f"Attention is spread over {attention['spread']:.1f} of {attention['inputs']:.0f} inputs (exponential of "
            f"its entropy); the most, {percent(attention['share'], 1)}, lies on {attention['most']}."
        )
    return words


def _factors(
    shares: Mapping[str, float], falls: Mapping[str, float], errors: Mapping[str, float], rises: Mapping[str, float]
) -> dict[str, Any]:
    from signals.factors.registry import registered

    chinese = {one.name: one.chinese for one in registered().values()}
    names = sorted({*shares, *falls}, key=lambda name: (-falls.get(name, -math.inf), -shares.get(name, 0.0), name))
    nothing = float("nan")
    head = [("Factor", "text", "")]
    if falls:
        head += [("Rank IC falls by", "", "mean over windows"), ("± error", "", "standard error of that mean"),
                 ("loss rises by", "", "as a share of the loss")]  # fmt: skip
    head += [("share of |weight|", "", "mean over windows")] if shares else []
    rows = []
    for name in names:
        row = [cell(name, kind="text") | {"small": chinese.get(name, "")}]
        if falls:
            fall, error = falls.get(name, nothing), errors.get(name, nothing)
            strong = "strong" if fall > 2.0 * error else ""
            row += [figure(fall, 4, True, strong), figure(error, 4), share(rises.get(name, nothing), 2, True)]
        row += [share(shares.get(name, nothing), 2)] if shares else []
        rows.append(row)
    return {"head": head, "rows": rows}
