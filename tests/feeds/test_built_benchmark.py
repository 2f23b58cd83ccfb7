"""Benchmarks that the data lack: each rule by hand, and the whole through a market."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from real_data import DATA, WHY

from engine.errors import ConfigError
from feeds import built_benchmark as built
from feeds.store import open_market

NO_EVENTS = {name: np.zeros(0) for name in ("t", "i", "prev_close", "preclose", "factor_ratio", "share_ratio", "cash")}
SYNTHETIC = "synthetic:stocks=60,start=2018-01-02,end=2019-12-31"


def test_a_member_earns_its_dividend_in_the_total_return_and_loses_it_in_the_price() -> None:
    close = np.array([[10.0, 5.0], [9.9, np.nan], [9.9, 6.0]])
    preclose = np.array([[10.0, 5.0], [9.0, np.nan], [9.9, 5.0]])
    row = {"t": 1, "i": 0, "prev_close": 10.0, "preclose": 9.0, "factor_ratio": 10 / 9, "share_ratio": 1.0, "cash": 1.0}
    events = {name: np.array([x]) for name, x in row.items()}
    total, price = built.gross_returns(close, preclose, events)
    np.testing.assert_allclose(total, [[1.0, 1.0], [1.1, 1.0], [1.0, 1.2]])
    np.testing.assert_allclose(price, [[1.0, 1.0], [0.99, 1.0], [1.0, 1.2]])  # 9.9 after 10.0


def test_equal_weights_drift_between_reviews_and_are_set_afresh_at_one() -> None:
    member = np.array([[1, 1, 0]] * 3 + [[1, 0, 1]] * 2, dtype=bool)
    priced = np.ones((5, 3), dtype=bool)
    gross = np.array([[1, 1, 1], [1.2, 1.0, 9.0], [1.5, 1.0, 9.0], [1.0, 9.0, 1.1], [1.0, 9.0, 2.0]])
    level = built.equal_weighted(member, priced, gross)
    # 500 + 500; 600 + 500; 900 + 500; one of two is new, a review: 700 + 770; 700 + 1540
    np.testing.assert_allclose(level, [1000, 1100, 1400, 1470, 2240])


def test_who_joins_between_reviews_takes_over_what_the_leavers_had() -> None:
    member = np.zeros((3, 102), dtype=bool)
    member[:, :100] = True
    member[2, 0], member[2, 100] = False, True  # one in a hundred is no review
    gross = np.ones((3, 102))
    gross[1, 0] = 3.0  # the leaver has 30 of 1,020 when it goes
    gross[2, 100] = 1.5
    level = built.equal_weighted(member, np.ones((3, 102), dtype=bool), gross)
    np.testing.assert_allclose(level, [1000, 1020, 1035])


def test_what_a_leaver_had_goes_to_all_when_nobody_joins_and_a_stock_without_a_price_waits() -> None:
    member = np.ones((3, 101), dtype=bool)
    member[2, 0] = False
    priced = np.ones((3, 101), dtype=bool)
    priced[:, 100] = False
    gross = np.ones((3, 101))
    gross[2, :50] = 1.1
    level = built.equal_weighted(member, priced, gross)
    np.testing.assert_allclose(level[2], 1000 * (49 * 1.1 + 50) / 99)


def test_float_weights_are_those_of_the_close_before() -> None:
    member = np.ones((3, 3), dtype=bool)
    member[2, 2] = False
    value = np.array([[1.0, 1024.0, np.nan], [1.0, 1024.0, 1024.0], [9e9, 1.0, 1.0]])  # ** 0.7: 1 and 128
    gross = np.array([[1, 1, 1], [2.0, 1.0, 7.0], [1.0, 1.129, 7.0]])
    second = 1000 * 130 / 129
    expected = [1000, second, second * (1 + 128 * 0.129 / 129)]
    np.testing.assert_allclose(built.float_weighted(member, value, gross), expected)


def test_the_all_share_index_leaves_out_st_and_stocks_younger_than_three_months() -> None:
    sessions = np.array(["2020-04-29", "2020-04-30", "2020-05-06", "2020-05-07"], dtype="datetime64[D]")
    close = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [np.nan, 1.0, 1.0], [1.0, 1.0, 1.0]])
    st = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=np.uint8)
    listed = np.array(["2000-01-01", "2000-01-01", "2020-02-06"], dtype="datetime64[D]")
    member = built.all_share_members(st, close, sessions, listed)
    # the first is ST from April 30 and has no bar on May 6; the last is three months old on May 6
    assert member.tolist() == [[False] * 3, [True, True, False], [False, True, True], [False, True, True]]


@pytest.mark.parametrize(("word", "code"), [("csi300-equal", "000984"), ("csi-all", "000985")])
def test_a_market_builds_a_benchmark_that_the_data_lack_and_says_so(tmp_path: Path, word: str, code: str) -> None:
    market = open_market(SYNTHETIC, universe="csi300", start="2018-03-01", benchmark=word, cache=tmp_path)
    about = market.info["benchmark"]
    assert (about["code"], about["kind"], about["built"]) == (code, "total-return", built.RECIPES[code].name)
    total, price = market.series["benchmark"], market.series["benchmark_price"]
    assert (total > 0).all() and total[-1] / total[0] > price[-1] / price[0]
    own = np.diff(np.log(open_market(SYNTHETIC, universe="csi300", start="2018-03-01", benchmark="000300",
                                     cache=tmp_path).series["benchmark_price"]))  # fmt: skip
    assert np.corrcoef(np.diff(np.log(price)), own)[0, 1] > 0.9
    # another universe needs other columns, and is measured against the same index
    again = open_market(SYNTHETIC, universe="csi500", start="2018-03-01", benchmark=code, cache=tmp_path)
    np.testing.assert_allclose(again.series["benchmark"], total, rtol=1e-12)


def test_an_index_with_neither_levels_nor_a_recipe_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no index '000999' for a benchmark"):
        open_market(SYNTHETIC, universe="csi300", benchmark="000999", cache=tmp_path)


def test_a_run_names_a_benchmark_that_was_built(tmp_path: Path) -> None:
    from engine.presentation import benchmark_text

    about = {"code": "000984", "kind": "total-return", "built": "CSI 300 equal weight", "coverage": 0.84}
    assert benchmark_text(about) == "000984 (CSI 300 equal weight, built from members, total return, coverage 84.0%)"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=WHY)
def test_the_all_share_index_of_real_stocks_moves_as_the_published_composites_do(tmp_path: Path) -> None:
    ask = {"universe": "600519.SH,000001.SZ", "start": "2016-01-04", "end": "2018-12-28", "benchmark_kind": "price"}
    moves = {
        code: np.diff(np.log(open_market(str(DATA), benchmark=code, cache=tmp_path, **ask).series["benchmark"]))  # type: ignore[arg-type]
        for code in ("000985", "000001", "399001", "000852")
    }
    blend = np.column_stack([moves[code] for code in ("000001", "399001", "000852")])
    fit = blend @ np.linalg.lstsq(blend, moves["000985"], rcond=None)[0]
    assert np.corrcoef(moves["000985"], fit)[0, 1] > 0.995
    assert np.std(moves["000985"] - fit) * np.sqrt(243) < 0.03
