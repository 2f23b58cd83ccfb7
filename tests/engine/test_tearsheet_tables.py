"""Tables and texts of the tearsheet, each on a few rows made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import pyfolio_sheets, tearsheet_charts, tearsheet_costs
from engine.attribution import COSTS, SOURCES
from engine.presentation import account_facts, data_text, excess_ratio_rate, headline_rows, is_synthetic
from engine.tearsheet_tables import deepest_falls, heat, monthly, stress, yearly
from engine.tearsheet_trading import (
    contributors,
    data_facts,
    fee_rules,
    holdings,
    refusal_fates,
    refusal_yuan,
    refusals,
)

A, B = "600519.SH", "000001.SZ"


def texts(table: Any) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_only_stress_periods_inside_the_run_are_shown() -> None:
    days = pd.bdate_range("2016-01-01", "2018-03-22")  # one session of the trade war makes no return path
    spans = pyfolio_sheets.overlapping(days)
    assert [name for name, _, _ in spans] == ["Circuit breaker 2016"]
    equity = pd.DataFrame({"date": days, "value": np.linspace(100.0, 200.0, len(days)), "cash": 0.0})
    shown = stress(equity, spans)
    inside = (days >= "2016-01-04") & (days <= "2016-01-29")
    value = equity["value"].to_numpy()
    move = value[inside][-1] / value[0] - 1  # from the close before the period's first session
    assert shown is not None and shown.rows[0][1].text == f"{move:+.2%}"


def test_yuan_refused_uses_the_last_price_known_and_counts_what_has_none() -> None:
    day = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"]).as_unit("ms")
    refused = pd.DataFrame({"date": day[[2, 2, 0]], "symbol": [A, B, A], "wanted": [500, 100, 100],
                            "done": [200, 0, 0], "reason": ["CASH", "CASH", "SUSPENDED"]})  # fmt: skip
    fills = pd.DataFrame({"date": day[[1]], "symbol": [A], "price": [10.0]})
    none = pd.DataFrame({"date": day[:0], "symbol": pd.Series([], dtype="str"), "price": []})
    assert refusal_yuan(refused, none, fills) == {"CASH": (3000.0, 1), "SUSPENDED": (0.0, 1)}
    assert refusal_yuan(refused.assign(price=2.0), none, fills)["CASH"] == (800.0, 0)


def test_the_heat_map_is_blue_above_zero_orange_below_and_empty_without_a_month() -> None:
    up, down = heat(0.05, 0.1).colour, heat(-0.05, 0.1).colour
    assert int(up[5:], 16) > int(up[1:3], 16) and int(down[1:3], 16) > int(down[5:], 16)
    assert heat(0.5, 0.1).colour == heat(0.1, 0.1).colour
    assert heat(None, 0.1).text == "" and heat(-0.00001, 0.1).text == "0.0%"


def test_what_became_of_an_order_is_said_by_its_last_refusal_and_cuts_stand_alone() -> None:
    rows = [
        (1, "SUSPENDED", 1000, 0, "changed"),  # waits, then at its limit, then sold after all
        (1, "LIMIT_DOWN", 1000, 1000, "done"),
        (2, "CASH", 500, 300, "cut"),  # 200 shares lost, the rest traded
        (3, "CASH", 400, 100, "changed"),  # 100 of 400 traded, 300 then given up while suspended
        (3, "SUSPENDED", 300, 0, "cancelled"),
        (4, "LIMIT_UP", 700, 0, "pending"),
    ]
    frame = pd.DataFrame(rows, columns=["order_id", "reason", "wanted", "done", "outcome"])
    fates = refusal_fates(frame)
    assert fates["fate"].tolist() == ["later", "later", "cut", "never", "never", "never"]
    assert fates["missing"].tolist() == [0, 0, 200, 0, 300, 700]
    frame = frame.assign(date=pd.Timestamp("2020-01-06"), symbol=A, price=2.0)
    shown = refusals({}, frame, frame[:0], frame[:0])
    assert shown is not None
    assert texts(shown) == [
        ["CASH", "0", "1", "1", "200", "400"],
        ["SUSPENDED", "1", "0", "1", "300", "600"],
        ["LIMIT_DOWN", "1", "0", "0", "0", "0"],
        ["LIMIT_UP", "0", "0", "1", "700", "1,400"],
    ]


def test_fee_rules_stand_in_a_fixed_order_without_blank_columns() -> None:
    row = {"base": "value", "board": "", "confidence": "H", "exchange": "SH", "flagged": False, "from": "2015-08-01",
           "inside": "", "kind": "transfer_fee", "line": 7, "minimum": "", "rate": "0.00002", "side": "",
           "source": "a notice", "to": ""}  # fmt: skip
    shown = fee_rules([row, row | {"side": "sell", "exchange": ""}])
    assert shown is not None
    assert shown.head == ["Kind", "Exchange", "Side", "Rate", "Base", "From", "Confidence", "Source"]
    assert texts(shown) == [
        ["transfer fee", "SH", "both", "0.002%", "value", "2015-08-01", "H", "a notice"],
        ["transfer fee", "all", "sell", "0.002%", "value", "2015-08-01", "H", "a notice"],
    ]
    assert fee_rules([]) is None and "H, by a primary body" in shown.note


@pytest.mark.parametrize("coverage", [0.826, None])
def test_coverage_is_a_share_or_unknown(coverage: float | None) -> None:
    shown = data_facts({"coverage": coverage, "data": {"source": "tables", "fingerprint": "ab"}})
    assert shown is not None
    assert (["Universe memberships with bars", "82.6%"] in texts(shown)) is (coverage is not None)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("synthetic", "embedded synthetic market"),
        ("synthetic:stocks=40,seed=2", "embedded synthetic market (stocks=40, seed=2)"),
        ("synthetic_copy", "synthetic_copy"),
        ("tables", "tables"),
    ],
)
def test_the_data_are_named_as_the_configuration_names_them(source: str, text: str) -> None:
    result = {"data": {"source": source}}
    assert data_text(result) == text and is_synthetic(result) is text.startswith("embedded")
    assert data_text({"data": "abc"}) == data_text({}) == ""


def test_facts_that_are_missing_are_left_out() -> None:
    assert account_facts({}) == []
    assert account_facts({"cash": 1e6, "fill": "next_open", "slippage_text": "no slippage", "cash_rate": 0.015}) == [
        "Cash 1,000,000 yuan", "Fill next open", "no slippage", "Cash earns 1.50% a year",
    ]  # fmt: skip


def test_the_two_excess_returns_are_told_apart() -> None:
    head = {"excess_total_return": 0.21, "years": 2.0, "excess_annual_return": 0.12, "turnover": 3.0}
    assert excess_ratio_rate(head) == pytest.approx(0.1)  # 1.1 squared is 1.21
    assert excess_ratio_rate({"excess_total_return": 0.21}) is None
    rows = dict(headline_rows({"headline": head, "benchmark": {"code": "000905"}}))
    assert rows["Excess a year (difference)"] == "+12.00%" and rows["Excess a year (ratio)"] == "+10.00%"
    assert rows["Excess of net values"] == "+21.00% (ratio - 1)"
    assert rows["Turnover a year"] == "3.00 times (buys + sells), one-sided 1.50"
    assert max(map(len, rows)) <= 28


def book(value: list[float], benchmark: list[float]) -> pd.DataFrame:
    days = pd.bdate_range("2020-01-30", periods=len(value))
    return pd.DataFrame({"date": days, "value": value, "cash": [value[0], *[1.0] * (len(value) - 1)],
                         "benchmark": benchmark})  # fmt: skip


def test_the_map_of_excess_returns_has_a_scale_of_its_own() -> None:
    equity = book([100.0, 100.0, 104.0], [50.0, 50.0, 50.0])  # the third day is in February
    own, excess = monthly(equity, excess=False), monthly(equity, excess=True)
    assert own is not None and excess is not None and own.head[-1] == "Total"
    assert own.rows[0][2].text == excess.rows[0][2].text == "4.0%"
    assert excess.rows[0][2].colour == heat(0.1, 0.1).colour != own.rows[0][2].colour


def test_depth_comes_first_among_the_drawdowns() -> None:
    shown = deepest_falls(book([100.0, 50.0, 100.0], [1.0, 1.0, 1.0]))
    assert texts(shown) == [["1", "-50.00%", "1", "1", "2020-01-30", "2020-01-31", "2020-02-03"]]


def test_cash_stands_before_the_stocks_held() -> None:
    equity = book([100.0, 101.0], [1.0, 1.0])
    held = pd.DataFrame({"date": equity["date"].iloc[[1]], "symbol": [A], "shares": [10], "price": [10.0],
                         "value": [100.0]})  # fmt: skip
    assert [row[0] for row in texts(holdings(equity, held, {}))] == ["cash", A]


def test_the_chart_of_cash_leaves_the_base_day_out_and_no_axis_is_fixed() -> None:
    equity = book([100.0, 101.0, 102.0], [1.0, 1.0, 1.0])
    none = pd.DataFrame({"date": equity["date"][:0]})
    cash, lines = tearsheet_charts.cash_share(equity, none), tearsheet_charts.performance(equity, "price")
    assert cash["data"][0]["x"] == ["2020-01-31", "2020-02-03"] and cash["data"][0]["y"][0] == round(1 / 101, 5)
    assert lines["data"][0]["x"][0] == "2020-01-30" and "fixedrange" not in str(lines["layout"])


def test_deposits_are_no_gain_in_any_chart_or_table() -> None:
    equity = book([100.0, 100.0, 180.0], [50.0] * 3).assign(deposit=[0.0, 0.0, 100.0])  # 200 fell to 180
    lines = tearsheet_charts.performance(equity, "price")["data"]
    assert [trace["y"][-1] for trace in lines] == [0.9, 1.0, -0.1, 0.0, -0.1]
    assert yearly(equity).rows[0][1].text == "-10.00%" == deepest_falls(equity).rows[0][1].text
    account = monthly(equity, excess=False)
    assert account is not None and account.rows[0][2].text == "-10.0%"
    none = pd.DataFrame({"date": equity["date"][:0], "symbol": [], "value": []})
    trades = none.assign(shares=[], price=[], side=[])
    assert pyfolio_sheets.inputs(equity, none, trades).returns.tolist() == pytest.approx([0.0, -0.1])


def test_what_was_paid_in_is_said_beside_the_final_value_and_only_then() -> None:
    rows = dict(headline_rows({"attribution": {"deposits": -5_000.0}}))
    assert rows["Taken out during the run"] == "5,000.00 yuan, left out of all returns"
    assert [label for label, _ in headline_rows({"attribution": {"deposits": 7.0}})][1:3] == [
        "Final value", "Paid in during the run",
    ]  # fmt: skip
    assert not [label for label, _ in headline_rows({"attribution": {"deposits": 0.0}}) if "during" in label]


def test_what_refusals_cost_stands_beside_their_reason() -> None:
    frame = pd.DataFrame(
        {"date": pd.Timestamp("2020-01-06"), "symbol": A, "order_id": [1, 2, 3], "wanted": 100, "done": 0,
         "reason": ["LIMIT_UP", "SUSPENDED", "LIMIT_UP"], "price": 2.0, "earned": [-150.0, 30.0, np.nan],
         "outcome": "dropped"},
    )  # fmt: skip
    shown = refusals({}, frame, frame[:0], frame[:0])
    assert shown is not None and shown.head[-1] == "Cost, yuan" and "negative where it helped" in shown.note
    assert [(row[0], row[-1]) for row in texts(shown)] == [("LIMIT_UP", "150"), ("SUSPENDED", "-30")]


def attributed(**yuan: float) -> dict[str, Any]:
    of = dict.fromkeys(("gross", *COSTS, "net", *SOURCES), 0.0) | yuan
    year = {"yuan": of}
    return {"capital": 1_000.0, "yuan": of, "fraction": {name: x / 1_000 for name, x in of.items()}, "deposits": 0.0,
            "years": {"2020": year, "2019": year}}  # fmt: skip


def test_the_way_from_gross_to_net_is_a_table() -> None:
    result = {"attribution": attributed(gross=120.0, refusals=-7.5, commission=20.0, slippage=2.5, net=105.0,
                                        price_gains=127.5)}  # fmt: skip
    went = tearsheet_costs.where_it_went(result)
    assert went is not None
    assert [row for row in texts(went) if row[1] != "0.00"] == [
        ["Gross: all cash invested, no costs", "120.00", "12.00%"],
        ["Refusals (trades missed)", "-7.50", "-0.75%"],
        ["Slippage", "2.50", "0.25%"],
        ["Commission", "20.00", "2.00%"],
        ["Net: what the account gained", "105.00", "10.50%"],
    ]
    assert len(went.rows) == 2 + len(COSTS) and went.rows[0][0].kind == went.rows[-1][0].kind == "strong"
    came = tearsheet_costs.where_it_came_from(result)
    assert came is not None and texts(came)[-2:] == [
        ["Slippage, fees and taxes", "-22.50", "-2.25%"],
        ["Net: what the account gained", "105.00", "10.50%"],
    ]
    years = tearsheet_costs.by_year(result)
    assert years is not None and years.head == ["Year", "Gross", "Refusals", "Slippage", "Commission", "Net"]
    assert texts(years) == [[year, "120", "-8", "2", "20", "105"] for year in ("2019", "2020")]


def test_runs_without_an_attribution_have_no_tables_of_it() -> None:
    made = (tearsheet_costs.where_it_went, tearsheet_costs.where_it_came_from, tearsheet_costs.by_year)
    assert [make({}) for make in made] == [None] * 3


def test_tax_on_dividends_lowers_what_a_stock_contributed() -> None:
    equity = book([100.0, 100.0], [1.0, 1.0])
    fills = pd.DataFrame({"symbol": [A], "side": ["buy"], "shares": [1], "price": [10.0]})
    held = pd.DataFrame({"date": equity["date"].iloc[[1]], "symbol": [A], "value": [10.0]})
    actions = pd.DataFrame({"symbol": [A], "cash": [5.0], "tax": [1.0]})
    assert texts(contributors(fills, actions, equity, held, {})[0])[0][2] == "4"
