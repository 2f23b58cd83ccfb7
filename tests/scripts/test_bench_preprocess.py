"""The bench of preprocessing, on a small embedded market."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_the_bench_measures_the_chain_beside_statsmodels_and_the_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("HUICE_CACHE", str(tmp_path))
    import _bench_preprocess

    data = Path("synthetic:stocks=60,seed=3")
    rows = _bench_preprocess.measure(data, repeat=1, months=8, factors=6)
    assert [row["figure"].split(",")[0] for row in rows] == [
        "preprocessing", "preprocessing", "pandas and statsmodels", "label next-return", "label top-bottom",
    ]  # fmt: skip
    assert "6 factors x 8 months x 60 stocks" in rows[1]["figure"]
    assert all(row["cpu_s"] >= 0 for row in rows)
    (target,) = _bench_preprocess.targets(rows)
    assert target["target"] == "at most 0.8" and target["measured"] == rows[1]["cpu_s"]
    assert "numba" in sys.modules  # what was measured is the compiled form


def test_its_factors_are_returns_over_one_to_many_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("HUICE_CACHE", str(tmp_path))
    import _bench_preprocess

    market, rows, values, context = _bench_preprocess.inputs(Path("synthetic:stocks=60,seed=3"), months=4, factors=3)
    adjusted = market.close * market.adj_factor
    np.testing.assert_allclose(values[:, :, 2], adjusted[rows] / adjusted[rows - 3] - 1.0)
    assert context.universe.shape == context.industry.shape == (4, 60) and len(rows) == 4
