"""Markets and caches for tests of signals and factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.market import Market
from feeds.store import open_market


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of models for this test alone."""
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def learning_market(own_cache: Path) -> Market:
    """Three years of 40 synthetic stocks."""
    return open_market("synthetic:stocks=40,seed=5,start=2012-01-01,end=2014-12-31", universe="all")


@pytest.fixture(scope="session")
def real_market(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A dozen real stocks, 2011 to 2021-06: past members of the CSI 300 at equal distances, one listed in 2016."""
    rows = pd.read_parquet(real_data / "constituents.parquet")
    names = sorted(set(rows[(rows["index_code"] == "000300") & rows["in_bars"]]["symbol"]))
    listed = pd.read_parquet(real_data / "securities.parquet").set_index("symbol")["list_date"]
    young = next(name for name in names if "2016-06-01" < str(listed[name])[:10] < "2016-12-31")
    chosen = sorted({*names[:: len(names) // 11], young})
    return open_market(str(real_data), universe=chosen, cache=tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="session")
def young(real_market: Market) -> int:
    """Column of the stock that was listed in 2016."""
    first = (real_market.traded > 0).argmax(axis=0)
    days = real_market.sessions[first].astype("datetime64[Y]").astype(int) + 1970
    return int(np.flatnonzero(days == 2016)[0])
