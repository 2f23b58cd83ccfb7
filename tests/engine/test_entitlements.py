"""Bookings of corporate actions on a small account of its own: dates, tax, rights, delistings, to the fen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_market import NAN, market_of

from engine import corporate
from engine.corporate import Action, Event, action_effects, refuse_adjusted
from engine.entitlements import Booking, CorporateDesk
from engine.errors import ConfigError, DataError
from engine.market import Market
from engine.rules import Rules

A, B = "600000.SH", "600001.SH"


def events(*rows: tuple[int, int, float, float, float, float], **extra: Any) -> dict[str, np.ndarray]:
    """Rows (t, i, previous close, reference, share ratio, cash); extra columns one value a row."""
    t, i, prev, pre, ratio, cash = (np.array(column) for column in zip(*rows, strict=True))
    core = {"t": t, "i": i, "prev_close": prev, "preclose": pre, "factor_ratio": prev / pre}
    return core | {"share_ratio": ratio, "cash": cash} | {name: np.array(value) for name, value in extra.items()}


class Account:
    """Cash in fen and shares; trades at the mark without fees, and does with bookings what an account has to do."""

    def __init__(self, market: Market, cash: int = 10_000_000, **policy: str) -> None:
        self.market, self.cash = market, cash
        self.desk = CorporateDesk(market, Rules(**policy))
        self.holdings: dict[int, int] = {}
        self.booked: list[tuple[int, Booking]] = []
        self.t = -1

    def to(self, t: int) -> Account:
        """Let the sessions up to the opening of ``t`` pass."""
        while self.t < t:
            if self.t >= 0 and self.desk.is_busy(self.t):
                self.desk.close(self.t, self.holdings)
            self.t += 1
            if self.desk.is_busy(self.t):
                self._apply(self.desk.open(self.t, self.holdings, self.cash)[1])
                self._apply(self.desk.settle(self.t, self.holdings))
        return self

    def _apply(self, bookings: list[Booking]) -> None:
        for booking in bookings:
            self.booked.append((self.t, booking))
            self.cash += booking.cash_fen - booking.tax_fen
            self._hold(booking.i, booking.shares)
        assert self.cash >= 0

    def _hold(self, i: int, change: int) -> None:
        self.holdings[i] = self.holdings.get(i, 0) + change
        if not self.holdings[i]:
            del self.holdings[i]

    def buy(self, shares: int, i: int = 0) -> Account:
        self.cash -= corporate.fen(float(self.market.mark[self.t, i]) * shares)
        self.desk.lots.bought(i, self.desk.day(self.t), shares)
        self._hold(i, shares)
        return self

    def sell(self, shares: int, i: int = 0) -> int:
        """Sell and return the tax that was taken."""
        held = self.holdings[i]
        assert shares <= held - self.desk.locked.get(i, 0)
        self.cash += corporate.fen(float(self.market.mark[self.t, i]) * shares)
        self._hold(i, -shares)
        tax = 0
        if i in self.desk.lots.pending:
            tax = self.desk.sold(i, self.t, held, shares, self.cash)
        elif shares == held:
            self.desk.lots.clear(i)
        self.cash -= tax
        return tax

    @property
    def kinds(self) -> list[tuple[int, str, int, int, int]]:
        return [(t, b.kind, b.shares, b.cash_fen, b.tax_fen) for t, b in self.booked]

    @property
    def worth(self) -> int:
        held = sum(corporate.fen(float(self.market.mark[self.t, i]) * n) for i, n in self.holdings.items())
        return self.cash + held + self.desk.receivable


def flat(
    price: float = 10.0, after: float = 9.5, ex: int = 2, n: int = 8, first_day: str = "2019-03-04", **more: Any
) -> Market:
    closes = [price] * ex + [after] * (n - ex)
    return market_of({A: closes}, first_day=first_day, **more)


# -- dates ------------------------------------------------------------------------------------------


def test_cash_comes_on_the_pay_date_and_is_a_claim_from_the_ex_date_on() -> None:
    market = flat(events=events((2, 0, 10.0, 9.5, 1.0, 0.5), pay_t=[5]))
    account = Account(market).to(0).buy(1_000)
    worth = account.worth
    account.to(2)
    assert (account.desk.receivable, account.worth) == (50_000, worth)
    account.to(4)
    assert account.kinds == []
    account.to(5)
    assert account.kinds == [(5, "DIVIDEND", 0, 50_000, 0)]
    assert (account.desk.receivable, account.worth) == (0, worth)


def test_a_pay_date_after_the_end_leaves_the_claim_open() -> None:
    account = Account(flat(events=events((2, 0, 10.0, 9.5, 1.0, 0.5), pay_t=[99]))).to(0).buy(1_000).to(7)
    assert account.desk.receivable == 50_000 and account.kinds == []


def test_whoever_sold_after_the_record_date_still_gets_the_dividend_and_a_later_buyer_none() -> None:
    market = market_of({A: [10.0] * 6}, events=events((4, 0, 10.0, 9.5, 1.0, 0.5), record_t=[1]))
    seller, buyer = Account(market).to(0).buy(1_000).to(2), Account(market).to(2).buy(1_000)
    seller.sell(1_000)
    assert seller.to(5).kinds == [(4, "DIVIDEND", 0, 50_000, 0)]
    assert buyer.to(5).kinds == []


def test_bonus_shares_are_sellable_from_their_listing_day_on() -> None:
    market = flat(13.0, 10.0, events=events((2, 0, 13.0, 10.0, 1.3, 0.0), list_t=[4]))
    account = Account(market).to(0).buy(1_000).to(2)
    assert account.holdings == {0: 1_300} and account.desk.locked == {0: 300}
    account.to(3).sell(1_000)
    account.to(4)
    assert account.desk.locked == {} and account.sell(300) == 0


def test_bonus_shares_that_list_on_the_session_after_the_ex_date_cannot_be_sold_on_it() -> None:
    market = flat(13.0, 10.0, events=events((2, 0, 13.0, 10.0, 1.3, 0.0), list_t=[3]))
    account = Account(market).to(0).buy(1_000).to(2)
    assert account.desk.locked == {0: 300}
    assert account.to(3).desk.locked == {}


# -- tax --------------------------------------------------------------------------------------------


def test_tax_of_2014_is_kept_in_part_at_payment_and_taken_in_full_on_an_early_sale() -> None:
    market = flat(first_day="2014-03-03", events=events((2, 0, 10.0, 9.5, 1.0, 0.5)))
    account = Account(market).to(0).buy(1_000).to(2)
    assert account.kinds == [(2, "DIVIDEND", 0, 50_000, 2_500)]
    assert account.to(3).sell(1_000) == 7_500


def test_holders_without_tax_never_keep_a_lot_waiting() -> None:
    account = Account(flat(events=events((2, 0, 10.0, 9.5, 1.0, 0.5))), holder="none").to(0).buy(1_000).to(3)
    assert not account.desk.lots.pending and account.sell(1_000) == 0


def test_bonus_shares_out_of_profits_are_taxed_at_face_and_conversions_are_not() -> None:
    for bonus, transfer, tax in ((0.3, 0.0, 1_000 * 30 * 20 // 100), (0.0, 0.3, 0), (NAN, NAN, 0)):
        market = flat(
            13.0, 10.0, events=events((2, 0, 13.0, 10.0, 1.3, 0.0), bonus_ratio=[bonus], transfer_ratio=[transfer])
        )
        account = Account(market).to(0).buy(1_000).to(3)
        assert account.sell(1_000) == tax


def test_tax_on_bonus_shares_that_cash_does_not_cover_is_owed_and_never_turns_the_cash_negative() -> None:
    market = flat(
        13.0, 10.0, n=6, first_day="2012-03-05",
        events=events((2, 0, 13.0, 10.0, 1.3, 0.0), bonus_ratio=[0.3], transfer_ratio=[0.0]),
    )  # fmt: skip
    account = Account(market, cash=1_300_000 + 1_000).to(0).buy(1_000).to(2)  # tax 10 % of 300 yuan
    assert account.cash == 0 and account.desk.owed == {0: 2_000}
    account.sell(1_000)
    account.to(3)
    assert account.desk.owed == {} and account.cash == 1_000_000 - 2_000


def test_tax_that_the_cash_of_the_dividend_does_not_cover_comes_out_of_the_account() -> None:
    market = flat(
        13.01, 10.0, first_day="2012-03-05",
        events=events((2, 0, 13.01, 10.0, 1.3, 0.01), bonus_ratio=[0.3], transfer_ratio=[0.0]),
    )  # fmt: skip
    account = Account(market).to(0).buy(1_000).to(2)  # 10 % of 310 yuan, of which 10 yuan are paid in cash
    assert [kind[1:] for kind in account.kinds] == [
        ("BONUS", 300, 0, 0), ("DIVIDEND", 0, 1_000, 1_000), ("DIVIDEND_TAX", 0, 0, 2_100),
    ]  # fmt: skip
    poor = Account(market, cash=1_301_000).to(0).buy(1_000).to(2)
    assert poor.cash == 0 and poor.desk.owed == {0: 2_100}


def test_tax_that_is_owed_is_taken_from_the_next_payment() -> None:
    rows = (2, 0, 13.0, 10.0, 1.3, 0.0), (4, 0, 10.0, 9.9, 1.0, 0.1)
    book = events(*rows, bonus_ratio=[0.3, 0.0], transfer_ratio=[0.0, 0.0], pay_t=[2, 5])
    market = market_of({A: [13.0, 13.0, 10.0, 10.0, 9.9, 9.9, 9.9]}, events=book, first_day="2012-03-05")
    account = Account(market, cash=1_300_000).to(0).buy(1_000).to(4)
    assert account.desk.owed == {0: 3_000} and account.cash == 0
    assert account.to(5).cash == 13_000 - 1_300 - 3_000 and account.desk.owed == {}


def test_what_is_withheld_in_all_is_the_rules_amount_for_any_split_of_the_sale() -> None:
    for parts in ([333], [100, 100, 133], [1] * 333):
        market = market_of({A: [10.0] * 3 + [9.88] * 5}, events=events((3, 0, 10.0, 9.88, 1.0, 0.1234)))
        account = Account(market).to(0).buy(333).to(4)
        assert sum(account.sell(part) for part in parts) == round(333 * 12.34 * 0.2)


# -- whole shares -----------------------------------------------------------------------------------


def test_whole_shares_are_credited_and_the_fraction_is_reported() -> None:
    account = Account(flat(13.0, 10.0, events=events((2, 0, 13.0, 10.0, 1.3, 0.0)))).to(0).buy(101).to(2)
    ((_, booking),) = account.booked
    assert booking.shares == 30 and booking.fraction == pytest.approx(0.3)


def test_an_event_that_does_not_fit_stays_value_neutral_and_its_lots_follow() -> None:
    account = Account(flat(20.0, 12.0, events=events((2, 0, 20.0, 12.0, 17.0, NAN)))).to(0).buy(1_000)
    worth = account.worth
    assert account.to(2).worth == worth
    assert account.holdings == {0: 1_666} and [lot.shares for lot in account.desk.lots.resolve(0, 1_666)] == [1_666]


def test_a_ratio_that_has_no_exact_binary_form_does_not_lose_a_share() -> None:
    assert 100 * 2.3 < 230
    account = Account(flat(23.0, 10.0, events=events((2, 0, 23.0, 10.0, 2.3, 0.0)))).to(0).buy(100).to(2)
    assert account.holdings == {0: 230}


# -- rights -----------------------------------------------------------------------------------------

ISSUE = {"bonus_ratio": [0.0], "transfer_ratio": [0.0], "rights_ratio": [0.2], "rights_price": [4.0]}
# close 10.00, two for ten at 4.00: (10 + 0.8) / 1.2 = 9.00


def rights(policy: str, cash: int = 10_000_000) -> Account:
    market = flat(10.0, 9.0, events=events((2, 0, 10.0, 9.0, 1.2, 0.0), **ISSUE))
    return Account(market, cash, rights=policy).to(0).buy(1_000)


def test_rights_that_are_sold_leave_wealth_as_it_was() -> None:
    account = rights("sell")
    worth = account.worth
    assert account.to(2).kinds == [(2, "RIGHTS", 0, 100_000, 0)]
    assert account.worth == worth


def test_rights_that_are_taken_up_cost_cash_and_leave_wealth_as_it_was() -> None:
    account = rights("take_up")
    worth = account.worth
    assert account.to(2).kinds == [(2, "RIGHTS", 200, -80_000, 0)]
    assert account.worth == worth


def test_rights_are_taken_up_as_far_as_the_cash_goes() -> None:
    account = rights("take_up", cash=1_000_000 + 40_399).to(2)
    assert account.kinds == [(2, "RIGHTS", 100, -40_000, 0)] and account.cash == 399
    assert account.booked[0][1].fraction == 100


@pytest.mark.parametrize(("pay_t", "bought"), [(2, 112), (4, 0)])
def test_a_dividend_pays_for_rights_only_once_it_is_paid_and_after_its_tax(pay_t: int, bought: int) -> None:
    # close 10.50, cash 0.50, two for ten at 4.00: (10.5 - 0.5 + 0.8) / 1.2 = 9.00; tax of 2012 is 10 %
    book = events((2, 0, 10.5, 9.0, 1.2, 0.5), pay_t=[pay_t], **ISSUE)
    market = flat(10.5, 9.0, events=book, first_day="2012-03-05")
    account = Account(market, 1_050_000, rights="take_up").to(0).buy(1_000).to(2)
    assert sum(b.shares for _, b in account.booked) == bought  # 450 yuan buy 112 shares
    assert account.cash == (50_000 - 5_000 - 112 * 400 if bought else 0)


def test_rights_that_lapse_lose_their_worth() -> None:
    account = rights("lapse")
    worth = account.worth
    assert account.to(2).worth == worth - 100_000
    assert account.kinds == [(2, "RIGHTS", 0, 0, 0)]


def test_rights_above_the_reference_price_are_worth_nothing_and_lapse() -> None:
    action = Action(Event(0, 10.0, 10.0, 1.0, 1.0, 0.0), 1, 2, 2, 0.0, 0.0, 0.2, 12.0)
    half = Action(Event(0, 14.99, 9.99, 14.99 / 9.99, 1.5, 0.0), 1, 2, 2, 0.0, 0.5, 0.2, 10.0)  # half a fen is rounding
    assert action.plain and half.plain
    for policy in ("sell", "take_up"):
        for one in (action, half):
            assert action_effects(one, 1_000, policy)[-1][:3] == ("RIGHTS", 0, 0)


def test_the_check_value_of_the_rule_book_cash_bonus_and_rights_together() -> None:
    # close 10.00, cash 0.50, bonus 0.3, rights 0.2 at 6.00: 10.70 / 1.5 = 7.13
    action = Action(Event(0, 10.0, 7.13, 10 / 7.13, 1.5, 0.5), 1, 2, 2, 0.3, 0.0, 0.2, 6.0)
    assert action.plain and action.ratio == 1.3 and action.taxed_yuan == pytest.approx(0.8)
    assert action.right_worth == pytest.approx(10.0 - 0.5 - 1.3 * 7.13)
    assert action.right_worth == pytest.approx(0.2 * (7.1333 - 6.0), abs=0.005)


def test_shenzhens_reference_for_an_issue_taken_up_in_part_is_accepted_and_selling_stays_neutral() -> None:
    # 000589 on 2011-01-19: 0.3 at 6.86, close 11.90, reference 10.79 instead of 10.74
    action = Action(Event(0, 11.9, 10.79, 11.9 / 10.79, 1.3, 0.0), 1, 2, 2, 0.0, 0.0, 0.3, 6.86)
    assert action.plain
    (sold,) = action_effects(action, 1_000, "sell")
    assert 1_000 * 1_079 + sold.cash_fen == 1_000 * 1_190


# -- delistings -------------------------------------------------------------------------------------


def leaving(**more: Any) -> Market:
    closes = {A: [10.0, 10.0, 8.0, NAN, NAN, NAN], B: [5.0] * 6}
    return market_of(closes, last_session=np.array([2, 5]), delisted=np.array([True, False]), **more)


@pytest.mark.parametrize(("policy", "cash"), [("last", 800_000), ("zero", 0), ("successor", 800_000)])
def test_a_delisted_holding_without_a_known_successor_is_settled_by_policy(policy: str, cash: int) -> None:
    account = Account(leaving(), delisting=policy).to(0).buy(1_000).to(3)
    assert account.kinds == [(3, "DELISTED", -1_000, cash, 0)] and account.holdings == {}


def test_a_settlement_is_a_sale_for_the_tax_on_dividends() -> None:
    market = leaving(events=events((2, 0, 10.0, 9.5, 1.0, 0.5)))
    account = Account(market).to(0).buy(1_000).to(4)
    assert account.kinds[-1] == (3, "DELISTED", -1_000, 800_000, 10_000)


def merged(monkeypatch: pytest.MonkeyPatch, ratio: str, cash: str, new: str = B, when: str = "2019-03-08") -> Market:
    from engine import entitlements, successors
    from engine.dated_tables import Row

    values = {"kind": "merger", "old": A, "new": new, "ratio": ratio, "cash": cash, "confidence": "M"}
    row = Row("successors.csv", 2, values, 0, 0)
    found = successors._successor(row)._replace(date=np.datetime64(when))
    monkeypatch.setattr(entitlements, "successors", lambda: {A: found})
    return leaving()


def test_a_merged_holding_becomes_successor_shares_on_the_day_they_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(merged(monkeypatch, "1.25", "0.10")).to(0).buy(101).to(3)
    assert account.holdings == {0: 101} and account.kinds == []
    account.to(4)
    assert account.kinds == [(4, "DELISTED", -101, 80_800, 0), (4, "SUCCESSOR", 126, 1_010 - 80_800, 0)]
    assert account.booked[1][1].fraction == pytest.approx(0.25)
    assert [(row["table"], row["flagged"]) for row in account.desk.rows_used()] == [("successors.csv", True)]
    assert account.holdings == {1: 126}
    assert [(lot.day, lot.shares) for lot in account.desk.lots.resolve(1, 126)] == [(account.desk.day(0), 126)]


def test_a_successor_that_the_market_does_not_hold_leaves_the_last_price(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(merged(monkeypatch, "1.25", "", new="600519.SH")).to(0).buy(100).to(3)
    assert account.kinds == [(3, "DELISTED", -100, 80_000, 0)]


def test_a_buyout_pays_the_tables_cash_on_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    market = merged(monkeypatch, "1.25", "")
    from engine import entitlements

    row = entitlements.successors()[A]
    from decimal import Decimal
    from fractions import Fraction

    found = row._replace(kind="cash", new="", ratio=Fraction(0), cash=Decimal("8.88"))
    monkeypatch.setattr(entitlements, "successors", lambda: {A: found})
    account = Account(market).to(0).buy(100).to(5)
    assert account.kinds == [(4, "DELISTED", -100, 88_800, 0)]


def test_a_session_without_anything_to_do_is_known_to_be_quiet() -> None:
    desk = Account(flat(events=events((2, 0, 10.0, 9.5, 1.0, 0.5)))).to(7).desk
    assert [t for t in range(8) if desk.is_busy(t)] == [2]


def test_the_rows_that_bookings_went_by_are_listed_and_those_below_high_confidence_flagged() -> None:
    taxed = Account(flat(events=events((2, 0, 10.0, 9.5, 1.0, 0.5)))).to(0).buy(100)
    assert taxed.desk.rows_used() == []
    rows = taxed.to(3).desk.rows_used()
    assert [(row["table"], row["from"], row["rate"], row["flagged"]) for row in rows] == [
        ("dividend_tax.csv", "2015-09-08", rate, False) for rate in ("0.20", "0.10", "0")
    ]
    fund = Account(flat(events=events((2, 0, 10.0, 9.5, 1.0, 0.5))), holder="fund").to(0).buy(100).to(3)
    assert all(row["flagged"] for row in fund.desk.rows_used())


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ConfigError, match="rule 'rights' is 'sel'; did you mean 'sell'"):
        Rules(rights="sel")


# -- adjusted prices --------------------------------------------------------------------------------


def test_adjusted_prices_with_dividends_are_refused_and_raw_ones_are_not() -> None:
    book = events((2, 0, 10.0, 9.0, 1.0, 1.0))
    refuse_adjusted(market_of({A: [10.0, 10.0, 9.0, 9.0]}, events=book))
    with pytest.raises(DataError, match="look adjusted: on the session before its ex-date 2019-03-06 600000.SH closed"):
        refuse_adjusted(market_of({A: [9.0, 9.0, 9.0, 9.0]}, events=book))


def test_a_feed_that_says_it_is_adjusted_is_believed() -> None:
    with pytest.raises(DataError, match=r"adjusted \('qfq'\); dividends would be counted twice"):
        refuse_adjusted(market_of({A: [10.0, 10.0]}, info={"adjusted": "qfq"}))


# -- conservation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_cash_is_the_sum_of_the_bookings_and_worth_moves_only_by_tax_at_reference_prices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes, rows, price = [20.0], [], 20.0
    extra: dict[str, list[float]] = {name: [] for name in corporate.EXTRA_COLUMNS}
    for t in range(1, 60):
        if rng.random() < 0.2:
            cash, bonus, transfer = (float(rng.choice([0.0, x])) for x in (0.37, 0.2, 0.5))
            rights_ratio = float(rng.choice([0.0, 0.3]))
            cash = cash if price > 3 else 0.0
            ratio = 1 + bonus + transfer
            offered = round((price - cash) / ratio * 0.7, 2)
            after = round((price - cash + rights_ratio * offered) / (ratio + rights_ratio), 2)
            rows.append((t, 0, price, after, ratio, cash))
            dates = (t - 1, t + int(rng.integers(0, 4)), t + int(rng.integers(0, 4)))
            for name, value in zip(extra, (*dates, bonus, transfer, rights_ratio, offered), strict=True):
                extra[name].append(value)
            price = after
        closes.append(price)
    book = events(*rows, **extra)
    for name in ("record_t", "pay_t", "list_t"):
        book[name] = book[name].astype(np.int64)
    first_day = str(rng.choice(["2012-11-05", "2014-03-03", "2015-07-13", "2019-03-04"]))
    market = market_of({A: closes}, events=book, first_day=first_day)
    policy = str(rng.choice(["sell", "take_up"]))
    account = Account(market, 100_000_000, rights=policy).to(0).buy(10_000)
    traded = account.cash - 100_000_000
    start = account.worth
    taxed, slack, ex_dates = 0, 0.0, {row[0] for row in rows}
    for t in range(1, 60):
        account.to(t)
        if t in ex_dates:  # references are rounded to the fen, fractions of shares dropped
            slack += 0.51 * account.holdings.get(0, 0) + 2 * 100 * closes[t]
        free = account.holdings.get(0, 0) - account.desk.locked.get(0, 0)
        if rng.random() < 0.15 and free:
            before, part = account.cash, int(rng.integers(1, free + 1))
            tax = account.sell(part)
            taxed += tax
            traded += account.cash - before + tax
    booked = sum(b.cash_fen - b.tax_fen for _, b in account.booked)
    assert account.cash == 100_000_000 + traded + booked - taxed
    kept = sum(b.tax_fen for _, b in account.booked)
    claims = sum(b.tax_fen for later in account.desk._payments.values() for b in later)
    assert abs(account.worth + taxed + kept + claims - start) <= slack
