"""The digest of a factor's code sees what the factor runs through classes and tables of functions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from signals.factors.code import code_digest

TEXT = """
import functools

class Series:
    def value(self):
        return 1.0

    @property
    def other(self):
        return 2.0

def half(x):
    return x / 2

KINDS = {"half": half}

def through_a_class(panel):
    return Series().value() + Series().other

def through_a_table(panel):
    return KINDS["half"](panel)

@functools.cache
def kept(x):
    return x + 4

def through_a_memory(panel):
    return kept(panel)
"""


def digests(folder: Path, text: str) -> dict[str, str]:
    folder.mkdir()
    (folder / "mine.py").write_text(text)
    spec = importlib.util.spec_from_file_location("mine", folder / "mine.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: code_digest(getattr(module, name)) for name in vars(module) if name.startswith("through")}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [("return 1.0", "return 3.0", "through_a_class"), ("return 2.0", "return 3.0", "through_a_class"),
     ("x / 2", "x / 3", "through_a_table"), ("x + 4", "x + 5", "through_a_memory")],
)  # fmt: skip
def test_a_change_behind_a_class_a_table_or_a_memory_changes_the_digest_of_what_uses_it_alone(
    tmp_path: Path, old: str, new: str, changed: str
) -> None:
    before, after = digests(tmp_path / "a", TEXT), digests(tmp_path / "b", TEXT.replace(old, new))
    assert {name for name in before if before[name] != after[name]} == {changed}
