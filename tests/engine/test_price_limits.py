"""Price limits by board, state, age and date, in fen."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.dated_tables import TABLES
from engine.errors import DataError
from engine.market import Market
from engine.price_limits import FIRST_SINGLE_DAY, NO_LIMIT_UP, STATES, price_limits, read_price_limits

OLD = 10_000
NONE = (NO_LIMIT_UP, 0)
TEN, FIVE, TWENTY = (1100, 900), (1050, 950), (1200, 800)


def limits_of(
    board: str, days: list[str], reference: int, ages: int | list[int] = OLD, st: bool = False, state: str = "normal"
) -> list[tuple[int, int]]:
    """Limits of one stock over ``days`` with the same reference (fen) and state on each."""
    sessions = np.array(days, dtype="datetime64[D]")
    age = np.broadcast_to(np.array(ages, dtype=np.int32), len(days)).reshape(-1, 1)
    shape = (len(days), 1)
    code = np.full(shape, STATES.index("st" if st else state), np.uint8)
    up, down = price_limits(sessions, np.array([board]), np.full(shape, reference, np.int64), code, age)
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
        ("MAIN_SH", "2014-01-02", [FIRST_DAY] + [(1100, 900)] * 6),
        ("SME", "2014-01-02", [NONE] + [(1100, 900)] * 6),  # Shenzhen halted from the open, no cap on the issue price
        ("CHINEXT", "2014-06-12", [NONE] + [(1100, 900)] * 6),
        ("CHINEXT", "2014-06-13", [FIRST_DAY] + [(1100, 900)] * 6),
        ("MAIN_SZ", "2014-06-13", [FIRST_DAY] + [(1100, 900)] * 6),
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
    st = np.where(rng.random(shape) < 0.1, rng.integers(1, len(STATES), shape), 0).astype(np.uint8)
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
    ("board", "state", "days", "expected"),
    [
        ("MAIN_SH", "unreformed", ["2006-12-29", "2007-01-05", "2007-01-08"], [TEN, TEN, FIVE]),
        ("MAIN_SZ", "delisting", ["2014-04-21", "2021-01-04"], [TEN, TEN]),
        ("CHINEXT", "delisting", ["2020-08-21", "2020-08-24"], [TEN, TWENTY]),
        ("STAR", "delisting", ["2024-01-02"], [TWENTY]),
        ("MAIN_SH", "delisting_first", ["2014-04-21", "2020-12-30", "2020-12-31"], [TEN, TEN, NONE]),
        ("CHINEXT", "delisting_first", ["2020-08-21", "2020-08-24", "2020-12-31"], [TEN, TWENTY, NONE]),
        ("STAR", "delisting_first", ["2020-12-30", "2020-12-31"], [TWENTY, NONE]),
        ("BSE", "delisting_first", ["2021-11-15"], [NONE]),
        ("MAIN_SZ", "relisting", ["1996-12-16", "2013-02-08", "2026-07-06"], [NONE] * 3),
        ("SME", "share_reform", ["2014-07-15"], [NONE]),
        ("MAIN_SH", "offering", ["2013-05-23"], [NONE]),
        ("CHINEXT", "relisting", ["2015-01-05"], [NONE]),
    ],
)
def test_a_state_has_its_own_limits_on_its_dates(
    board: str, state: str, days: list[str], expected: list[tuple[int, int]]
) -> None:
    assert limits_of(board, days, 1000, state=state) == expected


def test_a_first_day_without_a_public_offering_has_no_cap() -> None:
    assert limits_of("CHINEXT", ["2015-11-02"], 1000, 1) == [FIRST_DAY]
    assert limits_of("CHINEXT", ["2015-11-02"], 1000, 1, state="no_offering") == [NONE]


def test_every_state_has_a_row_for_every_board_on_which_it_can_be() -> None:
    """On a day of 2024 each lasting state has limits and each single day has none."""
    for board, rate in (("MAIN_SH", TEN), ("MAIN_SZ", TEN), ("SME", TEN), ("CHINEXT", TWENTY), ("STAR", TWENTY)):
        for code, state in enumerate(STATES):
            if state in ("st", "unreformed"):
                continue
            found = limits_of(board, ["2024-01-02"], 1000, state=state)
            assert found == ([NONE] if code >= FIRST_SINGLE_DAY else [rate]), (board, state)


def test_a_state_that_does_not_exist_is_refused() -> None:
    shape = (1, 1)
    with pytest.raises(DataError, match=r"state 99 is unknown; states are 0 to 8: normal, st, unreformed"):
        price_limits(
            np.array(["2015-03-02"], "datetime64[D]"), np.array(["MAIN_SH"]), np.full(shape, 1000),
            np.full(shape, 99, np.uint8), np.full(shape, OLD, np.int32),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "2020-08-24,,0.20,0.20",
            "2020-08-20,,0.20,0.20",
            "line 8: overlaps line 6 for CHINEXT (normal|delisting) on 2020-08-20",
        ),
        (
            "2020-08-24,,0.20,0.20",
            "2020-08-25,,0.20,0.20",
            "line 8: no row says what holds for CHINEXT (normal|delisting)",
        ),
        ("2019-07-22,,0.20,0.20,SSE", "2019-07-22,,20,20,SSE", "line 9: up 20 looks like a percentage"),
        ("2019-07-22,,0.20,0.20", "2019-07-22,,0.20,-0.20", "line 9: down -0.20 is negative"),
        (
            "2019-07-22,,0.20,0.20",
            "2019-07-22,,0.20,0.20001",
            "line 9: down 0.20001 is not a whole number of basis",
        ),
        ("listing,STAR,normal st,1,5,", "listing,CHINEXT,st,5,9,", "line 30: overlaps line 29: same board"),
        (
            "listing,STAR,normal st,1,5,",
            "listing,STAR,,5,1,",
            "line 30: last_day '1' is not a whole number of at least 5",
        ),
        ("listing,STAR,normal st,1,5,", "listing,STAR,,,,", "line 30: first_day and last_day belong to a listing row"),
        (
            "listing,STAR,normal st,1,5,",
            "listing,STARS,,1,5,",
            "line 30: boards 'STARS' is unknown; did you mean 'STAR'",
        ),
        ("daily,STAR,normal st delisting,", "daily,STAR,star,", "line 9: state 'star' is unknown"),
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


# -- in a market


def market_with(**more: Any) -> Market:
    """Five sessions at 10 yuan from Monday 2019-03-04; no bar on Wednesday."""
    prices = np.array([[10.0], [10.0], [np.nan], [10.0], [10.0]])
    raw = {name: prices for name in ("open", "high", "low", "close", "preclose")} | more.pop("raw", {})
    sessions = np.busday_offset("2019-03-04", np.arange(5)).astype("datetime64[D]")
    return Market.build(sessions, ["600000.SH"], raw, **more)


def codes(*names: str) -> np.ndarray:
    return np.array([[STATES.index(name)] for name in names], np.uint8)


def test_a_market_keeps_the_states_it_was_given_and_st_of_the_bars_elsewhere() -> None:
    st = np.array([[1], [1], [0], [1], [0]], np.uint8)
    states = codes("relisting", "normal", "normal", "delisting", "normal")
    market = market_with(raw={"st": st}, states=states)
    assert [STATES[code] for code in market.state[:, 0]] == ["relisting", "st", "st", "delisting", "normal"]
    assert market.st[:, 0].tolist() == [1, 1, 1, 1, 0]  # the flag of signals and strategies stays as it was
    found = [market.limits("600000.SH", t) for t in range(5)]
    assert found == [(None, None), (9.5, 10.5), (None, None), (9.0, 11.0), (9.0, 11.0)]


def test_given_limits_are_taken_to_the_fen_and_empty_ones_leave_ours() -> None:
    up = np.array([[10.3], [np.nan], [np.nan], [np.inf], [1e9]])
    down = np.array([[9.71], [9.7], [np.nan], [0.0], [np.nan]])
    market = market_with(raw={"limit_up": up, "limit_down": down})
    found = [market.limits("600000.SH", t) for t in (0, 1, 3, 4)]
    assert found == [(9.71, 10.3), (9.7, 11.0), (None, None), (9.0, None)]


def test_states_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"field 'states' has shape \(1, 1\), expected \(5, 1\)"):
        market_with(states=codes("relisting"))


def test_states_survive_saving_and_loading(tmp_path: Path) -> None:
    market = market_with(states=codes("offering", "normal", "normal", "unreformed", "normal"))
    market.save(tmp_path / "market")
    again = Market.load(tmp_path / "market")
    np.testing.assert_array_equal(again.state, market.state)
    np.testing.assert_array_equal(again.limit_up, market.limit_up)
    assert again.limits("600000.SH", 3) == (9.5, 10.5)
