"""Fixtures of every room."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_data import real_folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data; the test is skipped where there is none."""
    return real_folder()
