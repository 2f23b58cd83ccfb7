"""Boards of codes, lots and order sizes, and the switches of a run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from engine.dated_tables import TABLES
from engine.errors import ConfigError, DataError
from engine.rules import (
    LotRule,
    Rules,
    board_of,
    check_symbol,
    exchange_of,
    is_a_share,
    largest_order,
    legal_buy,
    legal_sell,
    lot_rule,
    order_sizes,
    read_lots,
)

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


def test_the_sme_board_is_part_of_the_main_board_from_2021_04_06() -> None:
    assert [board_of("002415.SZ", day) for day in ("2004-06-25", "2021-04-05")] == ["SME", "SME"]
    assert board_of("002415.SZ", "2021-04-06") == "MAIN_SZ"
    assert board_of("002415.SZ", dt.date(2021, 4, 6)) == board_of("002415.SZ", np.datetime64("2024-01-02")) == "MAIN_SZ"
    assert board_of("300750.SZ", "2024-01-02") == "CHINEXT"


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


@pytest.mark.parametrize(
    ("board", "day", "limit", "market"),
    [
        ("MAIN_SH", "2011-01-04", 1_000_000, 1_000_000),
        ("MAIN_SZ", "2024-01-02", 1_000_000, 1_000_000),
        ("SME", "2015-03-02", 1_000_000, 1_000_000),
        ("CHINEXT", "2020-08-23", 1_000_000, 1_000_000),
        ("CHINEXT", "2020-08-24", 300_000, 150_000),
        ("STAR", "2019-07-22", 100_000, 50_000),
        ("BSE", "2021-11-15", 1_000_000, 1_000_000),
    ],
)
def test_the_largest_order_of_a_board_on_a_day(board: str, day: str, limit: int, market: int) -> None:
    session = np.datetime64(day)
    assert largest_order(board, session) == limit
    assert largest_order(board, session, market=True) == market


@pytest.mark.parametrize(
    ("shares", "rule", "largest", "sizes"),
    [
        (0, LotRule(100, 100), 1_000_000, []),
        (1_000_000, LotRule(100, 100), 1_000_000, [1_000_000]),
        (2_500_000, LotRule(100, 100), 1_000_000, [1_000_000, 1_000_000, 500_000]),
        (1_000_050, LotRule(100, 100), 1_000_000, [1_000_000, 50]),  # a whole holding with its odd rest
        (100_001, LotRule(200, 1), 100_000, [99_801, 200]),  # 1 share alone would be no legal order
        (100_200, LotRule(200, 1), 100_000, [100_000, 200]),
        (150, LotRule(200, 1), 100_000, [150]),  # the sale of all that is held
    ],
)
def test_a_wish_beyond_the_largest_order_is_split(shares: int, rule: LotRule, largest: int, sizes: list[int]) -> None:
    assert order_sizes(shares, rule, largest) == sizes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("200,1,", "200,0,", "line 3: step '0' is not a whole number of at least 1"),
        ("300000,150000", "300000,350000", "line 6: largest_market 350000 is above largest 300000"),
        ("300000,150000", "300050,150000", "line 6: largest 300050 is no legal order of at least 100 in steps of 100"),
        ("100000,50000", "100000,-1", "line 3: largest_market '-1' is not a whole number of at least 1"),
        ("2020-08-24", "2020-08-25", "line 6: no row says what holds for CHINEXT from 2020-08-24 on"),
        ("2020-08-24", "2020-08-23", "line 6: overlaps line 5 for CHINEXT on 2020-08-23"),
        ("lot,BSE", "lot,STAR", "line 4: overlaps line 3 for STAR"),
    ],
)
def test_a_malformed_lot_table_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (TABLES / "lots.csv").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "lots.csv"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=f"lots.csv {message}"):
        read_lots(path)
