"""Boards of codes, price limits in fen, lots, and the switches of a run."""

from __future__ import annotations

import os
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.dated_tables import TABLES
from engine.errors import ConfigError, DataError
from engine.price_limits import read_price_limits
from engine.rules import (
    NO_LIMIT_UP,
    LotRule,
    Rules,
    board_of,
    check_symbol,
    exchange_of,
    is_a_share,
    legal_buy,
    legal_sell,
    lot_rule,
    price_limits,
    read_lots,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HUICE_DATA", ROOT.parent / "shared" / "data"))
OLD = 10_000
NONE = (NO_LIMIT_UP, 0)


# -- codes


@pytest.mark.parametrize(
    ("symbol", "board", "exchange"),
    [
        ("600519.SH", "MAIN_SH", "SH"),
        ("601318.SH", "MAIN_SH", "SH"),
        ("603288.SH", "MAIN_SH", "SH"),
        ("605499.SH", "MAIN_SH", "SH"),
        ("688981.SH", "STAR", "SH"),
        ("689009.SH", "STAR", "SH"),
        ("000001.SZ", "MAIN_SZ", "SZ"),
        ("001872.SZ", "MAIN_SZ", "SZ"),
        ("002415.SZ", "SME", "SZ"),
        ("003816.SZ", "SME", "SZ"),
        ("300750.SZ", "CHINEXT", "SZ"),
        ("301001.SZ", "CHINEXT", "SZ"),
        ("302132.SZ", "CHINEXT", "SZ"),
        ("430047.BJ", "BSE", "BJ"),
        ("835305.BJ", "BSE", "BJ"),
        ("871981.BJ", "BSE", "BJ"),
        ("920819.BJ", "BSE", "BJ"),
    ],
)
def test_the_code_tells_board_and_exchange(symbol: str, board: str, exchange: str) -> None:
    assert is_a_share(symbol)
    assert (board_of(symbol), exchange_of(symbol), check_symbol(symbol)) == (board, exchange, symbol)


@pytest.mark.parametrize(
    ("symbol", "hint"),
    [
        ("ABC", "600519.SH"),
        ("600519", "600519.SH"),
        ("000001", "000001.SZ"),
        ("600519.sh", "600519.SH"),
        ("300750.SH", "300750.SZ"),
        ("920819.SH", "920819.BJ"),
        ("900901.SH", "600519.SH"),  # B share
        ("200002.SZ", "600519.SH"),  # B share
        ("510300.SH", "600519.SH"),  # fund
        ("399001.SZ", "600519.SH"),  # index
        ("６００５１９.SH", "600519.SH"),
        ("", "600519.SH"),
    ],
)
def test_what_is_no_a_share_is_refused_with_the_way_to_write_it(symbol: str, hint: str) -> None:
    assert not is_a_share(symbol)
    for refuse in (check_symbol, board_of, exchange_of):
        with pytest.raises(DataError, match=f"'{symbol}' is no A-share code; write it like {hint}$"):
            refuse(symbol)
    with pytest.raises(ConfigError):
        check_symbol(symbol, ConfigError)


# -- the switches


def test_the_markets_rules_are_the_default_and_backtraders_have_none() -> None:
    assert Rules.a_share() == Rules()
    plain = Rules.backtrader()
    assert not (plain.t_plus_one or plain.lots or plain.price_limits or plain.sells_first)
    assert not (plain.corporate_actions or plain.exact_money)
    assert plain.check_submitted and plain.short_cash == "refuse" and plain.unfilled == "carry"


def test_an_unknown_value_of_a_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="rule 'short_cash' is 'refused'; did you mean 'refuse'"):
        Rules(short_cash="refused")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="rule 'lots' is 'no'; write true or false"):
        Rules(lots="no")  # type: ignore[arg-type]


# -- price limits


def limits_of(
    board: str, days: list[str], reference: int, ages: int | list[int] = OLD, st: bool = False
) -> list[tuple[int, int]]:
    """Limits of one stock over ``days`` with the same reference (fen) on each."""
    sessions = np.array(days, dtype="datetime64[D]")
    age = np.broadcast_to(np.array(ages, dtype=np.int32), len(days)).reshape(-1, 1)
    shape = (len(days), 1)
    up, down = price_limits(
        sessions, np.array([board]), np.full(shape, reference, np.int64), np.full(shape, st), age
    )
    assert up.dtype == down.dtype == np.int32
    return [(int(a), int(b)) for a, b in zip(up[:, 0], down[:, 0], strict=True)]


@pytest.mark.parametrize(
    ("board", "day", "st", "reference", "up", "down"),
    [
        ("MAIN_SH", "2015-03-02", False, 1005, 1106, 905),
        ("MAIN_SH", "2015-03-02", True, 330, 347, 314),
        ("STAR", "2021-03-01", False, 3333, 4000, 2666),
        ("MAIN_SZ", "2015-03-02", False, 95, 105, 86),
        ("SME", "2015-03-02", False, 115, 127, 104),
        ("MAIN_SZ", "2015-03-02", True, 430, 452, 409),
        ("CHINEXT", "2015-03-02", False, 235, 259, 212),
        ("BSE", "2022-03-01", False, 815, 1060, 571),
    ],
)
def test_the_eight_sample_cases_of_the_rule_book(
    board: str, day: str, st: bool, reference: int, up: int, down: int
) -> None:
    assert limits_of(board, [day], reference, st=st) == [(up, down)]


def test_every_price_is_rounded_half_up_as_decimals_round() -> None:
    references = np.arange(20, 30_000)
    shape = (1, len(references))
    for board, st, rate in (("MAIN_SH", False, "0.10"), ("MAIN_SH", True, "0.05"), ("STAR", False, "0.20")):
        up, down = price_limits(
            np.array(["2020-06-01"], "datetime64[D]"),
            np.full(len(references), board),
            references[None, :],
            np.full(shape, st),
            np.full(shape, OLD, np.int32),
        )
        for sign, found in ((1, up[0]), (-1, down[0])):
            factor = 1 + sign * Decimal(rate)
            exact = [int((int(r) * factor).quantize(Decimal(1), ROUND_HALF_UP)) for r in references]
            assert found.tolist() == exact


def test_a_limit_is_at_least_one_tick_from_the_reference() -> None:
    assert limits_of("MAIN_SH", ["2015-03-02"], 4) == [(5, 3)]
    assert limits_of("MAIN_SH", ["2015-03-02"], 9, st=True) == [(10, 8)]


@pytest.mark.parametrize(
    ("board", "st", "days", "expected"),
    [
        ("MAIN_SH", False, ["1996-12-13", "1996-12-16"], [NONE, (1100, 900)]),
        ("MAIN_SZ", True, ["1998-04-21", "1998-04-22"], [(1100, 900), (1050, 950)]),
        ("MAIN_SH", True, ["2026-07-03", "2026-07-06"], [(1050, 950), (1100, 900)]),
        ("MAIN_SH", False, ["2026-07-03", "2026-07-06"], [(1100, 900), (1100, 900)]),
        ("CHINEXT", False, ["2020-08-21", "2020-08-24"], [(1100, 900), (1200, 800)]),
        ("CHINEXT", True, ["2020-08-21", "2020-08-24"], [(1050, 950), (1200, 800)]),
        ("STAR", True, ["2019-07-22", "2024-01-02"], [(1200, 800), (1200, 800)]),
        ("BSE", False, ["2021-11-15", "2024-01-02"], [(1300, 700), (1300, 700)]),
    ],
)
def test_the_rate_changes_on_its_day(
    board: str, st: bool, days: list[str], expected: list[tuple[int, int]]
) -> None:
    assert limits_of(board, days, 1000, st=st) == expected


FIRST_DAY = (1440, 640)


@pytest.mark.parametrize(
    ("board", "first", "expected"),
    [
        ("MAIN_SH", "2010-03-01", [NONE] + [(1100, 900)] * 6),
        ("CHINEXT", "2010-03-01", [NONE] + [(1100, 900)] * 6),
        ("SME", "2013-12-30", [NONE] + [(1100, 900)] * 6),  # the new rule came in on its third day
        ("MAIN_SZ", "2014-06-26", [FIRST_DAY] + [(1100, 900)] * 6),
        ("CHINEXT", "2020-08-20", [FIRST_DAY, (1100, 900)] + [(1200, 800)] * 5),  # 20 % from its third day on
        ("CHINEXT", "2020-08-24", [NONE] * 5 + [(1200, 800)] * 2),
        ("STAR", "2019-07-22", [NONE] * 5 + [(1200, 800)] * 2),
        ("MAIN_SH", "2023-04-06", [FIRST_DAY] + [(1100, 900)] * 6),  # approved under the old rules
        ("MAIN_SH", "2023-04-10", [NONE] * 5 + [(1100, 900)] * 2),
        ("BSE", "2021-11-15", [NONE] + [(1300, 700)] * 6),
    ],
)
def test_first_days_follow_the_rules_of_the_day_of_listing(
    board: str, first: str, expected: list[tuple[int, int]]
) -> None:
    days = np.busday_offset(first, np.arange(-1, 7), roll="forward").astype("datetime64[D]")
    found = limits_of(board, [str(day) for day in days], 1000, list(range(8)))
    assert found[0] == NONE  # not listed yet
    assert found[1:] == expected


def test_a_stock_that_is_a_few_days_old_when_the_panel_begins_keeps_its_rule() -> None:
    days = ["2023-04-11", "2023-04-12"]
    assert limits_of("MAIN_SH", days, 1000, [2, 3]) == [NONE, NONE]  # listed on Monday the 10th
    assert limits_of("MAIN_SH", days, 1000, [3, 4]) == [(1100, 900)] * 2  # listed on Friday the 7th


def test_suspended_days_do_not_count_towards_the_first_five() -> None:
    days = [str(day) for day in np.busday_offset("2021-03-01", np.arange(8))]
    found = limits_of("STAR", days, 1000, [1, 2, 2, 2, 3, 4, 5, 6])
    assert found == [NONE] * 7 + [(1200, 800)]


def test_without_a_reference_there_is_no_limit() -> None:
    assert limits_of("MAIN_SH", ["2015-03-02"], 0) == [NONE]


def test_a_panel_of_all_boards_has_each_stocks_own_limits_whatever_its_size() -> None:
    """Cell by cell the panel equals one stock at a time: chunks and spans leave no seam."""
    rng = np.random.default_rng(3)
    sessions = np.busday_offset("2020-07-01", np.arange(90)).astype("datetime64[D]")
    boards = rng.choice(["MAIN_SH", "MAIN_SZ", "SME", "CHINEXT", "STAR"], 4_000)
    shape = (len(sessions), len(boards))
    reference = rng.integers(0, 5_000, shape)
    st = rng.random(shape) < 0.1
    age = np.maximum(np.arange(90)[:, None] - rng.integers(-5, 95, len(boards))[None, :], 0).astype(np.int32)
    up, down = price_limits(sessions, boards, reference, st, age)
    for i in range(0, 4_000, 97):
        one = slice(i, i + 1)
        alone = price_limits(sessions, boards[one], reference[:, one], st[:, one], age[:, one])
        np.testing.assert_array_equal(up[:, one], alone[0])
        np.testing.assert_array_equal(down[:, one], alone[1])


def test_an_unknown_board_is_refused() -> None:
    with pytest.raises(DataError, match="board 'MAIN' is unknown; did you mean"):
        limits_of("MAIN", ["2015-03-02"], 1000)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "2020-08-24,,0.20,0.20",
            "2020-08-20,,0.20,0.20",
            "line 8: overlaps line 6 for CHINEXT normal on 2020-08-20",
        ),
        (
            "2020-08-24,,0.20,0.20",
            "2020-08-25,,0.20,0.20",
            "line 8: no row says what holds for CHINEXT normal",
        ),
        ("2019-07-22,,0.20,0.20", "2019-07-22,,20,20", "line 9: up 20 looks like a percentage"),
        ("2019-07-22,,0.20,0.20", "2019-07-22,,0.20,-0.20", "line 9: down -0.20 is negative"),
        (
            "2019-07-22,,0.20,0.20",
            "2019-07-22,,0.20,0.20001",
            "line 9: down 0.20001 is not a whole number of basis",
        ),
        ("listing,STAR,,1,5,", "listing,CHINEXT,,5,9,", "line 16: overlaps line 15: same board"),
        (
            "listing,STAR,,1,5,",
            "listing,STAR,,5,1,",
            "line 16: last_day '1' is not a whole number of at least 5",
        ),
        ("listing,STAR,,1,5,", "listing,STAR,,,,", "line 16: first_day and last_day belong to a listing row"),
        (
            "listing,STAR,,1,5,",
            "listing,STARS,,1,5,",
            "line 16: boards 'STARS' is unknown; did you mean 'STAR'",
        ),
        ("daily,STAR,,", "daily,STAR,star,", "line 9: state 'star' is unknown"),
    ],
)
def test_a_malformed_limit_table_is_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (TABLES / "price_limits.csv").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "limits.csv"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=f"limits.csv {message}"):
        read_price_limits(path)


@pytest.mark.skipif(not (DATA / "daily_bars").is_dir(), reason="needs the real data (HUICE_DATA)")
def test_highs_and_lows_of_a_real_year_lie_inside_but_for_a_handful() -> None:
    """2020 has ChiNext's change, ST, STAR's and the main board's first days; relistings have no limit."""
    bars = pd.read_parquet(
        DATA / "daily_bars" / "2020.parquet", columns=["date", "symbol", "high", "low", "preclose", "is_st"]
    )
    listed = pd.read_parquet(DATA / "securities.parquet").set_index("symbol")["list_date"]
    t, sessions = pd.factorize(bars["date"], sort=True)
    i, symbols = pd.factorize(bars["symbol"], sort=True)
    shape = (len(sessions), len(symbols))
    reference, st, has_bar = np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, bool)
    reference[t, i] = np.rint(bars["preclose"] * 100)
    st[t, i], has_bar[t, i] = bars["is_st"], True
    before = np.where(listed.reindex(symbols) < sessions[0], OLD, 0)
    age = (has_bar.cumsum(axis=0) + before).astype(np.int32)
    boards = np.array([board_of(symbol) for symbol in symbols])
    up, down = price_limits(sessions.to_numpy().astype("datetime64[D]"), boards, reference, st, age)
    outside = (np.rint(bars["high"] * 100) > up[t, i]) | (np.rint(bars["low"] * 100) < down[t, i])
    assert len(bars) > 700_000
    assert outside.sum() <= 5
    assert (up[t, i] < NO_LIMIT_UP).mean() > 0.998


# -- lots


def test_lots_by_board() -> None:
    day = np.datetime64("2021-03-01")
    for board in ("MAIN_SH", "MAIN_SZ", "SME", "CHINEXT"):
        assert lot_rule(board, day) == LotRule(100, 100)
    assert lot_rule("STAR", day) == LotRule(200, 1)
    assert lot_rule("BSE", np.datetime64("2022-03-01")) == LotRule(100, 1)
    with pytest.raises(DataError, match="lots.csv has no row for board 'MAIN' on 2021-03-01"):
        lot_rule("MAIN", day)


@pytest.mark.parametrize(
    ("rule", "shares", "legal"),
    [
        (LotRule(100, 100), 99, 0),
        (LotRule(100, 100), 100, 100),
        (LotRule(100, 100), 1234, 1200),
        (LotRule(200, 1), 199, 0),
        (LotRule(200, 1), 200, 200),
        (LotRule(200, 1), 1234, 1234),
        (LotRule(100, 1), 99, 0),
        (LotRule(100, 1), 101, 101),
        (LotRule(100, 100), -5, 0),
    ],
)
def test_a_buy_is_cut_to_the_largest_legal_quantity(rule: LotRule, shares: int, legal: int) -> None:
    assert legal_buy(shares, rule) == legal


@pytest.mark.parametrize(
    ("rule", "shares", "held", "legal"),
    [
        (LotRule(100, 100), 250, 250, 250),  # everything
        (LotRule(100, 100), 300, 250, 250),
        (LotRule(100, 100), 249, 250, 200),
        (LotRule(100, 100), 199, 250, 150),  # the odd 50 goes along
        (LotRule(100, 100), 50, 250, 50),
        (LotRule(100, 100), 49, 250, 0),
        (LotRule(100, 100), 30, 30, 30),
        (LotRule(100, 100), 29, 30, 0),
        (LotRule(200, 1), 199, 500, 0),
        (LotRule(200, 1), 201, 500, 201),
        (LotRule(200, 1), 199, 199, 199),
        (LotRule(200, 1), 150, 199, 0),
        (LotRule(100, 1), 99, 500, 0),
        (LotRule(100, 1), 99, 99, 99),
        (LotRule(100, 100), 0, 250, 0),
    ],
)
def test_a_sale_is_cut_to_the_largest_legal_quantity(
    rule: LotRule, shares: int, held: int, legal: int
) -> None:
    assert legal_sell(shares, held, rule) == legal


def test_sales_agree_with_a_search_through_all_legal_quantities() -> None:
    for held in range(0, 460, 7):
        main = {q for q in range(held + 1) if q % 100 == 0 or (held - q) % 100 == 0} | {held}
        star = {q for q in range(200, held + 1)} | {0, held}
        for shares in range(0, held + 20, 3):
            assert legal_sell(shares, held, LotRule(100, 100)) == max(q for q in main if q <= shares)
            assert legal_sell(shares, held, LotRule(200, 1)) == max(q for q in star if q <= shares)


def test_a_malformed_lot_table_is_refused(tmp_path: Path) -> None:
    text = (TABLES / "lots.csv").read_text(encoding="utf-8")
    path = tmp_path / "lots.csv"
    path.write_text(text.replace("200,1", "200,0"), encoding="utf-8")
    with pytest.raises(DataError, match="lots.csv line 3: step '0' is not a whole number of at least 1"):
        read_lots(path)
    path.write_text(text + "lot,STAR,2020-01-01,,100,100,a notice,H\n", encoding="utf-8")
    with pytest.raises(DataError, match="lots.csv line 5: overlaps line 3 for STAR on 2020-01-01"):
        read_lots(path)
