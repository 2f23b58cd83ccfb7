"""A paper's report on the thinned problem, made as a user makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from user_script import run_script


class Report(NamedTuple):
    """The JSON beside the page, the page, and what was printed."""

    found: dict[str, Any]
    page: str
    out: str

    def section(self, begins: str) -> dict[str, Any]:
        """The one section whose title begins so."""
        (one,) = [section for section in self.found["sections"] if section["title"].startswith(begins)]
        return one  # type: ignore[no-any-return]

    def rows(self, begins: str, table: int = 0) -> dict[str, list[str]]:
        """The rows of a section's table by their first cell."""
        return {row[0]: row[1:] for row in self.section(begins)["tables"][table]["rows"]}


def quick_report(paper: str, folder: Path) -> Report:
    """Run ``reproduce.py PAPER --quick`` in a folder with caches of its own."""
    done = run_script("reproduce", folder, paper, "--quick", HUICE_CACHE=str(folder / "cache"))
    assert done.code == 0, done.err
    made = folder / "reports" / f"{paper}-quick"
    return Report(json.loads((made / "report.json").read_text()), (made / "report.html").read_text(), done.out)
