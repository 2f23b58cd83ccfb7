"""The client under AKShare: pace, retries, one error, a cache that survives a kill, side effects undone."""

from __future__ import annotations

import datetime as dt
import json
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from akshare_fakes import Fakes, client

from feeds.akshare_client import Client, quiet
from feeds.akshare_http import (
    GIVE_UP_AFTER,
    INTERVALS,
    QUOTES,
    TIMEOUT,
    Polite,
    SourceError,
    deadline,
    site_of,
)
from feeds.akshare_plan import Job, Remaining

HIST = {"symbol": "600000", "period": "daily", "start_date": "20240601", "end_date": "20240630", "adjust": ""}


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def polite(self, **options: Any) -> Polite:
        return Polite(sleep=self.sleep, clock=lambda: self.now, **options)


def response(status: int = 200, body: str = "{}", **headers: str) -> Any:
    return SimpleNamespace(status_code=status, content=body.encode(), text=body, headers=headers)


def ask(polite: Polite, answers: list[Any], url: str = "https://push2his.eastmoney.com/api/x") -> Any:
    """Send one request; the answers come in turn, an exception is raised."""

    def answer() -> Any:
        what = answers.pop(0)
        if isinstance(what, Exception):
            raise what
        return what

    return polite.send(SimpleNamespace(url=url), answer)


def test_requests_to_one_site_keep_their_distance_and_other_sites_do_not_wait() -> None:
    clock = Clock()
    polite = clock.polite()
    for _ in range(3):
        ask(polite, [response()])
    assert len(clock.slept) == 2 and all(s >= INTERVALS["eastmoney.com"] for s in clock.slept)
    before = clock.now
    ask(polite, [response()], "https://www.csindex.com.cn/x")
    assert clock.now == before


def test_hosts_of_one_publisher_are_one_site() -> None:
    assert site_of("https://push2his.eastmoney.com/a") == site_of("https://80.push2.eastmoney.com/b") == QUOTES
    assert site_of("https://datacenter-web.eastmoney.com/a") == site_of("https://datacenter.eastmoney.com") != QUOTES
    assert site_of("https://noteastmoney.com/") == "noteastmoney.com"


TROUBLES = [ConnectionError("reset"), TimeoutError(), response(429), response(503), response(456)]


@pytest.mark.parametrize("trouble", TROUBLES, ids=["reset", "time-out", "429", "503", "456"])
def test_a_passing_trouble_is_asked_again_with_growing_pauses(trouble: Any) -> None:
    clock = Clock()
    assert ask(clock.polite(), [trouble, trouble, response(body="ok")]).text == "ok"
    pauses = [s for s in clock.slept if s >= 2.0]
    assert 2.0 <= pauses[0] <= 3.0 and 4.0 <= pauses[1] <= 6.0


def test_the_jitter_is_the_same_for_the_same_seed_and_differs_for_another() -> None:
    def pauses(seed: int) -> list[float]:
        clock = Clock()
        ask(clock.polite(seed=seed), [TimeoutError(), TimeoutError(), response()])
        return clock.slept

    assert pauses(1) == pauses(1) != pauses(2)


def test_a_site_that_says_how_long_to_wait_is_obeyed_within_reason() -> None:
    clock = Clock()
    ask(clock.polite(), [response(429, **{"Retry-After": "30"}), response()])
    assert max(clock.slept) == 30.0
    clock = Clock()
    ask(clock.polite(), [response(429, **{"Retry-After": "99999"}), response()])
    assert max(clock.slept) == 120.0


def test_a_site_that_never_answers_is_an_error_that_names_it_and_the_body() -> None:
    with pytest.raises(SourceError, match=r"eastmoney.com gave status 403, body of 3 bytes sha256:\w{12} 4 times"):
        ask(Clock().polite(), [response(403, "no!")] * 4)
    clock = Clock()
    with pytest.raises(SourceError, match="status 404"):
        ask(clock.polite(), [response(404)])  # asking again would not help
    assert clock.slept == []


def test_a_body_that_akshare_would_evaluate_must_be_plain_json() -> None:
    url = "https://finance.sina.com.cn/realstock/company/sh600000/hfq.js"
    good = 'var f={"total":1,"data":[{"d":"1900-01-01","f":"1.0"}]}\n/* x */'
    assert ask(Clock().polite(), [response(body=good)], url).text == good
    for evil in ("var f=__import__('os').system('id')\n", 'var f={"a":"=__import__(1)"}\n', "<html>"):
        with pytest.raises(SourceError, match="not evaluated"):
            ask(Clock().polite(), [response(body=evil)], url)


def test_a_site_that_fails_again_and_again_is_left_alone(tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.broken["stock_value_em"] = ConnectionError("reset")
    mine = client(tmp_path, fakes)
    for _ in range(GIVE_UP_AFTER):
        with pytest.raises(SourceError):
            mine.frame("stock_value_em", {"symbol": "600000"})
    asked = len(fakes.calls)
    with pytest.raises(SourceError, match="left alone"):
        mine.frame("stock_zh_a_gbjg_em", {"symbol": "600000.SH"})
    assert len(fakes.calls) == asked
    assert len(mine.frame("stock_zh_index_daily", {"symbol": "sh000300"}))  # another site
    assert len(mine.frame("stock_zh_a_hist", HIST))  # another part of the same publisher


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (KeyError("data"), "another shape"),
        (TypeError("'NoneType' object is not subscriptable"), "another shape"),
        (IndexError("list index out of range"), "another shape"),
        (ValueError("Length mismatch: Expected axis has 45 elements"), "more or fewer fields"),
        (ValueError("Excel file format cannot be determined"), "no Excel file"),
        (ConnectionError("reset by peer"), "reset by peer"),
        (RuntimeError("whatever"), "RuntimeError: whatever"),
        (lambda frame: frame.iloc[:0], "no rows"),
        (lambda frame: frame.rename(columns={"总股本": "总股本(股)"}), "no column '总股本'"),
        (lambda frame: "a string", "str instead of a table"),
        (lambda frame: frame.assign(总股本="n/a"), "not a number"),
    ],
)
def test_whatever_goes_wrong_is_one_error_that_names_function_symbol_and_what_to_do(
    tmp_path: Path, trouble: Any, says: str
) -> None:
    fakes = Fakes()
    fakes.broken["stock_zh_a_gbjg_em"] = trouble
    with pytest.raises(SourceError) as caught:
        client(tmp_path, fakes).frame("stock_zh_a_gbjg_em", {"symbol": "600000.SH"})
    sentence = str(caught.value)
    assert sentence.startswith("stock_zh_a_gbjg_em(600000.SH) could not be had: ") and says in sentence
    assert sentence.endswith("what is done is kept")
    assert caught.value.function == "stock_zh_a_gbjg_em"
    assert not list(tmp_path.rglob("*.parquet"))  # nothing wrong is kept


def test_a_function_that_this_akshare_lacks_is_the_same_error(tmp_path: Path) -> None:
    mine = Client(tmp_path, today=dt.date(2024, 6, 22), functions=SimpleNamespace(), polite=Clock().polite())
    with pytest.raises(SourceError, match="has no function stock_value_em"):
        mine.frame("stock_value_em", {"symbol": "600000"})


def test_a_frame_is_kept_with_where_when_and_how_much(tmp_path: Path) -> None:
    mine = client(tmp_path, Fakes())
    mine.frame("stock_value_em", {"symbol": "600000"})
    record = json.loads(next((tmp_path / "raw" / "stock_value_em").glob("*.json")).read_text())
    assert record["source"] == "akshare.stock_value_em" and record["arguments"] == {"symbol": "600000"}
    assert record["day"] == record["checked"] == "2024-06-22" and record["rows"] == 14
    assert record["time"] == "2024-06-22T00:00:00+00:00" and len(record["sha256"]) == 64


def test_an_answer_that_has_not_changed_keeps_the_day_it_was_first_seen(tmp_path: Path) -> None:
    old, new = client(tmp_path, Fakes("2024-06-22")), client(tmp_path, Fakes("2024-08-22"))
    old.frame("stock_zh_a_gbjg_em", {"symbol": "600000.SH"})
    new.frame("stock_zh_a_gbjg_em", {"symbol": "600000.SH"})
    records = client(tmp_path, Fakes("2024-08-22")).cache.records("stock_zh_a_gbjg_em", {"symbol": "600000.SH"})
    assert [(str(r.day), str(r.checked)) for r in records] == [("2024-06-22", "2024-08-22")]


def test_a_frame_is_asked_for_again_when_it_is_too_old(tmp_path: Path) -> None:
    for today, asked in (("2024-06-22", 1), ("2024-07-21", 0), ("2024-07-22", 1)):  # capital is good for 30 days
        fakes = Fakes(today)
        client(tmp_path, fakes).frame("stock_zh_a_gbjg_em", {"symbol": "600000.SH"})
        assert len(fakes.calls) == asked


def test_what_akshare_does_to_filters_options_and_the_terminal_is_undone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes = Fakes()

    def careless(frame: pd.DataFrame) -> pd.DataFrame:
        warnings.simplefilter("error")
        pd.set_option("display.max_rows", 7)
        print("股票数据不存在")
        warnings.filterwarnings("ignore", category=FutureWarning)
        return frame

    fakes.broken["stock_value_em"] = careless
    filters, rows = list(warnings.filters), pd.get_option("display.max_rows")
    client(tmp_path, fakes).frame("stock_value_em", {"symbol": "600000"})
    assert warnings.filters == filters and pd.get_option("display.max_rows") == rows
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ZeroDivisionError), quiet():
        pd.set_option("display.max_rows", 7)
        raise ZeroDivisionError
    assert pd.get_option("display.max_rows") == rows


def test_an_update_goes_on_where_the_days_end_and_fills_what_lies_before(tmp_path: Path) -> None:
    mine = client(tmp_path, Fakes())
    given = {"symbol": "600000", "period": "daily", "adjust": ""}
    day = dt.date

    def missing(first: dt.date, last: dt.date) -> Any:
        return mine.missing("stock_zh_a_hist", first, last, given)

    assert missing(day(2024, 6, 3), day(2024, 6, 14)) == (day(2024, 6, 3), day(2024, 6, 14))
    mine.update("stock_zh_a_hist", day(2024, 6, 3), day(2024, 6, 14), given)
    assert missing(day(2024, 6, 3), day(2024, 6, 14)) is None
    assert missing(day(2024, 6, 5), day(2024, 6, 13)) is None
    assert missing(day(2024, 6, 3), day(2024, 7, 31)) == (day(2024, 6, 3), day(2024, 7, 31))  # 15 days before the 14th
    assert missing(day(2024, 5, 1), day(2024, 6, 14)) == (day(2024, 5, 1), day(2024, 6, 14))


def test_the_remaining_time_learns_from_what_the_calls_took(tmp_path: Path) -> None:
    jobs = [Job("t", "stock_value_em", str(k), lambda: None, lambda: False) for k in range(10)]
    remaining = Remaining(client(tmp_path, Fakes()), jobs)
    pace = INTERVALS["eastmoney.com"] * 1.15
    assert remaining.seconds() == pytest.approx(10 * pace)
    for _ in range(5):
        remaining.took("stock_value_em", 6.0)
    assert remaining.seconds() == pytest.approx(5 * (5 * 6.0 + pace) / 6)


def test_every_request_has_a_time_out_and_goes_through_the_pace(tmp_path: Path) -> None:
    requests = pytest.importorskip("requests", reason="requests is not installed (it comes with AKShare)")
    seen: list[Any] = []

    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc, name-defined]
        def send(self, request: Any, **options: Any) -> Any:
            seen.append(options["timeout"])
            answer = requests.Response()
            answer.status_code, answer.url, answer.request, answer._content = 200, request.url, request, b"{}"
            return answer

    clock = Clock()
    polite = clock.polite()
    original = requests.sessions.Session.send
    with polite.requests(), requests.Session() as session:
        session.mount("https://", Adapter())
        session.get("https://push2.eastmoney.com/a")
        session.get("https://push2.eastmoney.com/b", timeout=3)
    assert seen == [TIMEOUT, 3] and polite.sent == 2 and len(clock.slept) == 1
    assert requests.sessions.Session.send is original


def test_a_request_whose_bytes_trickle_in_for_ever_ends_at_the_deadline_and_is_asked_again() -> None:
    def trickle() -> Any:
        with deadline(0.05):
            for _ in range(200):
                time.sleep(0.01)  # each byte in time, all of them never
        return response()

    answers = [trickle, lambda: response(body="ok")]
    request = SimpleNamespace(url="https://push2.eastmoney.com/a")
    clock = Clock()
    assert clock.polite().send(request, lambda: answers.pop(0)()).text == "ok"
    assert max(clock.slept) >= 2.0
    time.sleep(0.06)  # the alarm is off


def test_a_block_of_statements_without_data_is_an_error_and_not_the_end() -> None:
    url = "https://emweb.securities.eastmoney.com/PC_HSF10/NewFinanceAnalysis/lrbAjaxNew?code=SZ000001"
    good = '{"data":[{"REPORT_DATE":"2024-03-31"}]}'
    assert ask(Clock().polite(), [response(body=good)], url).text == good
    for bad in ('{"status":-1}', '{"data":null}', '{"data":[]}', "[]"):
        with pytest.raises(SourceError, match="left out a block of statements"):
            ask(Clock().polite(), [response(body=bad)], url)
