"""Bars packed by stock and spread over sessions again; what a panel and a view may be asked for."""

from __future__ import annotations

import numpy as np
import pytest
from small_market import NAN, event, market_of

from engine.errors import ConfigError, DataError
from engine.market import Market
from signals.factors.panel import FactorPanel, month_ends

CLOSES = {
    "600001.SH": [10.0, 11.0, 12.0, 13.0, 14.0],
    "600002.SH": [NAN, 20.0, NAN, 22.0, NAN],  # listed later, halted, gone
    "600003.SH": [NAN, NAN, NAN, NAN, NAN],
}


@pytest.fixture
def market() -> Market:
    return market_of(CLOSES)


def same(one: np.ndarray, other: object) -> bool:
    return np.array_equal(one, np.array(other, dtype=float), equal_nan=True)


def test_bars_are_packed_by_stock_without_the_sessions_without_a_bar(market: Market) -> None:
    panel = FactorPanel(market)
    assert panel.shape == (5, 3) and panel.symbols == sorted(CLOSES)
    assert panel.starts.tolist() == [0, 5, 7, 7]
    assert panel.bars("close").tolist() == [10.0, 11.0, 12.0, 13.0, 14.0, 20.0, 22.0]
    assert panel.bar_sessions.tolist() == [0, 1, 2, 3, 4, 1, 3]
    assert panel.bar_stocks.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert panel.places.tolist() == [[0, -1, -1], [1, 5, -1], [2, -1, -1], [3, 6, -1], [4, -1, -1]]


def test_what_was_packed_is_spread_to_where_it_was(market: Market) -> None:
    panel = FactorPanel(market)
    assert same(panel.spread(panel.bars("close")), market.close)
    assert same(panel.at("close"), market.close)
    assert panel.traded.tolist() == (~np.isnan(market.close)).tolist()


def test_some_sessions_are_asked_for_and_the_bars_before_them_stay(market: Market) -> None:
    panel = FactorPanel(market, [1, 4])
    assert panel.dates.tolist() == market.sessions[[1, 4]].tolist()
    assert len(panel.bars("close")) == 7
    assert same(panel.spread(panel.bars("close")), [[11.0, 20.0, NAN], [14.0, NAN, NAN]])
    assert same(panel.at("close"), market.close[[1, 4]])


@pytest.mark.parametrize("rows", [[3, 1], [1, 1], [-1, 2], [0, 5]])
def test_sessions_asked_for_are_ascending_and_inside(market: Market, rows: list[int]) -> None:
    with pytest.raises(ConfigError, match="ascending sessions from 0 to 4"):
        FactorPanel(market, rows)


def test_no_session_asked_for_gives_no_row(market: Market) -> None:
    panel = FactorPanel(market, [], tail=3)
    assert panel.shape == (0, 3) and panel.spread(panel.bars("close")).shape == (0, 3)


def test_a_tail_holds_the_bars_asked_for_and_no_more() -> None:
    length = 100
    closes = np.arange(1.0, length + 1.0)
    late = np.where(np.arange(length) < 60, NAN, closes)
    halted = np.where(np.arange(length) % 3 == 0, closes, NAN)
    gone = np.where(np.arange(length) < 10, closes, NAN)
    bars = [closes, late, halted, gone]
    market = market_of({f"60000{k}.SH": values.tolist() for k, values in enumerate(bars)})
    for tail in (1, 5, 40, 41, 100):
        panel = FactorPanel(market, [length - 1], tail=tail)
        held = np.split(panel.bars("close"), panel.starts[1:-1])
        for values, own in zip(held[:3], bars, strict=False):
            assert values.tolist() == own[np.isfinite(own)][-tail:].tolist()
        assert len(held[3]) == 0, "a stock that trades on none of the sessions has no bars"
        assert same(panel.spread(panel.bars("close")), [[length, length, length, NAN]])


def test_a_panel_that_goes_on_after_a_session_holds_bars_before_it_and_all_after_it() -> None:
    closes = np.arange(1.0, 101.0)
    stopped = np.where(np.arange(100) == 99, NAN, closes)
    before = np.where(np.arange(100) <= 97, closes, NAN)
    market = market_of({"600001.SH": closes.tolist(), "600002.SH": stopped.tolist(), "600003.SH": before.tolist()})
    panel = FactorPanel(market, [99], tail=64, since=97)
    held = np.split(panel.bars("close"), panel.starts[1:-1])
    assert held[0].tolist() == closes[34:].tolist()
    assert held[1].tolist() == closes[34:99].tolist(), "its state must go past the bar that nobody asked for"
    assert len(held[2]) == 0, "there is nothing to go on with"


def test_a_view_ends_at_its_session(market: Market) -> None:
    panel = FactorPanel(market.view(3))
    assert panel.shape == (1, 3) and panel.rows.tolist() == [3]
    assert panel.bars("close").tolist() == [10.0, 11.0, 12.0, 13.0, 20.0, 22.0]
    with pytest.raises(ConfigError, match="from 0 to 3"):
        FactorPanel(market.view(3), [4])


def test_returns_are_over_the_reference_price_and_adjusted_prices_carry_dividends() -> None:
    paid = event(2, prev=11.0, pre=10.0, ratio=1.0, cash=1.0)
    market = market_of(
        {"600001.SH": [10.0, 11.0, 10.5]}, precloses={"600001.SH": [9.0, 10.0, 10.0]}, events=paid,
    )  # fmt: skip
    panel = FactorPanel(market)
    assert np.allclose(panel.returns, [10 / 9 - 1, 0.1, 0.05], rtol=1e-15)
    assert np.allclose(panel.adjusted("close"), market.close[:, 0] * market.adj_factor[:, 0], rtol=0)
    assert {name: values.tolist() for name, values in panel.dividends.items()} == {"t": [2], "i": [0], "cash": [1.0]}
    assert len(FactorPanel(market.view(1)).dividends["t"]) == 0, "an ex-date after the view's session is not known"


def test_what_factors_share_is_made_once_until_it_is_forgotten(market: Market) -> None:
    panel, made = FactorPanel(market), []
    assert [panel.shared("key", lambda: made.append(1) or len(made)) for _ in range(3)] == [1, 1, 1]
    panel.forget()
    assert panel.shared("key", lambda: made.append(1) or len(made)) == 2


def test_what_the_data_hold_is_told_by_kind(market: Market) -> None:
    panel = FactorPanel(market)
    assert panel.has("close") and panel.has("events") and not panel.has("clsoe")
    for name in ("none:anything", "item:revenue", "index:000001", "table:valuation_daily.pe_ttm"):
        assert not panel.has(name), name  # a market without tables


def test_month_ends_are_the_last_sessions_of_months_within_the_span() -> None:
    sessions = np.arange("2021-01-28", "2021-04-03", dtype="datetime64[D]")
    sessions = sessions[np.is_busday(sessions)]

    def days(*span: str | None) -> list[str]:
        return [str(day) for day in sessions[month_ends(sessions, *span)]]

    assert days() == ["2021-01-29", "2021-02-26", "2021-03-31", "2021-04-02"]
    assert days("2021-02-01", "2021-03-15") == ["2021-02-26", "2021-03-15"]
    with pytest.raises(DataError, match="no session between 2022-01-01 and None"):
        month_ends(sessions, "2022-01-01")
