"""What is to be traded on the session after the last, against examples by hand and against longer runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_market import NAN, market_of

from engine import backtest
from engine.errors import ConfigError, DataError
from engine.holdings_file import OwnHoldings, read_holdings
from engine.market import Market
from engine.next_session import Line, NextSession, limits_after, next_session
from engine.run_folder import Run

A, T, X, C, S, D = "600000.SH", "600001.SH", "600002.SH", "300001.SZ", "688001.SH", "688002.SH"

STRATEGY = """
    from strategies.base import RebalanceStrategy

    class Fixed(RebalanceStrategy):
        def allocate(self, scores, portfolio, view):
            return {weights}
"""


def fixed(folder: Path, weights: dict[str, float]) -> str:
    """The path of a strategy that always wants the same weights."""
    path = folder / "fixed.py"
    path.write_text("\n".join(line[4:] for line in STRATEGY.format(weights=weights).splitlines()), encoding="utf-8")
    return str(path)


def finished(market: Market, folder: Path, strategy: str, params: dict[str, Any] | None = None, **more: Any) -> Run:
    config = {
        "strategy": {"name": strategy, **(params or {})}, "signal": {"name": ""}, "fees": {"name": "zero"},
        "rebalance": "1D", "cash": 100_000.0,
    }  # fmt: skip
    return backtest.run(config | more, out=folder / "runs", opener=lambda *_, **__: market)


def coming(run: Run, market: Market, own: OwnHoldings | None = None) -> NextSession:
    return next_session(run, own, opener=lambda *_, **__: market)


def held(folder: Path, text: str) -> OwnHoldings:
    path = folder / "mine.csv"
    path.write_text("symbol,shares\n" + text, encoding="utf-8")
    return read_holdings(path)


def by_symbol(found: NextSession) -> dict[str, Line]:
    return {line.symbol: line for line in found.lines}


# -- by hand ------------------------------------------------------------------------------------------

CLOSES = {A: [10.0] * 4, T: [3.33] * 4, X: [8.0, 8.0, 8.0, NAN], C: [20.0] * 4, S: [50.0] * 4, D: [100.0] * 4}
WEIGHTS = {A: 0.01, X: 0.02, C: 0.0305, S: 0.1021, D: 0.01}
MINE = f"CASH,91403.50\n{A},350\n{X},200\n{T},1050\n"


@pytest.fixture
def friday() -> Market:
    """Tuesday to Friday, 2020-09-01 to 04: rates are 20 % on ChiNext and STAR, 5 % under special treatment."""
    treated = {symbol: [int(symbol == T)] * 4 for symbol in CLOSES}
    return market_of(CLOSES, first_day="2020-09-01", st=treated, names={A: "浦发银行"})


def test_trades_of_own_positions_are_legal_lots_of_each_board(friday: Market, tmp_path: Path) -> None:
    run = finished(friday, tmp_path, fixed(tmp_path, WEIGHTS))
    found = coming(run, friday, held(tmp_path, MINE))
    lines = by_symbol(found)
    assert str(found.date) == "2020-09-07"  # a weekend lies between
    assert found.value == 100_000.0  # 91,403.50 + 3,500 + 1,600 + 3,496.50
    trades = {symbol: line.trade for symbol, line in lines.items()}
    assert trades == {
        A: -250,  # 2,500 yuan too much: the odd 50 go along with two lots
        T: -1050,  # not wanted: all, the odd 50 included
        C: 100,  # 3,050 yuan pay 152
        S: 204,  # 10,210 yuan pay 204: from 200 on STAR goes by single shares
        D: 0,  # 1,000 yuan pay 10, and 200 are the least
        X: 0,  # 400 yuan pay 50 more, which is no lot
    }
    assert lines[D].note == "LOT" and lines[X].note == "SUSPENDED" and lines[T].note == "ST"
    assert (lines[A].target_weight, lines[A].target_yuan, lines[A].target_shares) == (0.01, 1000.0, 100)
    assert found.cash_after == 85_200.0  # 91,403.50 + 2,500 + 3,496.50 - 2,000 - 10,200


def test_sales_come_first_and_purchases_in_the_order_in_which_they_take_cash(friday: Market, tmp_path: Path) -> None:
    weights = {S: 0.2, A: 0.2, C: 0.2}
    run = finished(friday, tmp_path, fixed(tmp_path, weights))
    found = coming(run, friday, held(tmp_path, f"{T},1000\nCASH,90000\n"))
    assert [line.symbol for line in found.lines] == [T, S, A, C]


def test_limits_of_the_coming_session_follow_board_and_state(friday: Market, tmp_path: Path) -> None:
    found = coming(finished(friday, tmp_path, fixed(tmp_path, WEIGHTS)), friday, held(tmp_path, MINE))
    limits = {line.symbol: (line.limit_down, line.limit_up) for line in found.lines}
    assert limits[A] == (9.0, 11.0)
    assert limits[T] == (3.16, 3.50)  # 3.1635 and 3.4965
    assert limits[C] == (16.0, 24.0)
    assert limits[S] == (40.0, 60.0)
    assert limits[X] == (7.2, 8.8)  # of the last close before the suspension


def test_limits_after_a_session_are_those_that_the_market_has_for_the_next() -> None:
    rng = np.random.default_rng(5)
    closes = {symbol: np.round(20 * np.cumprod(1 + rng.normal(0, 0.01, 12)), 2).tolist() for symbol in CLOSES}
    new = dict.fromkeys(closes, 10_000) | {S: 0}
    closes[S][:2] = [NAN, NAN]  # lists on the third session: five days without a limit
    ages = np.array([new[symbol] for symbol in sorted(closes)], dtype=np.int32)
    market = market_of(closes, first_day="2020-09-01", list_age=ages)
    stocks = np.arange(len(closes))
    for t in range(2, 11):
        up, down = limits_after(market, t, market.sessions[t + 1], stocks)
        assert np.array_equal(up, market.limit_up[t + 1]) and np.array_equal(down, market.limit_down[t + 1])


def test_the_file_is_whole_has_chinese_names_for_excel_and_comes_out_the_same_again(
    friday: Market, tmp_path: Path
) -> None:
    run = finished(friday, tmp_path, fixed(tmp_path, WEIGHTS))
    path = coming(run, friday, held(tmp_path, MINE)).write(tmp_path / "targets.csv")
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    first = next(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert first == {
        "date": "2020-09-07", "symbol": A, "name": "浦发银行", "shares_now": "350", "sellable": "350",
        "target_weight": "0.010000", "target_yuan": "1000.00", "target_shares": "100", "trade": "-250",
        "reference_price": "10.00", "limit_up": "11.00", "limit_down": "9.00", "note": "",
    }  # fmt: skip
    assert coming(run, friday, held(tmp_path, MINE)).write(path).read_bytes() == raw
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".py") == ["mine.csv", "runs", "targets.csv"]


def test_what_was_bought_on_the_last_session_can_be_sold_on_the_next(tmp_path: Path) -> None:
    market = market_of({A: [10.0] * 2}, first_day="2020-09-03")
    run = finished(market, tmp_path, fixed(tmp_path, {A: 0.5}))
    assert run.positions[["shares", "sellable"]].to_numpy().tolist() == [[5000, 0]]
    line = by_symbol(coming(run, market))[A]
    assert (line.shares_now, line.sellable, line.trade) == (5000, 5000, 0)


def test_an_order_that_waits_behind_a_suspension_is_there_again_as_carried(tmp_path: Path) -> None:
    market = market_of({A: [10.0, NAN, NAN, NAN], T: [5.0] * 4}, first_day="2020-09-01")
    run = finished(market, tmp_path, fixed(tmp_path, {A: 0.5}), rebalance="20D")
    found = coming(run, market)
    line = by_symbol(found)[A]
    assert not found.decided
    assert (line.shares_now, line.trade, line.target_weight, line.note) == (0, 5000, None, "SUSPENDED CARRIED")


# -- the schedule -------------------------------------------------------------------------------------


def january(closes: int) -> Market:
    """Sessions that end on Thursday, 2020-01-23: the exchange opens again on 3 February."""
    first = str(np.busday_offset(np.datetime64("2020-01-23"), 1 - closes))
    return market_of({A: [10.0] * closes, T: [5.0] * closes}, first_day=first)


def test_that_a_holiday_ends_the_month_is_known_from_the_exchange_and_the_run_decides_again(tmp_path: Path) -> None:
    market = january(6)
    run = finished(market, tmp_path, fixed(tmp_path, {A: 0.5}), rebalance="1M")
    assert run.decisions.empty
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    found = coming(run, market)
    assert (str(found.last), str(found.date), found.decided) == ("2020-01-23", "2020-02-03", True)
    assert by_symbol(found)[A].trade == 5000
    assert str(found.due) == "2020-02-28"
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


def test_without_a_decision_nothing_is_traded_and_the_next_one_is_named(tmp_path: Path) -> None:
    market = market_of({A: [10.0] * 8, T: [5.0] * 8}, first_day="2019-12-27")  # decides on 31 December, ends 7 January
    run = finished(market, tmp_path, fixed(tmp_path, {A: 0.5}), rebalance="1M")
    found = coming(run, market)
    assert not found.decided and str(found.due) == "2020-01-23"
    assert [(line.symbol, line.shares_now, line.trade) for line in found.lines] == [(A, 5000, 0)]
    assert found.cash_after == found.cash == 50_000.0
    asked = coming(run, market, held(tmp_path, "CASH,10000\n"))
    assert asked.decided and by_symbol(asked)[A].trade == 500


# -- longer runs --------------------------------------------------------------------------------------


def walk(seed: int, sessions: int = 30) -> Market:
    """Eight stocks that open where they closed and never come near a limit."""
    rng = np.random.default_rng(seed)
    symbols = [A, T, X, "600003.SH", C, "300002.SZ", S, D]
    moves = rng.normal(0, 0.01, (sessions, len(symbols))).clip(-0.03, 0.03)
    closes = np.round(rng.uniform(5, 60, len(symbols)) * np.cumprod(1 + moves, axis=0), 2)
    opens = np.vstack([closes[:1], closes[:-1]])
    columns = zip(symbols, closes.T.tolist(), opens.T.tolist(), strict=True)
    table = {symbol: (close, opened) for symbol, close, opened in columns}
    return market_of(
        {symbol: pair[0] for symbol, pair in table.items()}, opens={symbol: pair[1] for symbol, pair in table.items()},
        first_day="2020-09-01",
    )  # fmt: skip


def reversal(market: Market, folder: Path, end: int) -> Run:
    more = {
        "signal": {"name": "reversal-20d", "window": 3}, "rebalance": "3D", "end": str(market.sessions[end]),
    }  # fmt: skip
    return finished(market, folder, "top-n", {"hold": 3}, **more)


@pytest.mark.parametrize("seed", range(4))
def test_the_trades_of_the_file_are_what_a_longer_run_does_on_that_day(seed: int, tmp_path: Path) -> None:
    market = walk(seed)
    whole = reversal(market, tmp_path, 29)
    traded = 0
    for end in (9, 12, 13, 18):
        found = coming(reversal(market, tmp_path, end), market)
        fills = whole.fills[whole.fills["date"] == market.sessions[end + 1].astype("datetime64[ms]")]
        signed = np.where(fills["side"] == "buy", 1, -1) * fills["shares"]
        done = dict(zip(fills["symbol"], signed.tolist(), strict=True))
        assert {line.symbol: line.trade for line in found.lines if line.trade} == done
        after = whole.positions[whole.positions["date"] == market.sessions[end + 1].astype("datetime64[ms]")]
        kept = dict(zip(after["symbol"], after["shares"].tolist(), strict=True))
        assert {line.symbol: line.target_shares for line in found.lines if line.target_shares} == kept
        traded += len(done)
    assert traded >= 6


def test_own_positions_equal_to_the_account_of_the_run_give_the_same_trades(tmp_path: Path) -> None:
    market = walk(7)
    run = reversal(market, tmp_path, 12)
    found = coming(run, market)
    rows = [f"{line.symbol},{line.shares_now}" for line in found.lines if line.shares_now]
    own = held(tmp_path, "\n".join([f"CASH,{found.cash:.2f}", *rows]))
    assert found.decided and any(line.trade for line in found.lines)
    assert coming(run, market, own) == found


# -- what a user can get wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"symbol,shares\n{A},-100\n", "row 2, column shares: '-100' is no number of shares"),
        (f"symbol,shares\nCASH,5\n{A},12.5\n", "row 3, column shares: '12.5' is no number of shares"),
        (f"symbol,shares\n{A},\n", "row 2, column shares: '' is no number of shares"),
        ("symbol,shares\n600000,100\n", "row 2, column symbol: '600000' is no A-share code; write it like 600000.SH"),
        (f"symbol,shares\n{A},100\n{T},100\n{A},200\n", "row 4, column symbol: 600000.SH stands in row 2 already"),
        ("symbol,shares\nCASH,much\n", "row 2, column shares: 'much' is no amount of cash"),
        (f"symbol,count\n{A},100\n", "has no column 'shares'"),
        (f"symbol,shares\n{A},0\n", "holds neither shares nor cash"),
        ("", "cannot be read (No columns to parse from file)"),
    ],
)
def test_positions_that_cannot_be_used_are_refused_with_row_and_column(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_holdings(path)
    assert says in str(caught.value) and str(path) in str(caught.value)


def test_positions_saved_by_excel_are_read_with_their_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(
        f'名称,symbol,shares\r\n浦发银行,{A.lower()},"1,200"\r\n现金,cash,"3,000.50"\r\n'.encode("gb18030")
    )
    found = read_holdings(path)
    assert (found.shares, found.cash) == ({A: 1200}, 3000.5)


def test_a_holding_that_is_not_listed_is_refused_with_its_row(tmp_path: Path) -> None:
    closes = {A: [10.0] * 4, T: [NAN] * 4}
    market = market_of(closes, first_day="2020-09-01", list_age=np.array([10_000, 0], dtype=np.int32))
    run = finished(market, tmp_path, fixed(tmp_path, {A: 0.5}))
    with pytest.raises(DataError, match="row 2, column symbol: 600001.SH is not listed on 2020-09-04; remove the row"):
        coming(run, market, held(tmp_path, f"{T},100\n"))


def test_orders_of_the_session_itself_have_no_next(tmp_path: Path) -> None:
    market = market_of({A: [10.0] * 4}, first_day="2020-09-01")
    run = finished(market, tmp_path, fixed(tmp_path, {A: 0.5}), fill="same_close")
    with pytest.raises(ConfigError, match="use --fill next_open or next_close"):
        coming(run, market)


def test_a_strategy_that_sends_its_own_orders_cannot_decide_on_other_positions(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import backtrader as bt\n\nclass Own(bt.Strategy):\n    def next(self):\n"
        f"        self.buy(data=self.broker.market['{A}'], size=100)\n",
        encoding="utf-8",
    )
    market = market_of({A: [10.0] * 4}, first_day="2020-09-01")
    run = finished(market, tmp_path, str(path))
    assert [(line.trade, line.note) for line in coming(run, market).lines] == [(100, "")]
    with pytest.raises(ConfigError, match="sends its own orders"):
        coming(run, market, held(tmp_path, "CASH,1000\n"))


def test_a_holding_outside_of_the_universe_is_sold(tmp_path: Path) -> None:
    inside = np.array([[1, 0]] * 4, dtype=np.uint8)  # of A and T
    wide = market_of({A: [10.0] * 4, T: [5.0] * 4}, first_day="2020-09-01", member=inside)
    narrow = market_of({A: [10.0] * 4}, first_day="2020-09-01")

    def opener(*_: Any, extra_symbols: tuple[str, ...] = (), **__: Any) -> Market:
        return wide if T in extra_symbols else narrow

    run = finished(narrow, tmp_path, fixed(tmp_path, {A: 0.5}))
    found = next_session(run, held(tmp_path, f"{T},1050\nCASH,10000\n"), opener=opener)
    assert {line.symbol: line.trade for line in found.lines} == {T: -1050, A: 700}  # 7,625 yuan pay 762
