"""Where the real data are, and the mark of tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("HUICE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
"""The folder that ``HUICE_DATA`` names, else ``../shared/data``."""

WHY = "real data are not here: set HUICE_DATA to their folder"

on_real_data = pytest.mark.skipif(not (DATA / "calendar.parquet").is_file(), reason=WHY)


def real_folder() -> Path:
    """The folder; the test is skipped where there is none."""
    if not (DATA / "calendar.parquet").is_file():
        pytest.skip(WHY)
    return DATA
