"""What a step of a report leaves behind: tables and charts that can be kept as JSON, and numbers for later steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.presentation import MISSING, known
from engine.tearsheet_tables import Cell, Table, table

PUBLISHED, PAPER, HONEST = "Published", "Ours by the paper's procedure (LEAKS)", "Ours, honest"
"""Heads of the three columns that every report compares."""

SKIPPED = "skipped"
"""What stands where the budget did not pay for a training."""

Write = Callable[[Any], str]


class Chart(NamedTuple):
    """A Plotly figure as a plain dictionary."""

    title: str
    figure: dict[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A published table or figure, and ours beside it.

    Attributes
    ----------
    title : str
    text : str
        What it is and what to make of it.
    tables : sequence of Table
    charts : sequence of Chart
    """

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()


@dataclass(frozen=True)
class Found:
    """What a step found.

    Attributes
    ----------
    sections : sequence of Section
    facts : dict
        Numbers and names by which later steps and the conclusion go on; what JSON can hold.
    """

    sections: Sequence[Section] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class Row(NamedTuple):
    """One figure three times; None where there is none, :data:`SKIPPED` where it was not trained."""

    label: str
    write: Write
    published: Any
    paper: Any
    honest: Any


def three_ways(title: str, rows: Sequence[Row], note: str = "") -> Table:
    """A table of figures: published, by the paper's procedure, honest."""
    texts: list[list[Any]] = [
        [row.label, "" if row.published is None else written(row.write, row.published),
         *(written(row.write, x) for x in (row.paper, row.honest))]
        for row in rows
    ]  # fmt: skip
    return table(title, ["", PUBLISHED, PAPER, HONEST], texts, note=note, kind="sides")


def written(write: Write, x: Any) -> str:
    """A figure, or why there is none."""
    if isinstance(x, str):
        return x
    return write(x) if known(x) else MISSING


# -- to JSON and back --------------------------------------------------------------------------------


def to_plain(found: Found) -> dict[str, Any]:
    """As JSON holds it."""
    sections = [
        {
            "title": one.title,
            "text": one.text,
            "tables": [t._asdict() for t in one.tables],
            "charts": [list(chart) for chart in one.charts],
        }
        for one in found.sections
    ]
    return {"sections": sections, "facts": found.facts}


def from_plain(held: Mapping[str, Any]) -> Found:
    """The inverse of :func:`to_plain`."""
    sections = [
        Section(
            one["title"],
            one["text"],
            [Table(**{**t, "rows": [[Cell(*c) for c in row] for row in t["rows"]]}) for t in one["tables"]],
            [Chart(*chart) for chart in one["charts"]],
        )
        for one in held["sections"]
    ]
    return Found(sections, dict(held["facts"]))
