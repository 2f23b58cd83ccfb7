"""Fixtures of every room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_data import real_folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data; the test is skipped where there is none."""
    return real_folder()


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of markets for this module alone: what its tests open is made once."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("cache")
        patch.setenv("HUICE_CACHE", str(place))
        yield place
