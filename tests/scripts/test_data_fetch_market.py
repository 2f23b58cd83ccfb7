"""A whole market fetched, killed, resumed, brought up to date, checked, asked and traded on, all by the scripts.

The source is a synthetic market behind AKShare's functions, so what a fetch writes has an answer: the tables that the
market was drawn with.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from feeds.synthetic_feed import write_synthetic

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
LAUNCH = ROOT / "tests" / "support" / "akshare_market.py"
START = "2018-07-02"
FETCH = ("fetch", "--universe", "csi500", "--start", START, "--no-progress", "--json")


class Done(NamedTuple):
    code: int
    out: str
    err: str


def python(place: Path, *command: object, seconds: float | None = None, **env: str) -> Done:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HUICE"))}
    kept |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"} | env
    words = [sys.executable, *map(str, command)]
    with subprocess.Popen(
        words, env=kept, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
        out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def fetch(place: Path, out: str, log: str, today: str = "2020-06-13", **options: object) -> Done:
    env = {name: str(value) for name, value in options.items() if name.isupper()}
    seconds = options.get("seconds")
    assert seconds is None or isinstance(seconds, float)
    env |= {"SOURCE": str(place / "source"), "TODAY": today, "CALLS": str(place / log)}
    return python(place, LAUNCH, SCRIPTS / "data.py", *FETCH, "--out", out, seconds=seconds, **env)


def calls(place: Path, log: str) -> Counter[str]:
    return Counter((place / log).read_text(encoding="utf-8").splitlines() if (place / log).exists() else [])


def tables(folder: Path) -> dict[str, bytes]:
    files = (*folder.glob("*.parquet"), *folder.glob("daily_bars/*.parquet"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def bars(folder: Path) -> pd.DataFrame:
    rows = pd.concat([pd.read_parquet(path) for path in sorted((folder / "daily_bars").glob("*.parquet"))])
    return rows.astype({"symbol": str}).sort_values(["symbol", "date"], ignore_index=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market, and a folder ``whole`` fetched from it without a break."""
    folder = tmp_path_factory.mktemp("market")
    write_synthetic(folder / "source", stocks=100, seed=3, start="2018-01-02", end="2020-06-30")
    done = fetch(folder, "whole", "whole.log")
    assert done.code == 0, done.err
    return folder


def test_a_fetch_killed_at_a_call_repeats_none_and_ends_with_the_same_bytes(place: Path) -> None:
    whole = calls(place, "whole.log")
    assert sum(whole.values()) > 250 and max(whole.values()) == 1
    for kill in (0, 57, sum(whole.values()) - 3):
        name = f"call-{kill}"
        killed = fetch(place, name, f"{name}.log", KILL=kill)
        assert killed.code == -signal.SIGKILL and sum(calls(place, f"{name}.log").values()) == kill
        assert fetch(place, name, f"{name}.log").code == 0
        assert calls(place, f"{name}.log") == whole
        assert tables(place / name) == tables(place / "whole")


def test_a_fetch_killed_at_any_moment_repeats_at_most_the_call_under_way(place: Path) -> None:
    whole, kills = calls(place, "whole.log"), 0
    for seconds in (1.5, 2.0, 2.5, 3.0, 3.5, 4.0):
        kills += fetch(place, "moments", "moments.log", seconds=seconds).code == -signal.SIGKILL
    assert fetch(place, "moments", "moments.log").code == 0
    mine = calls(place, "moments.log")
    assert set(mine) == set(whole) and kills > 0
    assert sum(mine.values()) - sum(whole.values()) <= kills  # answered, and killed before the answer was kept
    assert tables(place / "moments") == tables(place / "whole")


def restated(place: Path) -> str:
    """A company that has reported the first quarter of 2020."""
    rows = pd.read_parquet(place / "whole" / "fundamentals_quarterly.parquet")
    return str(rows[rows["period_end"] == "2020-03-31"]["symbol"].min())


@pytest.fixture(scope="module")
def later(place: Path) -> Path:
    """The folder ``later``: fetched on 2020-06-13 and again on 2020-06-27, when a report had been restated."""
    assert fetch(place, "later", "first.log").code == 0
    done = fetch(place, "later", "later.log", "2020-06-27", RESTATED=restated(place)[:6])
    assert done.code == 0, done.err
    return place / "later"


def test_an_update_asks_for_new_days_and_gives_the_bars_that_the_market_was_drawn_with(
    place: Path, later: Path
) -> None:
    asked = [json.loads(line) for line in calls(place, "later.log")]
    old = {dict(given)["symbol"] for name, given in map(json.loads, calls(place, "first.log")) if "hist" in name
           and "symbol" in dict(given)}  # fmt: skip
    updates = [dict(given) for name, given in asked if name == "stock_zh_a_hist" and dict(given)["symbol"] in old]
    assert len(updates) > 20
    # The last day that was there is 2020-06-12; the fifteen days before it are asked for again.
    assert {given["start_date"] for given in updates} == {"20200528"}
    assert {given["end_date"] for given in updates} == {"20200624"}
    statements = {dict(given)["symbol"][2:] for name, given in asked if name == "stock_profit_sheet_by_report_em"}
    assert not statements & old
    mine, drawn = bars(later), bars(place / "source")
    drawn = drawn[drawn["symbol"].isin(mine["symbol"]) & drawn["date"].between(START, "2020-06-26")]
    names = ["date", "symbol", "open", "high", "low", "close", "preclose", "volume", "amount", "turnover",
             "total_shares", "float_shares"]  # fmt: skip
    assert len(mine) > 15_000
    pd.testing.assert_frame_equal(mine[names], drawn[names].reset_index(drop=True), check_dtype=False)
    steps = [rows["adj_factor"] / rows.groupby("symbol")["adj_factor"].shift() for rows in (mine, drawn)]
    pd.testing.assert_series_equal(steps[0], steps[1].reset_index(drop=True), rtol=1e-6)


def test_a_restated_report_is_there_twice_with_the_day_on_which_it_was_first_seen(place: Path, later: Path) -> None:
    query = (
        "select first_seen, parent_net_profit from fundamentals_quarterly "
        f"where symbol = '{restated(place)}' and period_end = '2020-03-31' order by first_seen nulls first"
    )
    done = python(later, SCRIPTS / "data.py", "sql", query, "--data", later, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert len(rows) == 2 and rows[0][0] is None and str(rows[1][0]).startswith("2020-06-27")
    assert rows[1][1] == pytest.approx(0.9 * rows[0][1])


def test_the_store_is_sound_and_a_backtest_on_todays_members_warns(place: Path, later: Path) -> None:
    checked = python(place, SCRIPTS / "data.py", "check", "--data", later)
    assert checked.code == 0 and "Nothing is fatal" in checked.out, checked.out
    told = python(place, SCRIPTS / "data.py", "info", "--data", later, "--universe", "csi500-today")
    assert told.code == 0 and "rd_expense" in told.out and "Survivorship" in told.out, told.err
    done = python(
        place, SCRIPTS / "backtest.py", "--data", later, "--universe", "csi500-today", "--start", "2018-10-08",
        "--end", "2020-06-19", "--hold", "10", "--benchmark", "000905",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "Survivorship: universe" in done.out + done.err
    results = list((place / "runs").glob("*/result.json"))
    assert len(results) == 1
    result = json.loads(results[0].read_text(encoding="utf-8"))
    found = json.dumps(result)
    assert '"fingerprint": "' in found and "Survivorship" in found
