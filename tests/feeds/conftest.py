"""Fixtures for the feeds: the small data folder of ``tests/support/small_data.py`` and the real data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_data import Tables, small_tables, write_tables


@pytest.fixture
def tables() -> Tables:
    return small_tables()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Tables], Path]:
    return lambda tables: write_tables(tmp_path / "data", tables)


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests on real data of a session."""
    return tmp_path_factory.mktemp("cache")
