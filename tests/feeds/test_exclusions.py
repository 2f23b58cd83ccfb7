"""What is left out of a universe, and the stand-in for the SSE 50."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import SESSIONS, Tables, bars_of, day

from engine.backtest import run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.market import Market
from feeds.exclusions import parse_exclusions
from feeds.store import open_market
from feeds.survivorship import data_warnings
from feeds.universe import largest

Write = Callable[[Tables], Path]
A, B, C = "000001.SZ", "300001.SZ", "600000.SH"


def inside(market: Market, symbol: str) -> list[str]:
    """Sessions on which a stock is a member."""
    return [str(d) for d in market.sessions[market.member[:, market.column(symbol)] > 0]]


def opened(folder: Path, exclude: str, **more: str) -> Market:
    options = {"universe": "all"} | more
    return open_market(str(folder), exclude=exclude, cache=folder.parent / "cache", **options)  # type: ignore[arg-type]


def test_words_are_read_once_each_in_one_spelling() -> None:
    assert parse_exclusions("suspended, ST,new:3m,st") == ("new:3M", "st", "suspended")
    assert parse_exclusions([]) == parse_exclusions("") == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("suspendet", "'suspendet' cannot be excluded from a universe; did you mean 'suspended'"),
        ("new:3", "'new:3' cannot be excluded"),
        ("new:3M,new:6M", "several ages"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_exclusions(words)


def test_stocks_under_special_treatment_are_left_out_on_their_days(write: Write, tables: Tables) -> None:
    bars = tables["daily_bars"]
    bars.loc[(bars["symbol"] == C) & (bars["date"] >= "2020-01-10"), "is_st"] = True
    market = opened(write(tables), "st")
    assert inside(market, C)[-1] == "2020-01-09" and len(inside(market, A)) == len(SESSIONS)
    assert market.info["exclude"] == ["st"]
    plain = opened(tmp := write(tables), "")
    assert plain.member.all() and "exclude" not in plain.info and tmp.is_dir()


def test_listed_for_less_than_three_months_counts_by_calendar(write: Write, tables: Tables) -> None:
    # listed on 30 November 2019: three months later, 29 February 2020, lies behind the data; on 7 October, within
    tables["securities"].loc[1, "list_date"] = day("2019-10-07")
    market = opened(write(tables), "new:3M")
    assert inside(market, B)[0] == "2020-01-07" and inside(market, A)[0] == "2019-12-16"


def test_suspended_looks_at_the_session_itself_and_in_a_papers_protocol_at_the_next(
    write: Write, tables: Tables
) -> None:
    bars = tables["daily_bars"]
    halted = (bars["symbol"] == C) & bars["date"].isin([day("2020-01-08"), day("2020-01-09")])
    tables["daily_bars"] = bars[~halted]
    folder = write(tables)
    honest, paper = opened(folder, "suspended"), opened(folder, "suspended", protocol="paper")
    out = {str(d.date()) for d in SESSIONS}
    assert out - set(inside(honest, C)) == {"2020-01-08", "2020-01-09"}
    assert out - set(inside(paper, C)) == {"2020-01-07", "2020-01-08"}
    assert inside(paper, A)[-1] == "2020-01-16"  # what comes after the last session is not known


def test_an_index_without_what_is_excluded(write: Write, tables: Tables) -> None:
    bars = tables["daily_bars"]
    bars.loc[(bars["symbol"] == C) & (bars["date"] >= "2020-01-10"), "is_st"] = True
    days = inside(opened(write(tables), "st", universe="csi300"), C)
    assert days == ["2020-01-06", "2020-01-07", "2020-01-08", "2020-01-09"]


def test_a_run_with_exclusions_is_another_run_and_repeats_from_its_configuration(tmp_path: Path) -> None:
    options = {
        "data": "synthetic:stocks=60,seed=3", "start": "2012-01-04", "end": "2012-03-30", "strategy": "equal-weight",
        "signal": "none",
    }  # fmt: skip
    all_in = run(options, out=tmp_path)
    left = run({**options, "exclude": "new:12M,st"}, out=tmp_path)
    assert left.id != all_in.id and left.result["exclude"] == ["new:12M", "st"]
    assert left.result["coverage_numbers"]["members"] < all_in.result["coverage_numbers"]["members"]
    assert run(RunConfig.from_toml(left.folder / "config.toml"), out=tmp_path).reused


# -- sse50-proxy --------------------------------------------------------------------------------------


def test_the_largest_members_by_value_ties_by_column() -> None:
    member = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], np.uint8)
    value = np.array([[5.0, 7.0, 5.0, 9.0], [np.nan, 7.0, 5.0, 9.0]])
    assert largest(member, value, 2).tolist() == [[1, 1, 0, 0], [0, 1, 0, 1]]
    assert largest(member, value, 9).tolist() == [[1, 1, 1, 0], [0, 1, 1, 1]]


def test_the_stand_in_for_the_sse_50_holds_the_largest_shanghai_members_of_the_csi_300(
    write: Write, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feeds import universe

    monkeypatch.setitem(universe.PROXIES, "sse50-proxy", ("000300", ".SH", 1))
    other = "600001.SH"  # 4 yuan x 2,000 shares: larger than 600000.SH, 5 x 1,000, and a member to 10 January
    tables["daily_bars"] = pd.concat([tables["daily_bars"], bars_of(other, 4.0, 2000)], ignore_index=True)
    row = tables["securities"].iloc[[2]].assign(symbol=other)
    tables["securities"] = pd.concat([tables["securities"], row], ignore_index=True)
    member = pd.DataFrame(
        {"index_code": "000300", "symbol": [other], "in_date": [day("2010-01-01")], "out_date": [day("2020-01-10")]}
    )
    tables["constituents"] = pd.concat([tables["constituents"], member], ignore_index=True)
    market = opened(write(tables), "", universe="sse50-proxy")
    assert market.symbols == [C, other]  # large members of Shenzhen do not count
    assert inside(market, other)[-1] == "2020-01-09" and inside(market, C)[0] == "2020-01-10"
    (warning,) = data_warnings(market)
    assert "'sse50-proxy' is built, not published" in warning and "index 000300" in warning


def test_the_sse_50_itself_names_its_stand_in_where_its_members_are_missing(write: Write, tables: Tables) -> None:
    with pytest.raises(ConfigError, match="unknown universe '000016'; .*sse50-proxy"):
        opened(write(tables), "", universe="sse50")
