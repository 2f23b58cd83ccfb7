"""The synthetic market: same tables as the real data, legal prices, exact books, reproducible bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from real_data import DATA as REAL

from engine.errors import ConfigError, DataError
from feeds.schema import EVENT_OPTIONAL
from feeds.synthetic_feed import Streams, SyntheticConfig, is_spec, parse_spec, write_synthetic

DAY, WORD = "timestamp[ms]", "large_string"
SCHEMA = {
    "daily_bars": {
        "date": DAY, "symbol": WORD,
        "open": "double", "high": "double", "low": "double", "close": "double", "preclose": "double",
        "volume": "int64", "amount": "int64", "turnover": "float",
        "total_shares": "int64", "float_shares": "int64", "adj_factor": "double", "is_st": "bool",
    },
    "calendar": {"date": DAY},
    "securities": {
        "symbol": WORD, "exchange": WORD, "board": WORD,
        "list_date": DAY, "first_bar": DAY, "last_bar": DAY, "n_bars": "int64", "active_at_end": "bool",
    },
    "constituents": {
        "index_code": WORD, "symbol": WORD, "in_date": DAY, "out_date": DAY, "in_announced": DAY,
        "out_announced": DAY, "in_bars": "bool",
    },
    "index_daily": {
        "date": DAY, "index_code": WORD,
        "open": "double", "high": "double", "low": "double", "close": "double", "volume": "double",
        "pe": "double", "pe_ttm": "double", "pb_lf": "double", "ps": "double",
    },
    "ex_rights_events": {
        "symbol": WORD, "ex_date": DAY, "prev_close": "double", "preclose": "double",
        "factor_ratio": "double", "share_ratio": "double", "cash_per_share_est": "double",
        "record_date": DAY, "pay_date": DAY, "list_date": DAY, "bonus_ratio": "double", "transfer_ratio": "double",
        "rights_ratio": "double", "rights_price": "double",
    },
    "name_history": {
        "symbol": WORD, "start_date": DAY, "name": WORD, "is_st": "bool", "is_delisting_period": "bool",
    },
    "suspensions": {"symbol": WORD, "start": DAY, "end": DAY, "resume_date": DAY, "n_days": "int64"},
    "industry_sw_history": {
        "symbol": WORD, "start_date": DAY, "sw_code": WORD, "l1_code": WORD, "scheme": WORD, "l1_name": WORD,
    },
    "cn_gov_bond_10y": {"date": DAY, "yield_pct": "double"},
    "fundamentals_quarterly": {
        "symbol": WORD, "period_end": DAY, "announce_date": DAY,
        "roe_avg": "double", "net_margin": "double", "gross_margin": "double", "net_profit": "double",
        "eps_ttm": "double", "main_revenue": "double", "total_shares": "double", "float_shares": "double",
        "yoy_equity": "double", "yoy_assets": "double", "yoy_net_profit": "double", "yoy_eps_basic": "double",
        "yoy_parent_net_profit": "double",
    },
    "valuation_daily": {
        "date": DAY, "symbol": WORD, "pe_ttm": "float", "pb_mrq": "float", "ps_ttm": "float", "pcf_ncf_ttm": "float",
    },
}  # fmt: skip


class Book:
    """A written market read back, with what the tests ask of it again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        years = sorted((folder / "daily_bars").glob("*.parquet"))
        self.years = {path.stem: pd.read_parquet(path) for path in years}
        self.bars = pd.concat(self.years.values()).sort_values(["symbol", "date"], ignore_index=True)
        small = [name for name in SCHEMA if name != "daily_bars"]
        self.table = {name: pd.read_parquet(folder / f"{name}.parquet") for name in small}
        self.sessions = self.table["calendar"]["date"]
        self.board = self.bars["symbol"].map(self.table["securities"].set_index("symbol")["board"])
        self.nth = self.bars.groupby("symbol").cumcount()  # 0 on the first bar
        listed = self.bars["symbol"].map(self.table["securities"].set_index("symbol")["list_date"])
        self.new = listed >= self.sessions.iloc[0]

    def fen(self, column: str) -> pd.Series:
        return (self.bars[column] * 100).round().astype("int64")

    def before(self, column: str) -> pd.Series:
        return self.bars.groupby("symbol")[column].shift()


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """150 stocks over both first-day regimes, the STAR board and the ChiNext reform."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, seed=5, stocks=150, start="2011-10-10", end="2020-12-31")
    return Book(folder)


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


def legal_range(book: Book) -> tuple[pd.Series, pd.Series]:
    """Limits of every bar from the rule notes, in fen, with a Python integer per row."""
    up, down = [], []
    rows = zip(book.fen("preclose"), book.board, book.bars["date"], book.bars["is_st"],
               book.nth, book.new, strict=True)  # fmt: skip
    first_date = book.bars.groupby("symbol")["date"].transform("min")
    for (reference, board, date, st, nth, new), listed in zip(rows, first_date, strict=True):
        reform = board == "STAR" or (board == "ChiNext" and listed >= pd.Timestamp("2020-08-24"))
        if new and (nth < 5 if reform else nth == 0 and listed < pd.Timestamp("2014-01-01")):
            up.append(10**9)
            down.append(1)
            continue
        high, low = 110, 90
        if board == "STAR" or (board == "ChiNext" and date >= pd.Timestamp("2020-08-24")):
            high, low = 120, 80
        elif st:
            high, low = 105, 95
        if new and nth == 0 and not reform:
            high, low = 144, 64
        up.append((reference * high + 50) // 100)
        down.append((reference * low + 50) // 100)
    return pd.Series(up), pd.Series(down)


def test_same_arguments_give_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_synthetic(tmp_path / name, seed=seed, stocks=40, start="2018-01-01", end="2018-12-31")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_random_streams_do_not_depend_on_each_other() -> None:
    one, two = Streams(7), Streams(7)
    one("suspensions").random(1000)
    assert one("shocks").random() == two("shocks").random()
    assert two("shocks").random() != two("bars").random()


@pytest.mark.parametrize("table", SCHEMA)
def test_tables_have_the_columns_and_types_of_the_store(book: Book, table: str) -> None:
    path = book.folder / ("daily_bars/2015.parquet" if table == "daily_bars" else f"{table}.parquet")
    assert {field.name: str(field.type) for field in pq.read_schema(path)} == SCHEMA[table]
    assert list(pq.read_schema(path).names) == list(SCHEMA[table])


@pytest.mark.parametrize("table", SCHEMA)
def test_real_tables_have_the_same_columns_and_types(table: str) -> None:
    path = REAL / ("daily_bars/2015.parquet" if table == "daily_bars" else f"{table}.parquet")
    if not path.is_file():
        pytest.skip("the real data are not here (HUICE_DATA)")
    more = EVENT_OPTIONAL if table == "ex_rights_events" else ()  # the real data do not know these
    ours = [(name, kind) for name, kind in SCHEMA[table].items() if name not in more]
    assert [(field.name, str(field.type)) for field in pq.read_schema(path)] == ours


def test_bars_are_sorted_complete_and_one_file_a_year(book: Book) -> None:
    assert sorted(book.years) == [str(year) for year in range(2011, 2021)]
    for year, bars in book.years.items():
        assert (bars["date"].dt.year == int(year)).all()
        key = bars["symbol"] + bars["date"].dt.strftime("%Y%m%d")
        assert key.is_monotonic_increasing and key.is_unique
    assert not book.bars.isna().any().any()
    assert book.bars["date"].isin(book.sessions).all()
    column = pq.read_metadata(book.folder / "daily_bars/2015.parquet").row_group(0).column(1)
    assert column.path_in_schema == "symbol" and "RLE_DICTIONARY" in column.encodings


def test_every_price_is_whole_fen_ordered_and_inside_the_limits(book: Book) -> None:
    for column in ("open", "high", "low", "close", "preclose"):
        assert np.array_equal(book.bars[column], book.fen(column) / 100)
    up, down = legal_range(book)
    high, low = book.fen("high"), book.fen("low")
    assert (high <= up).all() and (low >= down).all()
    for column in ("open", "close"):
        assert ((book.fen(column) <= high) & (book.fen(column) >= low)).all()


def test_limit_days_locked_bars_and_first_days_happen(book: Book) -> None:
    up, down = legal_range(book)
    bound = up < 10**9
    close, one_price = book.fen("close"), book.bars["high"] == book.bars["low"]
    assert 0.003 < ((close == up) & bound).mean() < 0.04
    assert 0.002 < ((close == down) & bound).mean() < 0.03
    assert (one_price & (close == up)).sum() > 20 and (one_price & (close == down)).sum() > 20
    first = book.new & (book.nth == 0)
    capped = first & (book.bars["date"] > "2014-01-01") & book.board.isin(["Main", "SME"])
    assert capped.any() and (book.fen("open")[capped] * 100 <= book.fen("preclose")[capped] * 120 + 50).all()
    assert (close == up)[capped].mean() > 0.5
    assert (first & ~bound & (book.board == "STAR")).any()


def test_volume_amount_and_turnover_agree(book: Book) -> None:
    bars = book.bars
    assert (bars["volume"] % 100 == 0).all() and (bars["volume"] > 0).all()
    assert (book.fen("low") * bars["volume"] <= bars["amount"] * 100).all()
    assert (bars["amount"] * 100 <= book.fen("high") * bars["volume"]).all()
    assert np.allclose(bars["turnover"], 100 * bars["volume"] / bars["float_shares"], atol=0.0051)
    assert (bars["volume"] <= bars["float_shares"]).all()
    assert (bars["float_shares"] <= bars["total_shares"]).all()


def test_factor_links_the_reference_price_to_the_close_before(book: Book) -> None:
    later = book.nth > 0
    assert (book.bars["adj_factor"][~later] == 1.0).all()
    implied = book.before("close") * book.before("adj_factor") / book.bars["adj_factor"]
    assert (implied - book.bars["preclose"])[later].abs().max() < 1e-6  # 2e-8: the factor has ten decimals
    ordinary = later & (book.bars["adj_factor"] == book.before("adj_factor"))
    assert (book.bars["preclose"] == book.before("close"))[ordinary].all()


def test_events_follow_the_ex_right_formula_and_are_the_only_factor_steps(book: Book) -> None:
    events = book.table["ex_rights_events"]
    gap = events["share_ratio"] * events["preclose"] + events["cash_per_share_est"] - events["prev_close"]
    assert (gap.abs() <= 0.01 * events["share_ratio"]).all()
    assert np.allclose(events["factor_ratio"], events["prev_close"] / events["preclose"], rtol=1e-14)
    assert set(events["share_ratio"]) <= {1 + new / 10 for new in (0, 1, 2, 3, 5, 6, 8, 10, 15, 20)}
    assert events["share_ratio"].nunique() > 5
    earlier = {"last": "close", "factor": "adj_factor", "shares": "total_shares", "floating": "float_shares"}
    bars = book.bars.assign(**{name: book.before(column) for name, column in earlier.items()})
    steps = bars[(bars["adj_factor"] != bars["factor"]) & bars["factor"].notna()]
    joined = events.merge(steps, left_on=["symbol", "ex_date"], right_on=["symbol", "date"])
    assert len(joined) == len(events) == len(steps)
    assert (joined["prev_close"] == joined["last"]).all()
    for after, before in (("total_shares", "shares"), ("float_shares", "floating")):
        assert (joined[after] - joined[before] * joined["share_ratio"]).abs().max() < 1.0
    same = bars["adj_factor"] == bars["factor"]
    assert (bars["total_shares"] == bars["shares"])[same].all()
    assert joined["ex_date"].dt.month.between(5, 8).mean() > 0.95  # a halt can push one out of the season
    cash = joined["cash_per_share_est"] / joined["prev_close"]
    assert cash.max() < 0.05 and cash.median() > 0.004


def test_securities_describe_the_bars(book: Book) -> None:
    table = book.table["securities"].set_index("symbol")
    span = book.bars.groupby("symbol")["date"].agg(["min", "max", "size"])
    assert table.index.is_monotonic_increasing and (table.index == span.index).all()
    assert (table["first_bar"] == span["min"]).all() and (table["last_bar"] == span["max"]).all()
    assert (table["n_bars"] == span["size"]).all()
    end = book.sessions.iloc[-1]
    assert (table["active_at_end"] == (table["last_bar"] >= end - pd.Timedelta(days=10))).all()
    prefix = table.index.str[:3]
    assert (table["board"] == "STAR").equals(pd.Series(prefix == "688", table.index))
    assert (table["board"] == "ChiNext").equals(pd.Series(prefix == "300", table.index))
    assert (table["board"] == "SME").equals(pd.Series(prefix == "002", table.index))
    shanghai = prefix.isin(["600", "601", "603", "605", "688"])
    assert (table["exchange"] == np.where(shanghai, "SH", "SZ")).all()
    assert (table.index.str[-2:] == table["exchange"]).all()
    assert (table["list_date"][table["board"] == "STAR"] >= "2019-07-22").all()
    fresh = table["list_date"] >= book.sessions.iloc[0]
    assert 20 < fresh.sum() < 100 and (table["first_bar"] == table["list_date"])[fresh].all()
    assert (table["list_date"] < table["first_bar"])[~fresh].all()
    assert not table["list_date"].between("2012-11-03", "2014-01-16").any()  # no listings in those months


def test_delisted_stocks_pass_through_st_and_a_delisting_period(book: Book) -> None:
    names, table = book.table["name_history"], book.table["securities"].set_index("symbol")
    gone = names[names["is_delisting_period"]].set_index("symbol")
    assert len(gone) >= 3 and gone["name"].str.endswith("退").all()
    assert not table.loc[gone.index[table.loc[gone.index, "last_bar"] < "2020-12-01"], "active_at_end"].any()
    for symbol, start in gone["start_date"].items():
        bars = book.bars[book.bars["symbol"] == symbol]
        assert (bars["date"] >= start).sum() == 30
        assert bars[bars["date"] < start]["is_st"].iloc[-1]
        assert not bars[bars["date"] >= start]["is_st"].any()


def test_names_say_what_the_flags_say(book: Book) -> None:
    names = book.table["name_history"]
    assert (names["name"].str.contains("ST") == names["is_st"]).all()
    assert names["name"].str.match(r"ST|\*ST").sum() == names["is_st"].sum() > 0
    flag = pd.merge_asof(
        book.bars.sort_values("date"), names.sort_values("start_date"), left_on="date", right_on="start_date",
        by="symbol", suffixes=("", "_named"),
    )  # fmt: skip
    assert (flag["is_st"] == flag["is_st_named"]).all() and not flag["name"].isna().any()
    first = flag.sort_values(["symbol", "date"]).groupby("symbol").first()
    new = first["date"] > book.sessions.iloc[0]
    assert first["name"][new].str.startswith("N").all() and not first["name"][~new].str.startswith("N").any()
    events = book.table["ex_rights_events"].merge(
        flag, left_on=["symbol", "ex_date"], right_on=["symbol", "date"]
    )
    assert events["name"].str.match("XD|XR|DR").all()
    assert 0.01 < book.bars["is_st"].mean() < 0.08
    assert set(book.board[book.bars["is_st"]]) <= {"Main", "SME"}


def test_suspensions_are_exactly_the_missing_rows(book: Book) -> None:
    table, position = book.table["suspensions"], pd.Series(range(len(book.sessions)), index=book.sessions)
    closed = table.dropna(subset=["end"])
    days = position[closed["end"]].to_numpy() - position[closed["start"]].to_numpy() + 1
    assert (days == closed["n_days"]).all() and (closed["n_days"].mean() > 4)
    resumed = position[closed["resume_date"]].to_numpy() == position[closed["end"]].to_numpy() + 1
    assert resumed.all()
    spans = book.table["securities"]
    span = position[spans["last_bar"]].to_numpy() - position[spans["first_bar"]].to_numpy() + 1
    assert (span - spans["n_bars"]).sum() == closed["n_days"].sum()
    assert 0.01 < closed["n_days"].sum() / span.sum() < 0.04
    rows = set(zip(book.bars["symbol"], book.bars["date"], strict=True))
    for row in table.itertuples():
        stop = len(position) if pd.isna(row.end) else position[row.end] + 1
        for day in book.sessions[position[row.start] : stop]:
            assert (row.symbol, day) not in rows
    still = table[table["end"].isna()]
    assert len(still) >= 1 and still["resume_date"].isna().all() and still["n_days"].isna().all()
    last = spans.set_index("symbol")["last_bar"][still["symbol"]].to_numpy()
    assert (position[last].to_numpy() + 1 == position[still["start"]].to_numpy()).all()


def members(book: Book, code: str, day: pd.Timestamp) -> list[str]:
    table = book.table["constituents"]
    inside = (table["in_date"] <= day) & (table["out_date"].isna() | (table["out_date"] > day))
    return table["symbol"][inside & (table["index_code"] == code)].tolist()


def test_index_membership_changes_twice_a_year_and_is_announced_before(book: Book) -> None:
    table = book.table["constituents"]
    inside = table[table["in_date"] > book.sessions.iloc[0]]
    assert set(inside["in_date"].dt.month) == {6, 12} and inside["in_date"].dt.day.between(9, 18).all()
    assert inside["in_date"].isin(book.sessions).all()
    notice = (table["in_date"] - table["in_announced"]).dt.days
    assert notice.between(14, 21).all()
    ended = table.dropna(subset=["out_date"])
    assert (ended["out_date"] > ended["in_date"]).all() and ended["out_announced"].notna().all()
    assert table["out_announced"][table["out_date"].isna()].isna().all()
    assert inside["in_date"].nunique() >= 15 and table["in_bars"].all()
    for day in book.sessions.iloc[::300]:
        large, mid = members(book, "000300", day), members(book, "000905", day)
        assert len(large) == len(set(large)) and not set(large) & set(mid)
        quoted = (book.table["securities"]["list_date"] <= day).sum()
        assert 0.15 * quoted < len(large) < 0.22 * quoted and 0.28 * quoted < len(mid) < 0.38 * quoted


@pytest.mark.parametrize("code", ["000300", "000905"])
def test_index_moves_as_the_float_value_of_its_members(book: Book, code: str) -> None:
    levels = book.table["index_daily"]
    levels = levels[levels["index_code"] == code].set_index("date")
    assert (levels.index == book.sessions).all() and 2500 < levels["close"].iloc[0] < 3500
    assert ((levels["high"] >= levels["close"]) & (levels["low"] <= levels["open"])).all()
    # float_shares x close on both days: a bonus is neutral and a dividend falls out, as in a price index
    close = book.bars.pivot(index="date", columns="symbol", values="close").ffill()
    shares = book.bars.pivot(index="date", columns="symbol", values="float_shares").ffill()
    events = book.table["ex_rights_events"]["ex_date"].mode()[0]
    for day in [*book.sessions.iloc[50::400], events]:
        held, before = members(book, code, day), book.sessions[book.sessions < day].iloc[-1]
        value = [(close.loc[d, held] * shares.loc[d, held]).sum() for d in (before, day)]
        assert levels["close"][day] / levels["close"][before] == pytest.approx(value[1] / value[0], abs=1e-5)


def test_industries_and_government_yield_are_plausible(book: Book) -> None:
    table = book.table["industry_sw_history"]
    assert table.groupby("symbol").size().max() <= 2 and (table.groupby("symbol").size() == 2).any()
    assert set(table["symbol"]) == set(book.bars["symbol"])
    assert table["l1_name"].nunique() > 20 and (table["sw_code"].str[:2] == table["l1_code"].str[:2]).all()
    assert "银行" in set(table["l1_name"])
    bond = book.table["cn_gov_bond_10y"]
    assert (bond["date"] == book.sessions).all() and bond["yield_pct"].between(0.9, 7.0).all()


def test_returns_have_a_market_fat_tails_and_a_reversal_to_find(book: Book) -> None:
    bars = book.bars.assign(adjusted=book.bars["close"] * book.bars["adj_factor"])
    prices = bars.pivot(index="date", columns="symbol", values="adjusted").ffill()
    returns = prices.pct_change()
    spread = returns.iloc[1:].std() * np.sqrt(243)
    assert 0.37 < spread.median() < 0.61  # 0.0315 a session, the real even half in 2011-2016, within a quarter
    assert returns.kurt().median() > 1.0
    month = prices.iloc[20::20]
    past, ahead = month.pct_change().iloc[1:-1], month.pct_change().shift(-1).iloc[1:-1]
    ic = past.rank(axis=1).corrwith(ahead.rank(axis=1), axis=1)
    assert -0.12 < ic.mean() < -0.01


@pytest.mark.parametrize(
    ("stocks", "start", "end"),
    [(20, "2019-03-01", "2019-05-28"), (2, "2020-12-24", "2020-12-31"), (30, "2012-11-15", "2013-02-28")],
)
def test_small_markets_work(tmp_path: Path, stocks: int, start: str, end: str) -> None:
    write_synthetic(tmp_path, stocks=stocks, start=start, end=end)
    small = Book(tmp_path)
    up, down = legal_range(small)
    assert (small.fen("high") <= up).all() and (small.fen("low") >= down).all()
    assert small.bars["symbol"].nunique() == stocks
    day = small.sessions.iloc[0]
    assert len(members(small, "000300", day)) >= 1 and len(members(small, "000905", day)) >= 1
    assert not small.table["index_daily"]["close"].isna().any()


def test_bad_spans_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sessions up to 2099-12-31"):
        write_synthetic(tmp_path / "x", stocks=5, start="2020-01-01", end="2099-12-31")
    with pytest.raises(DataError, match="has 0 sessions"):
        write_synthetic(tmp_path / "x", stocks=5, start="2020-10-01", end="2020-10-08")
    with pytest.raises(ConfigError, match="start='soon' is not a date"):
        write_synthetic(tmp_path / "x", stocks=5, start="soon")
    assert not (tmp_path / "x").exists()


def test_spec_is_read_and_written_back() -> None:
    assert parse_spec("synthetic") == SyntheticConfig()
    config = parse_spec("synthetic:stocks=60, seed=3,start=2011-01-04,end=2020-12-31")
    assert config == SyntheticConfig(stocks=60, seed=3, start=dt.date(2011, 1, 4), end=dt.date(2020, 12, 31))
    assert config.spec == "synthetic:stocks=60,seed=3,start=2011-01-04,end=2020-12-31"
    assert parse_spec(config.spec) == config
    wished = parse_spec("synthetic:alphas=value*3+memory")
    assert wished.spec == SyntheticConfig().spec + ",alphas=value*3+memory" and parse_spec(wished.spec) == wished
    assert is_spec("synthetic") and is_spec("synthetic:seed=2") and not is_spec("synthetic_data/bars")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("synthetic:stokcs=5", "'stokcs' .* did you mean 'stocks'"),
        ("synthetic:stocks=many", "stocks='many' .* whole number"),
        ("synthetic:stocks", "stocks='' .* whole number"),
        ("synthetic:start=2011-13-04", "start='2011-13-04' .* date like"),
        ("synthetic:seed=1,seed=2", "'seed' stands twice"),
        ("synthetic:stocks=1", "stocks=1 is out of range"),
        ("synthetic:seed=-1", "seed=-1 is negative"),
        ("synthetic:start=1990-12-19", "start=1990-12-19 is too early"),
        ("synthetic:start=2020-02-01,end=2020-01-01", "start=2020-02-01 is not before end=2020-01-01"),
        ("synthetics:stocks=5", "no synthetic market"),
    ],
)
def test_bad_specs_are_refused_with_a_sentence(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_spec(spec)


def test_the_third_index_holds_the_largest_of_shanghai(book: Book) -> None:
    for day in book.sessions.iloc[::400]:
        top, large = members(book, "000016", day), members(book, "000300", day)
        assert top and all(symbol.endswith(".SH") for symbol in top)
        assert len(top) < len(large) and len(set(top) & set(large)) >= len(top) - 2  # the buffers differ
    levels = book.table["index_daily"]
    assert set(levels["index_code"]) == {"000001", "000016", "000300", "000905"}


def test_events_carry_their_days_and_the_parts_of_new_shares(book: Book) -> None:
    events = book.table["ex_rights_events"]
    position = pd.Series(np.arange(len(book.sessions)), index=book.sessions)
    ex = position[events["ex_date"]].to_numpy()
    assert (position[events["record_date"]].to_numpy() == ex - 1).all()
    new = events["share_ratio"] > 1
    assert np.allclose(events["bonus_ratio"] + events["transfer_ratio"], events["share_ratio"] - 1)
    assert (events["bonus_ratio"] > 0).any() and (events["transfer_ratio"] > 0).any()
    assert events["list_date"][~new].isna().all() and (events["rights_ratio"] == 0).all()
    wait = position[events["list_date"][new]].to_numpy() - ex[new]
    assert (wait == events["symbol"][new].str.endswith(".SH")).all()  # Shanghai lists them a session later
    cash = events["cash_per_share_est"] > 0
    paid = position[events["pay_date"][cash]].to_numpy() - ex[cash]
    late = paid > 0
    assert late.any() and paid.max() <= 5
    assert (events["ex_date"][cash][late] < "2013-01-01").all()
    assert events["symbol"][cash][late].str.endswith("SH").all()
