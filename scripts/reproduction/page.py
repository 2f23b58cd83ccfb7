"""A report as one self-contained HTML file, and as JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.files import write_beside
from engine.tearsheet import fill
from engine.tearsheet_tables import Table, table
from reproduction.budget import duration
from reproduction.sections import Found
from reproduction.study import Study

NAME = "report.html"


def write_page(study: Study, found: Mapping[str, Found], conclusion: str) -> Path:
    """Write the report into the study's folder, beside and then renamed."""
    path = study.folder / NAME
    write_beside(path, fill("reproduction.html.j2", context(study, found, conclusion)))
    return path


def context(study: Study, found: Mapping[str, Found], conclusion: str) -> dict[str, Any]:
    """Everything that the page shows."""
    sections: list[dict[str, Any]] = []
    charts: dict[str, Any] = {}
    for step in found.values():
        for one in step.sections:
            drawn = []
            for chart in one.charts:
                name = f"c{len(charts)}"
                charts[name] = chart.figure
                height = chart.figure["layout"].get("height")
                drawn.append({"name": name, "title": chart.title, "note": chart.note, "height": height})
            sections.append({"title": one.title, "text": one.text, "tables": list(one.tables), "charts": drawn})
    return {
        "title": study.paper.title,
        "facts": facts(study),
        "conclusion": conclusion,
        "budget": budget_table(study),
        "sections": sections,
        "charts": charts,
    }


def facts(study: Study) -> list[tuple[str, str]]:
    """The lines under the title."""
    name = study.data if study.data.startswith("synthetic") else f"folder {Path(study.data).name}"
    return [
        ("Paper", study.paper.source),
        ("Data", name),
        ("Problem", "thinned (--quick): its figures show that the report works and nothing about the paper"
         if study.quick else "whole"),
        ("Training budget", f"{duration(study.plan.budget)} of CPU"),
    ]  # fmt: skip


def budget_table(study: Study) -> Table:
    """What the budget pays for, what it does not, and what each training took."""
    rows = [
        [one.what, duration(one.seconds), duration(study.spent[one.name]) if one.name in study.spent else "not needed"]
        for one in study.plan.chosen
    ]
    rows += [[one.what, duration(one.seconds), "skipped"] for one in study.plan.skipped]
    took = sum(study.spent.get(one.name, 0.0) for one in study.plan.chosen)
    note = (
        f"Budget {duration(study.plan.budget)} of CPU; chosen before the start by what each is expected to cost: "
        f"{len(study.plan.chosen)} trainings for {duration(study.plan.seconds)}, which took {duration(took)} with the "
        f"backtests around them. Skipped for want of budget: {len(study.plan.skipped)}."
    )
    return table("Training budget", ["Training", "Expected CPU", "Took"], rows, note=note, kind="sides")


def to_json(study: Study, found: Mapping[str, Found], conclusion: str) -> dict[str, Any]:
    """The report's texts and numbers for a program."""
    return {
        "paper": study.name,
        "quick": study.quick,
        "data": study.data if study.data.startswith("synthetic") else Path(study.data).name,
        "conclusion": conclusion,
        "budget": {
            "seconds": study.plan.budget,
            "chosen": [one.name for one in study.plan.chosen],
            "skipped": [one.name for one in study.plan.skipped],
        },
        "sections": [
            {"title": one.title, "text": one.text, "tables": [_texts(t) for t in one.tables]}
            for step in found.values()
            for one in step.sections
        ],
        "facts": {name: step.facts for name, step in found.items()},
    }


def _texts(t: Table) -> dict[str, Any]:
    return {"title": t.title, "head": t.head, "rows": [[cell.text for cell in row] for row in t.rows], "note": t.note}
