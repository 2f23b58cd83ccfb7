"""The fee rows that charged a run's fills, the amounts they charged, and the warnings they deserve."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import market_of, play

from engine.backtest import run
from engine.config import RunConfig
from engine.dated_tables import TABLES
from engine.errors import ConfigError, DataError
from engine.fee_usage import FeeUsage
from engine.fees import FeeSchedule, PaperTwoFees

SH, SZ, BJ = "600000.SH", "000001.SZ", "430047.BJ"


def fills_of(schedule: FeeSchedule, *rows: tuple[str, str, str, int, float]) -> pd.DataFrame:
    """Fills (day, symbol, side, shares, price), each an order of its own, charged by the schedule."""
    made = []
    for day, symbol, side, shares, price in rows:
        charge = schedule.on(np.datetime64(day)).charge(symbol[-2:], side == "buy", round(shares * price * 100), shares)
        made.append((pd.Timestamp(day), symbol, side, shares, price, *(fee / 100 for fee in charge)))
    columns = ["date", "symbol", "side", "shares", "price", "commission", "stamp_duty", "transfer_fee", "other_fees"]
    return pd.DataFrame(made, columns=columns)


def used(schedule: FeeSchedule, *rows: tuple[str, str, str, int, float]) -> FeeUsage:
    return schedule.usage(fills_of(schedule, *rows))


def brief(found: FeeUsage) -> list[tuple[str, str, str, str, int, float]]:
    return [
        (r["kind"], r["exchange"], r["side"], r["from"], r["fills"], r["charged"])
        for r in found.rows if not r["kind"].startswith("commission")
    ]  # fmt: skip


def test_the_rows_are_those_that_charged_fills_with_what_they_charged() -> None:
    found = used(
        FeeSchedule(),
        ("2014-01-06", SH, "buy", 10_000, 10.0),
        ("2014-01-07", SH, "buy", 1_000, 10.0),
        ("2014-01-08", SZ, "sell", 10_000, 10.0),
        ("2016-01-05", SH, "sell", 10_000, 10.0),
    )
    assert brief(found) == [
        ("stamp_duty", "", "buy", "2008-09-19", 2, 0.0),
        ("stamp_duty", "", "sell", "2008-09-19", 2, 200.0),
        ("transfer_fee", "SH", "", "2012-09-01", 2, 6.6),
        ("transfer_fee", "SH SZ", "", "2015-08-01", 1, 2.0),
    ]
    assert all(row["source"] and row["line"] > 1 for row in found.rows)
    held = {row["kind"]: (row["fills"], row["charged"]) for row in found.rows if row["kind"].startswith("commission")}
    assert held == {"commission_cap": (4, 80.0), "commission_floor": (4, 80.0)}  # 3 x 25.00 and the minimum


def test_a_row_below_high_confidence_is_warned_of_only_where_it_charged_a_fill() -> None:
    sure = used(FeeSchedule(), ("2014-01-06", SZ, "buy", 10_000, 10.0), ("2016-01-05", SH, "buy", 10_000, 10.0))
    assert sure.warnings == []  # Shanghai's row of 2012 is in force between them, Shenzhen's is in the commission
    doubtful = used(FeeSchedule(), ("2014-01-06", SH, "buy", 10_000, 10.0), ("2014-01-06", SZ, "buy", 100, 10.0))
    assert doubtful.warnings == [
        "Fee rows of fees.csv below high confidence charged fills: transfer fee SH 2012-09-01 to 2015-07-31 "
        "(confidence M, line 17: 6.00 yuan on 1 fill)."
    ]
    flagged = [row["from"] for row in doubtful.rows if row["flagged"]]
    assert flagged == ["2012-09-01"]


def test_a_doubtful_row_of_the_other_side_does_not_matter() -> None:
    # In Shenzhen in early 1991 the buyer's row is L, the seller's M.
    buy = used(FeeSchedule(transfer_fee=False, commission=0.0035), ("1991-01-07", SZ, "buy", 1_000, 10.0))
    sell = used(FeeSchedule(transfer_fee=False, commission=0.0035), ("1991-01-07", SZ, "sell", 1_000, 10.0))
    assert ["confidence L" in text for text in (*buy.warnings, *sell.warnings)] == [True, False]
    assert "stamp duty SZ sell" in sell.warnings[0] and "confidence M" in sell.warnings[0]


def test_a_component_that_is_switched_off_or_given_a_rate_uses_no_row() -> None:
    off = used(FeeSchedule(transfer_fee=False), ("2014-01-06", SH, "buy", 10_000, 10.0))
    assert [row[0] for row in brief(off)] == ["stamp_duty"] and off.warnings == []
    own = used(PaperTwoFees(), ("2014-01-06", SH, "sell", 10_000, 10.0), ("2014-01-06", SH, "buy", 10_000, 10.0))
    assert brief(own) == [("stamp_duty", "", "sell", "", 1, 100.0)]
    row = next(row for row in own.rows if row["kind"] == "stamp_duty")
    assert (row["rate"], row["minimum"], row["source"]) == ("0.001", "1", "option stamp_duty of the run")
    assert own.warnings == []


def test_what_was_charged_on_top_is_shared_by_the_rates() -> None:
    found = used(FeeSchedule(on_top=True), ("2016-03-01", SH, "buy", 10_000, 10.0))
    assert brief(found)[2:] == [
        ("handling_fee", "SH SZ", "", "2015-08-01", 1, 4.87), ("regulatory_fee", "", "", "2012-01-01", 1, 2.0)
    ]  # fmt: skip


def test_no_fills_use_no_rows() -> None:
    assert used(FeeSchedule()) == FeeUsage([], [])


# -- the commission and the law ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "row", "warning"),
    [
        (
            {"commission": 0.004},
            ("2010-01-05", SZ, "buy", 10_000, 10.0),
            "The commission of 0.4 % is above the legal cap of 0.3 % (line 39 of fees.csv); it was charged as given on "
            "1 fill (SZ, 2010-01-05 to 2010-01-05).",
        ),
        (
            {"commission": 0.00296, "on_top": True},  # 0.296 % + 0.00487 % + 0.002 % = 0.30287 %
            ("2016-01-05", SZ, "buy", 10_000, 10.0),
            "The commission of 0.296 % (with the fees on top 0.30287 %) is above the legal cap of 0.3 % (line 39 of "
            "fees.csv); it was charged as given on 1 fill (SZ, 2016-01-05 to 2016-01-05).",
        ),
        (
            {"commission": 0.00005},  # inside it would be 0.00487 % + 0.002 %
            ("2016-01-05", SZ, "buy", 10_000, 10.0),
            "The commission of 0.005 % is below the handling and regulatory fees that it has to hold, "
            "0.00687 % (line 41 of fees.csv); it was charged as given on 1 fill (SZ, 2016-01-05 to 2016-01-05).",
        ),
        (
            {"minimum": 10.0},
            ("2016-01-05", SZ, "buy", 10_000, 10.0),
            "The minimum commission of 10 yuan per order is above the legal 5 yuan (line 39 of fees.csv); it was "
            "charged as given on 1 fill (SZ, 2016-01-05 to 2016-01-05).",
        ),
        (
            {},  # Beijing's handling fee of 0.05 % did not fit into 0.025 %
            ("2022-06-01", BJ, "buy", 10_000, 10.0),
            "The commission of 0.025 % is below the handling and regulatory fees that it has to hold, "
            "0.052 % (line 41 of fees.csv); it was charged as given on 1 fill (BJ, 2022-06-01 to 2022-06-01).",
        ),
        (
            {"transfer_fee": False},
            ("2002-04-30", SZ, "buy", 10_000, 10.0),
            "The commission of 0.025 % is below the legal floor of 0.35 % (line 40 of fees.csv); it was charged as "
            "given on 1 fill (SZ, 2002-04-30 to 2002-04-30).",
        ),
    ],
)
def test_a_commission_that_breaks_the_rule_of_the_date_is_charged_and_warned_of(
    options: dict[str, Any], row: tuple[str, str, str, int, float], warning: str
) -> None:
    schedule = FeeSchedule(**options)
    found = used(schedule, row)
    assert found.warnings == [warning]
    fills = fills_of(schedule, row)
    assert fills["commission"][0] == max(schedule.minimum, round(schedule.commission * 100_000, 2))


def test_a_rule_that_is_broken_on_several_dates_is_one_warning() -> None:
    rows = [(day, SZ, "buy", 10_000, 10.0) for day in ("2010-01-05", "2012-07-03", "2016-01-05")]
    found = used(FeeSchedule(commission=0.0), *rows, ("2016-01-05", SH, "sell", 10_000, 10.0))
    # 0.0122 % + 0.004 %, 0.0087 % + 0.002 %, 0.00487 % + 0.002 %
    assert found.warnings == [
        "The commission of 0 % is below the handling and regulatory fees that it has to hold, 0.00687 % to 0.0162 % "
        "(line 41 of fees.csv); it was charged as given on 4 fills (SH, SZ, 2010-01-05 to 2016-01-05)."
    ]


@pytest.mark.parametrize(
    ("commission", "day"), [(0.003, "2002-05-08"), (0.0035, "2002-04-30"), (0.0000687, "2016-01-05")]
)
def test_a_commission_on_the_edge_of_the_law_is_lawful(commission: float, day: str) -> None:
    schedule = FeeSchedule(commission=commission, transfer_fee=False)
    assert used(schedule, (day, SZ, "buy", 10_000, 10.0)).warnings == []


def test_the_fees_on_top_are_no_part_of_a_floor_that_they_meet_themselves() -> None:
    schedule = FeeSchedule(commission=0.0, minimum=0.0, on_top=True)
    assert used(schedule, ("2016-01-05", SZ, "buy", 10_000, 10.0)).warnings == []


# -- a table of the user's own ----------------------------------------------------------------------


def own_table(folder: Path, old: str, new: str) -> str:
    path = folder / "my_fees.csv"
    text = (TABLES / "fees.csv").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def test_a_table_of_the_users_own_replaces_ours(tmp_path: Path) -> None:
    old = "sell,2023-08-28,,value,0.0005"
    schedule = FeeSchedule(table=own_table(tmp_path, old, old.replace("0.0005", "0.0002")))
    assert schedule.on(np.datetime64("2024-01-03")).charge("SH", False, 10_000_000, 10_000)[1] == 2_000
    assert schedule.describe().endswith("; rules of my_fees.csv")
    assert schedule.table_digest != FeeSchedule().table_digest


def test_a_bad_row_of_the_users_table_is_refused_with_file_and_line(tmp_path: Path) -> None:
    old = "sell,2023-08-28,,value,0.0005"
    with pytest.raises(DataError, match="my_fees.csv line 14: rate 0.05 looks like a percentage"):
        FeeSchedule(table=own_table(tmp_path, old, old.replace("0.0005", "0.05")))
    with pytest.raises(DataError, match="'nowhere.csv' cannot be read"):
        FeeSchedule(table="nowhere.csv")


def test_fills_for_which_a_table_has_no_row_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    head, *rows = (TABLES / "fees.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(head + "".join(row for row in rows if row.startswith("stamp_duty,,,sell,2023")), encoding="utf-8")
    schedule = FeeSchedule(table=str(path), transfer_fee=False)
    found = used(schedule, ("2022-01-05", SH, "sell", 10_000, 10.0), ("2024-01-03", SH, "sell", 10_000, 10.0))
    assert found.warnings == [
        "No row of short.csv says stamp duty for SH sell from 2022-01-05 to 2022-01-05: nothing was charged on 1 fill."
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("handling_fee,,,,,,fees,1,,,x,H", "base 'fees' means once the handling and regulatory fees"),
        ("commission_floor,,,,,,fees,2,,,x,H", "base 'fees' means once"),
        ("commission_cap,,,,,,face,0.001,,,x,H", "base 'face' does not fit commission_cap"),
        ("commission_cap,,,,,,value,0.003,,commission,x,H", "inside must be blank for commission_cap"),
        ("commission_cap,,,,,,value,0.3,5,,x,H", "rate 0.3 looks like a percentage"),
        ("commission_floor,,,,,,fees,1,5,,x,H", "a commission_floor has no minimum"),
        ("commission_cap,,,,,2002-04-30,value,0.003,5,,x,H", "nothing follows for commission_cap SH sell"),
        ("stamp_duty,,,,,,value,0.001,0.001,,x,H", "minimum 0.001 is no whole number of fen"),
        ("stamp_duty,,,,,,value,0.001,-1,,x,H", "minimum -1 is negative"),
    ],
)
def test_a_malformed_row_is_refused(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "my_fees.csv"
    head = (TABLES / "fees.csv").read_text(encoding="utf-8").splitlines()[0]
    path.write_text(f"{head}\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"my_fees.csv line 2: {message}"):
        FeeSchedule(table=str(path))


def test_a_minimum_in_the_table_holds_for_any_component(tmp_path: Path) -> None:
    old = "sell,2023-08-28,,value,0.0005,"
    schedule = FeeSchedule(table=own_table(tmp_path, old, old + "1"))
    assert schedule.on(np.datetime64("2024-01-03")).charge("SH", False, 100_000, 100)[1] == 100


# -- a run ------------------------------------------------------------------------------------------


SMALL: dict[str, Any] = {
    "data": "synthetic:stocks=40,seed=3", "start": "2012-03-01", "end": "2012-08-31", "strategy": {"hold": 8},
    "cash": 1e6,
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_a_run_stores_the_rows_that_charged_its_fills_and_what_is_doubtful(tmp_path: Path, cache: Path) -> None:
    done = run(RunConfig(**SMALL), out=tmp_path, cache=cache)
    rows, totals = done.result["rules"], done.result["fees"]
    by_kind = {
        kind: round(sum(row["charged"] for row in rows if row["kind"] == kind), 2)
        for kind in ("stamp_duty", "transfer_fee", "commission_cap")
    }
    assert by_kind == {
        "stamp_duty": totals["stamp_duty"], "transfer_fee": totals["transfer_fee"],
        "commission_cap": totals["commission"],
    }  # fmt: skip
    assert [row["to"] for row in rows if row["kind"] == "transfer_fee"] == ["2012-05-31", "2012-08-31"]
    assert any("below high confidence charged fills: transfer fee SH" in text for text in done.result["warnings"])
    clean = run(RunConfig(**SMALL, fees={"transfer_fee": False}), out=tmp_path, cache=cache)
    assert not any("confidence" in text for text in clean.result["warnings"])


def test_the_run_is_repeated_when_the_users_table_changes_under_the_same_name(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "my_fees.csv"
    shutil.copy(TABLES / "fees.csv", path)
    config = RunConfig(**SMALL, fees={"table": str(path)})
    before = run(config, out=tmp_path / "runs", cache=cache)
    assert run(config, out=tmp_path / "runs", cache=cache).reused
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("2008-09-19,2023-08-27,value,0.001", "2008-09-19,2023-08-27,value,0.002"))
    after = run(config, out=tmp_path / "runs", cache=cache)
    assert not after.reused
    assert after.result["fees"]["stamp_duty"] > 1.5 * before.result["fees"]["stamp_duty"]


def test_the_broker_charges_what_the_rows_say_was_charged() -> None:
    market = market_of({SH: [10.0] * 6, SZ: [12.0] * 6}, first_day="2012-05-30")
    script = {
        0: lambda s: [s.buy(data=s.market[x], size=500) for x in (SH, SZ)],
        2: lambda s: [s.sell(data=s.market[x], size=500) for x in (SH, SZ)],
    }
    done = play(market, script, cash=50_000.0)
    found = done.broker.fees.usage(done.broker.ledger.fills_frame())
    assert brief(found) == [
        ("stamp_duty", "", "buy", "2008-09-19", 2, 0.0),
        ("stamp_duty", "", "sell", "2008-09-19", 2, 11.0),
        ("transfer_fee", "SH", "", "", 1, 1.0),  # bought on Thursday 2012-05-31: at least 1 yuan
        ("transfer_fee", "SH", "", "2012-06-01", 1, 0.38),  # 0.375, sold on Monday
    ]


# -- configuration ----------------------------------------------------------------------------------


def test_presets_and_overrides_are_chosen_by_name_and_written_out() -> None:
    config = RunConfig(fees="paper-2").with_overrides(["fees.commission=0.00015", "fees.minimum=0"]).completed()
    assert config.fees.name == "paper-2"
    kept = {key: config.fees.params[key] for key in ("commission", "minimum", "stamp_duty", "stamp_duty_minimum")}
    assert kept == {"commission": 0.00015, "minimum": 0.0, "stamp_duty": 0.001, "stamp_duty_minimum": 1.0}
    assert RunConfig.from_mapping(config.to_mapping()) == config
    for name in ("retail-2024", "fund", "zero", "a-share"):
        assert RunConfig(fees=name).completed().fees.name == name


@pytest.mark.parametrize(
    ("fees", "sentence"),
    [
        ({"name": "retail"}, "unknown fees 'retail'; did you mean 'retail-2024'?"),
        ({"stamp_duty_min": 1.0}, "has no parameter 'stamp_duty_min'; did you mean 'stamp_duty_minimum'?"),
        ({"name": "paper-2", "comission": 1.0}, "'paper-2' has no parameter 'comission'; did you mean 'commission'"),
    ],
)  # fmt: skip
def test_an_unknown_preset_or_option_names_the_nearest(fees: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.replace("?", r"\?")):
        RunConfig(fees=fees).completed()
