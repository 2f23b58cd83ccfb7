"""Every factor of the registry: its value at t depends on nothing after t, and on nothing that it does not declare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factor_panels import library
from noisy_folder import few_stocks, noisy_twin

from engine.market import Market
from feeds.sources import data_folder
from feeds.store import open_market
from signals.factors.panel import FactorPanel, month_ends
from signals.factors.recursions import WARM
from signals.factors.registry import FAMILIES, Factor

DAY = "2017-06-30"


def _real(folder: Path) -> tuple[Path, list[str]]:
    members = pd.read_parquet(folder / "constituents.parquet")
    names = set(members[(members["index_code"] == "000300") & members["in_bars"]]["symbol"])
    return folder, sorted(names)[::16]


def _synthetic(cache: Path) -> tuple[Path, list[str]]:
    folder = data_folder("synthetic:stocks=100,seed=4", cache)
    return folder, sorted(pd.read_parquet(folder / "securities.parquet")["symbol"])[::3]


@pytest.fixture(scope="module", params=["real", "synthetic"])
def markets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Market, Market]:
    """A market, and its twin that is noise after the day."""
    place = tmp_path_factory.mktemp(request.param)
    source, symbols = _real(request.getfixturevalue("real_data")) if request.param == "real" else _synthetic(place)
    true = few_stocks(source, place / "true", symbols, range(2012, 2019))
    twin = noisy_twin(true, place / "noise", DAY)
    options: dict[str, Any] = {"universe": "all", "cache": place / "cache"}
    whole, noise = open_market(str(true), **options), open_market(str(twin), **options)
    assert whole.symbols == noise.symbols
    t = whole.position_of(DAY)
    assert not np.array_equal(whole.close[t + 5], noise.close[t + 5], equal_nan=True)
    return whole, noise


@pytest.fixture(scope="module")
def panels(markets: tuple[Market, Market]) -> tuple[FactorPanel, FactorPanel]:
    rows = month_ends(markets[0].sessions, "2015-01-01", DAY)[::5]
    rows = np.append(rows, markets[0].position_of(DAY))
    rows = np.unique(rows)
    return FactorPanel(markets[0], rows), FactorPanel(markets[1], rows)


def there(family: str, panel: FactorPanel) -> list[Factor]:
    """Factors of a family that the data can give."""
    found = [one for one in library() if one.family == family and not one.missing(panel)]
    if not found:
        pytest.skip(f"these data have nothing for the family {family}")
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_after_t_leaves_the_value_at_t_to_the_last_bit(
    family: str, panels: tuple[FactorPanel, FactorPanel]
) -> None:
    true, noise = panels
    compared = 0
    for one in there(family, true):
        expected = one(true)
        assert np.array_equal(expected, one(noise), equal_nan=True), one.name
        compared += int(np.isfinite(expected).sum())
    assert compared > 50, "hardly anything was compared"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_bars_alone_and_a_view_give_the_same_bits_as_the_whole_history(
    family: str, markets: tuple[Market, Market], panels: tuple[FactorPanel, FactorPanel]
) -> None:
    view = markets[0].view(markets[0].position_of(DAY))
    short: dict[int | None, FactorPanel] = {}
    for one in there(family, panels[0]):
        panel = short.setdefault(one.lookback, FactorPanel(view, tail=one.lookback))
        assert np.array_equal(one(panel)[0], one(panels[0])[-1], equal_nan=True), one.name


def test_factors_of_unlimited_memory_go_on_from_states_with_the_bits_of_the_whole_history(
    markets: tuple[Market, Market], panels: tuple[FactorPanel, FactorPanel]
) -> None:
    whole, last = markets[0], markets[0].position_of(DAY)
    found = [one for one in library() if one.lookback is None and not one.missing(panels[0])]
    assert all(one.resumes for one in found) and len(found) > 20
    for days in (1, 7, 40):
        before = FactorPanel(whole, [last - days])
        for one in found:
            one(before)
        states = before.recursions.kept
        panel = FactorPanel(whole, [last], tail=2 * WARM, since=last - days, states=states)
        after = FactorPanel(whole, [last])
        for one in found:
            assert np.array_equal(one(panel)[0], one(panels[0])[-1], equal_nan=True), one.name
            one(after)
        for key, state in after.recursions.kept.items():
            assert np.array_equal(panel.recursions.kept[key], state), key


class _Recorder:
    """A market that notes which fields are read."""

    def __init__(self, market: Market) -> None:
        self._inner = market
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in Market.fields or name == "events":
            self.read.add(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_factor_reads_the_fields_it_declares_and_no_others(family: str, markets: tuple[Market, Market]) -> None:
    whole = markets[0]
    wrong = {}
    for one in there(family, FactorPanel(whole, [0])):
        panel = FactorPanel(whole, [whole.position_of(DAY)], tail=one.lookback)
        recorder = _Recorder(whole)
        panel.source = recorder  # type: ignore[assignment]
        panel._market = recorder  # type: ignore[assignment]
        one(panel)
        declared = {name for name in one.inputs if ":" not in name} | {"traded"}
        if recorder.read - declared:
            wrong[one.name] = sorted(recorder.read - declared)
    assert not wrong
