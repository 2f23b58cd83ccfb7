"""What reports take from finished runs: figures, curves, and what survives of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.comparison_charts import BENCHMARK, COLOURS
from engine.presentation import known, percent
from engine.tearsheet_charts import GRID, axis, layout_of, line
from reproduction.sections import SKIPPED, Chart

if TYPE_CHECKING:
    from engine.run_folder import Run
    from reproduction.study import Study

Figures = Mapping[str, Any]


def figures_of(run: Run | None) -> dict[str, Any] | None:
    """The headline of a run and the name of its folder, for a step's facts; None for a run that there is not."""
    return None if run is None else {"run": run.folder.name, **run.result["headline"]}


def figure(found: Figures | None, key: str) -> Any:
    """One of :func:`figures_of`; :data:`SKIPPED` where the run was not made."""
    return SKIPPED if found is None else found.get(key)


def curves(title: str, runs: Mapping[str, Run | None], note: str = "") -> Chart:
    """Net values of runs by label, and that of the benchmark of the first, over their own sessions."""
    there = {label: run for label, run in runs.items() if run is not None}
    data = []
    for k, (label, run) in enumerate(there.items()):
        dates, net = _net(run, "value")
        data.append(line(dates, net, label, COLOURS[k % len(COLOURS)], "y", hover="%{y:.3f}"))
    if there and next(iter(there.values())).result.get("benchmark"):
        dates, net = _net(next(iter(there.values())), "benchmark")
        data.append(line(dates, net, "Benchmark", BENCHMARK, "y", hover="%{y:.3f}", line={"dash": "dot"}))
    layout = layout_of(xaxis={"type": "date", "gridcolor": GRID}, yaxis=axis((0, 1), "Net value", ".2f"))
    return Chart(title, {"data": data, "layout": layout}, note)


def _net(run: Run, column: str) -> tuple[list[str], np.ndarray]:
    level = run.equity[column].ffill().to_numpy(dtype=float)
    dates = run.equity["date"].to_numpy().astype("datetime64[D]")
    return np.datetime_as_string(dates).tolist(), level / level[0]


def survives(
    study: Study, honest: Figures | None, control: tuple[str, Figures] | None, claims: Sequence[str] = ()
) -> str:
    """The paragraph at the head of a report, made from its numbers.

    Parameters
    ----------
    study : Study
    honest : mapping or None
        The report's main honest run, of :func:`figures_of`.
    control : (str, mapping), optional
        Name and run of a linear model under the same conditions.
    claims : sequence of str
        Sentences that set published figures beside ours; they come last.
    """
    from engine.comparison import against
    from engine.conclusions import conclude
    from engine.luck import luck

    if honest is None:
        return " ".join(["The budget paid for no honest run, so nothing can be said of what survives.", *claims])
    run = study.load(honest["run"])
    beside = None if control is None else against(run, study.load(control[1]["run"]), control[0])
    found = conclude(run.result, control=beside, luck=luck(run.result, run.equity, study.runs))
    thin = "This is the thinned problem: it says nothing about the paper. " if study.quick else ""
    return " ".join([thin + found.text, *claims])


def claim(what: str, published: float, paper: Any, honest: Any) -> str:
    """A sentence on a published rate beside ours, fractions."""
    ours = [percent(x) if known(x) else "not computed" for x in (paper, honest)]
    return f"Published {what}: {percent(published)}; by the paper's own procedure {ours[0]}, honestly {ours[1]}."
