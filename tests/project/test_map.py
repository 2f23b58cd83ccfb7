"""The map of rooms in CONTRIBUTING.md shows the files that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


ROOMS = [
    str(path.relative_to(ROOT))
    for top in ("engine", "feeds", "signals", "strategies", "scripts")
    for path in (ROOT / top, *sorted((ROOT / top).rglob("*/")))
    if any(path.glob("*.py"))
]


def rooms() -> dict[str, set[str]]:
    """Return {room: file names its section mentions}."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    text = text.split("## The rooms")[1].split("\n## ")[0]
    parts = re.split(r"^`([a-z/]+)/` — ", text, flags=re.M)[1:]
    sections = zip(parts[::2], parts[1::2], strict=True)
    return {room: set(re.findall(r"`([a-z0-9_]+\.py)`", body)) - {"huice.py"} for room, body in sections}


@pytest.mark.parametrize("room", ROOMS)
def test_the_map_names_every_file_of_a_room_and_no_other(room: str) -> None:
    there = {p.name for p in (ROOT / room).glob("*.py")} - {"__init__.py"}
    assert rooms()[room] == there
