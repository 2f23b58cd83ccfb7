"""Paper 3, charts 18 to 24: the LSTM's learning curves and how its weights move while it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.comparison_charts import COLOURS
from engine.presentation import number
from engine.tearsheet_charts import axis, layout_of, line
from engine.tearsheet_tables import Table, table
from reproduction import top_bottom_published as published
from reproduction.sections import SKIPPED, Chart, Row, Section, three_ways
from reproduction.study import PROTOCOLS

UNITS = 15
"""Units whose weights the paper prints."""


class Shown(NamedTuple):
    """A table of weights that the paper prints: its chart, what they are, and where ours lie.

    ``of`` gives them from the record (:class:`signals.neural.learning_curves.WeightRecord`) as (K, units), given the
    place of the input gate and the names of the factors; None where the data lack the factor.
    """

    chart: int
    what: str
    printed: Sequence[Sequence[int]]
    of: Callable[[Mapping[str, np.ndarray], int, list[str]], np.ndarray | None]


def _factor(name: str) -> Callable[[Mapping[str, np.ndarray], int, list[str]], np.ndarray | None]:
    def found(record: Mapping[str, np.ndarray], gate: int, factors: list[str]) -> np.ndarray | None:
        return record["weights_0"][:, gate, :UNITS, factors.index(name)] if name in factors else None

    return found


def _second(record: Mapping[str, np.ndarray], gate: int, factors: list[str]) -> np.ndarray | None:
    return record["weights_1"][:, gate, 0, :UNITS] if "weights_1" in record else None


TABLES = (
    Shown(20, "ln_capital (log market value) into the first layer's units", published.WEIGHTS["ln_capital"],
          _factor("ln_capital")),
    Shown(21, "asset_turnover_ttm (asset turnover, last twelve months) into the first layer's units",
          published.WEIGHTS["asset_turnover_ttm"], _factor("asset_turnover_ttm")),
    Shown(23, "the first layer's units into the second layer's first unit", published.SECOND_LAYER, _second),
)  # fmt: skip

LAYERS = {"weights_0": (22, "first"), "weights_1": (24, "second")}
"""Charts of the distribution of a layer's weights, by name in the record."""


def inside(fitted: Mapping[str, Any]) -> list[Section]:
    """The sections on the LSTM of the first stage.

    Parameters
    ----------
    fitted : mapping of str to signal
        By protocol, fitted with ``record``; without any there is nothing but words.
    """
    if not fitted:
        return [Section("Charts 18 to 24: the LSTM while it learns", f"{SKIPPED}: the budget paid for no LSTM.")]
    return [
        Section(
            "Charts 18 and 19: learning curves",
            "The LSTM of the first stage. The paper stops when the loss of the samples held out has not fallen for ten "
            "epochs, at about 1,000 iterations; its curves have no numbers.",
            charts=[_curves(one, protocol) for protocol, one in fitted.items()],
        ),
        Section(
            "Charts 20 to 24: weights into the input gates",
            "By iteration, in the network of the first stage. The paper reads weights that grow as a factor that "
            "matters. Single weights start from random numbers and cannot be compared one by one; their mean size over "
            f"the {UNITS} that are printed can.",
            [*(_sizes(one, fitted) for one in TABLES), *_weights(fitted)],
            [chart for protocol, one in fitted.items() for chart in _distributions(one, protocol)],
        ),
    ]


def _curves(signal: Any, protocol: str) -> Chart:
    """Loss and right answers on training and held-out samples by iteration."""
    from signals.neural.explain import curves

    found = curves(signal)
    batches = int(np.ceil(signal.needs().facts["samples"] / signal.batch))
    data = []
    for k, side in enumerate(("train", "validation")):
        for name, place in (("accuracy", "y"), ("loss", "y2")):
            values = found[f"{side}_{name}"]
            steps: list[Any] = [batches * (epoch + 1) for epoch in range(len(values))]
            data.append(
                line(steps, values, side, COLOURS[k], place, hover="%{y:.4f}", legendgroup=side,
                     showlegend=place == "y")
            )  # fmt: skip
    layout = layout_of(
        xaxis={"title": {"text": "iteration"}, "anchor": "y2"}, yaxis=axis((0.54, 1), "Right answers", ".1%"),
        yaxis2=axis((0, 0.46), "Loss", ".4f"), margin={"l": 56, "r": 16, "t": 8, "b": 44},
    )  # fmt: skip
    return Chart(f"First stage, {protocol}", {"data": data, "layout": layout})


def input_weights(shown: Shown, signal: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Iterations (K,) and weights (K, units) as a table of the paper has them; None where the data lack the factor."""
    from signals.neural.explain import record

    _, arrays, gates = record(signal)
    weights = shown.of(arrays, gates.index("input"), list(signal.needs().facts["features"]))
    return None if weights is None else (arrays["iterations"], weights)


def _sizes(shown: Shown, fitted: Mapping[str, Any]) -> Table:
    """Mean |weight| over the units that are printed, at the iterations that are."""
    ours: dict[str, dict[int, float]] = {}
    for protocol, signal in fitted.items():
        found = input_weights(shown, signal)
        if found is not None:
            sizes = np.abs(found[1]).mean(axis=1)
            ours[protocol] = dict(zip(found[0].tolist(), sizes.tolist(), strict=True))
    rows = []
    for iteration, printed in zip(published.ITERATIONS, shown.printed, strict=True):
        cells = [ours.get(p, {}).get(iteration) if p in fitted else SKIPPED for p in PROTOCOLS]
        rows.append(Row(f"Iteration {iteration}", _four, float(np.mean(np.abs(printed))) / 1000.0, *cells))
    note = "n/a: training had stopped before, or the data lack the factor."
    return three_ways(f"Chart {shown.chart}: mean size of the weights of {shown.what}", rows, note)


def _four(x: float) -> str:
    return number(x, 4)


def _weights(fitted: Mapping[str, Any]) -> list[Table]:
    """Our weights as the paper prints its own, of one protocol."""
    protocol, signal = next(iter(fitted.items()))
    tables = []
    for shown in TABLES:
        found = input_weights(shown, signal)
        if found is not None:
            rows = [
                [str(k), *(number(float(x), 3) for x in row)]
                for k, row in zip(found[0].tolist(), found[1], strict=True)
            ]
            head = ["Iteration", *(str(k + 1) for k in range(found[1].shape[1]))]
            title = f"Chart {shown.chart}, ours ({protocol}): {shown.what}"
            tables.append(table(title, head, rows, kind="scroll"))
    return tables


def _distributions(signal: Any, protocol: str) -> list[Chart]:
    """Charts 22 and 24: how a layer's weights into the input gate spread."""
    from signals.learning.explain import Inside
    from signals.learning.explain_charts import distribution
    from signals.neural.explain import record

    name, arrays, gates = record(signal)
    one = Inside("", tuple(signal.needs().facts["features"]), recorded=name, record=arrays, gates=gates)
    return [
        Chart(
            f"Chart {chart}: distribution of the {layer} layer's input-gate weights by iteration, {protocol}",
            distribution(one, weights, gates.index("input")),
        )
        for weights, (chart, layer) in LAYERS.items()
        if weights in arrays
    ]
