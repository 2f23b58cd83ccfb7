"""Bookings against sources that know nothing of the event table: adjustment factors and announced distributions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from real_data import DATA, on_real_data
from small_market import market_of

from engine import corporate_proof
from engine.corporate import Action, Event, refuse_adjusted
from engine.corporate_proof import against_announced, buy_and_hold, first_event_after, parse_distribution
from engine.errors import DataError
from engine.market import Market
from engine.successors import renamed_pairs, successors

A = "600000.SH"


def small(factors: list[float], cash: float) -> Market:
    book = {"t": 2, "i": 0, "prev_close": 10.0, "preclose": 9.5, "factor_ratio": 10 / 9.5, "share_ratio": 1.0}
    events = {name: np.array([value]) for name, value in (book | {"cash": cash}).items()}
    market = market_of({A: [10.0, 10.0, 9.5, 9.5]}, events=events, precloses={A: [10.0, 10.0, 9.5, 9.5]})
    market.adj_factor.setflags(write=True)
    market.adj_factor[:, 0] = factors
    return market


def test_a_booking_is_measured_in_fen_a_share_against_the_factor() -> None:
    (right,) = buy_and_hold(small([1.0, 1.0, 10 / 9.5, 10 / 9.5], 0.50))
    assert right.resolved and right.cash == 0.5 and right.gap_fen == pytest.approx(0.0, abs=1e-9)
    (wrong,) = buy_and_hold(small([1.0, 1.0, 10 / 9.5, 10 / 9.5], 0.51))
    assert wrong.gap_fen == pytest.approx(1.0)


def test_a_step_of_the_factor_without_a_booking_is_found() -> None:
    rows = buy_and_hold(small([1.0, 1.0, 10 / 9.5, 1.2], 0.50))
    assert [(row.t, row.resolved) for row in rows] == [(2, True), (3, False)]
    assert rows[1].gap_fen < -100


def test_distributions_are_read_as_they_are_announced() -> None:
    assert parse_distribution("10派1.5送2转3") == (0.15, 0.2, 0.3)
    assert parse_distribution("10转10") == (0.0, 0.0, 1.0)
    for text in ("派1", "10派", "10派1派2", "10配3"):
        with pytest.raises(DataError, match="is not of the form"):
            parse_distribution(text)


# -- the whole of the real data ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    from feeds.store import open_market

    return open_market(str(DATA), universe="all", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def booked(market: Market) -> list[corporate_proof.Booked]:
    return buy_and_hold(market)


@pytest.mark.slow
@on_real_data
def test_buy_and_hold_of_every_stock_agrees_with_close_times_factor_to_a_fen_a_share_and_event(
    market: Market, booked: list[corporate_proof.Booked]
) -> None:
    resolved = [row for row in booked if row.resolved]
    unresolved = [row for row in booked if not row.resolved]
    gaps = np.abs([row.gap_fen for row in resolved])
    print(f"resolved {len(resolved)}, largest gap {gaps.max():.3f} fen; unresolved {len(unresolved)}:")
    print(" ".join(f"{market.symbols[row.i]}@{market.sessions[row.t]}" for row in unresolved))
    assert gaps.max() <= 1.0
    assert len(resolved) > 19_000 and len(unresolved) < 0.02 * len(resolved)
    assert max(abs(row.gap_fen) for row in unresolved) <= 1.0  # value-neutral, whatever the event was


@pytest.mark.slow
@on_real_data
def test_every_resolved_distribution_of_2011_is_the_announced_one_within_half_a_fen(market: Market) -> None:
    table = pd.read_parquet(DATA / "dividends_explicit_2005_2011.parquet")
    table = table[table["ex_date"] > np.datetime64(market.sessions[0])]
    announced = {
        "symbol": table["symbol"].to_numpy(object),
        "ex_date": table["ex_date"].to_numpy("datetime64[D]"),
        "cash": (table["cash_per_10"] / 10).to_numpy(),
        "ratio": (1 + (table["bonus_shares_per_10"] + table["transfer_shares_per_10"]) / 10).to_numpy(),
    }
    found = against_announced(market, announced)
    done = [(row, cash, ratio) for row, cash, ratio in found if row is not None and row.resolved]
    # A reference price is rounded to the fen, so that the estimate of the cash is good to half a fen a new share.
    off = np.array([100 * abs(row.cash - cash) / row.ratio for row, cash, _ in done])
    same_ratio = np.array([abs(row.ratio - ratio) < 1e-4 for row, _, ratio in done])
    missing = [row for row, _, _ in found if row is None]
    print(f"2011: {len(found)} announced, {len(done)} resolved, {len(missing)} without a booking, ")
    print(f"cash within 0.5 fen {int((off <= 0.5001).sum())}, equal share ratio {int(same_ratio.sum())}")
    assert len(done) >= 0.98 * len(found)
    assert (off <= 0.5001).all()
    assert same_ratio.mean() > 0.995


@pytest.mark.slow
@on_real_data
def test_distributions_announced_with_the_reports_of_2014_to_2016_are_booked_as_announced(market: Market) -> None:
    table = pd.read_parquet(DATA / "fundamentals_alla_2014q1_2016q2.parquet")
    table = table[table["distribution_text"].notna()]
    parts = np.array([parse_distribution(text) for text in table["distribution_text"]])
    symbols, reported = table["symbol"].to_numpy(object), table["announce_date"].to_numpy("datetime64[D]")
    days = first_event_after(market, symbols, reported, 240)
    there = ~np.isnat(days)
    cash, ratio = parts[there, 0], 1 + parts[there, 1:].sum(axis=1)
    found = against_announced(market, {"symbol": symbols[there], "ex_date": days[there], "cash": cash, "ratio": ratio})
    done = [(row, c, r) for row, c, r in found if row is not None and row.resolved]
    off = np.array([100 * abs(row.cash - c) / row.ratio for row, c, _ in done])
    same = np.array([abs(row.ratio - r) < 1e-3 for row, _, r in done]) & (off <= 0.5001)
    print(f"2014-2016: {len(table)} announced, {len(done)} with a resolved event, {int(same.sum())} as announced")
    assert same.mean() > 0.96  # the rest are proposals that were changed, or share counts that moved in between


@pytest.mark.slow
@on_real_data
def test_rights_issues_of_2011_with_their_announced_terms_are_booked_as_rights() -> None:
    table = pd.read_parquet(DATA / "dividends_explicit_2005_2011.parquet")
    events = pd.read_parquet(DATA / "ex_rights_events.parquet")
    both = table[table["rights_shares_per_10"] > 0].merge(events, on=["symbol", "ex_date"])
    actions = [
        Action(
            Event(0, row.prev_close, row.preclose, row.factor_ratio, row.share_ratio, row.cash_per_10 / 10), 0, 1, 1,
            row.bonus_shares_per_10 / 10, row.transfer_shares_per_10 / 10, row.rights_shares_per_10 / 10,
            row.rights_price,
        )
        for row in both.itertuples()
    ]  # fmt: skip
    assert len(actions) >= 11 and all(action.plain and action.right_worth > 0 for action in actions)


@pytest.mark.slow
@on_real_data
def test_the_changes_of_code_in_the_table_are_those_that_the_data_show(market: Market) -> None:
    table = {(row.old, row.new): row.date for row in successors().values() if row.kind == "code_change"}
    assert set(renamed_pairs(market)) == set(table)
    for (old, new), day in table.items():
        i, j, t = market.column(old), market.column(new), market.position_of(day)
        assert market.sessions[t] == day and np.isfinite(market.close[t, j])
        assert np.isnan(market.close[int(market.last_session[i]) + 1 : t, j]).all()
        assert not market.member[:t, j].any() and market.member[t:, j].all()


@pytest.mark.slow
@on_real_data
def test_every_symbol_of_the_data_that_ended_has_a_row_and_no_other(market: Market) -> None:
    securities = pd.read_parquet(DATA / "securities.parquet")
    assert set(successors()) == set(securities.loc[~securities["active_at_end"], "symbol"])


@pytest.mark.slow
@on_real_data
def test_raw_prices_pass_and_adjusted_ones_are_refused(market: Market) -> None:
    refuse_adjusted(market)
    adjusted = market.fork()
    adjusted.mark = market.mark * market.adj_factor / market.adj_factor[-1]
    with pytest.raises(DataError, match="the prices look adjusted"):
        refuse_adjusted(adjusted)
    adjusted.mark = market.mark * market.adj_factor
    with pytest.raises(DataError, match="the prices look adjusted"):
        refuse_adjusted(adjusted)
