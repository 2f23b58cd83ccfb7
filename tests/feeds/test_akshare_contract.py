"""AKShare itself on replayed bodies: every function that is used, healthy and in each form in which a source fails.

No network: ``responses`` answers in place of the sources, from ``tests/support/akshare_replay.py``. Sina's bodies
come through a stand-in for its JavaScript decoder; everything else runs as installed.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

akshare = pytest.importorskip("akshare", reason="AKShare is not installed: pip install -r locks/akshare-py311.txt")
pytest.importorskip("responses", reason="responses is not installed: pip install responses")

import py_mini_racer  # noqa: E402
from akshare_replay import SESSIONS, Decoder, Replay  # noqa: E402

from feeds.akshare_client import _OPTIONS, Client  # noqa: E402
from feeds.akshare_feed import Summary, fetch  # noqa: E402
from feeds.akshare_http import Polite, SourceError  # noqa: E402
from feeds.akshare_routes import ROUTES  # noqa: E402

SPAN = {"start_date": "20240601", "end_date": "20240630"}
DASHED = {"start_date": "2024-06-01", "end_date": "2024-06-30"}
QUARTER = {"date": "20240331"}

CALLS: dict[str, tuple[dict[str, str], int, dict[str, Any]]] = {
    "stock_zh_a_hist": ({"symbol": "600000", "period": "daily", "adjust": "", **SPAN}, 14,
                        {"volume": 101_300.0, "amount": 1_013_000.0}),
    "stock_zh_a_daily": ({"symbol": "sh600000", "adjust": "", **SPAN}, 14,
                         {"volume": 101_300.0, "float_shares": 1e7, "turnover": 1.013}),
    "stock_zh_a_hist_tx": ({"symbol": "sh600000", "adjust": "", **DASHED}, 14,
                           {"volume": 101_300.0, "amount": 1_013_000.0}),
    "index_zh_a_hist": ({"symbol": "000300", "period": "daily", **SPAN}, 14, {"close": 3014.0, "volume": 1e5}),
    "stock_zh_index_daily": ({"symbol": "sh000300"}, 14, {"close": 3014.0}),
    "stock_zh_index_hist_csindex": ({"symbol": "H00300", **SPAN}, 14, {"close": 5013.0, "volume": 1e8, "amount": 5e9}),
    "tool_trade_date_hist_sina": ({}, 15, {"date": pd.Timestamp("2024-06-21")}),
    "index_stock_cons_csindex": ({"symbol": "000300"}, 2, {"symbol": "000001.SZ", "as_of": pd.Timestamp("2024-06-20")}),
    "index_stock_cons": ({"symbol": "000300"}, 2, {"symbol": "000001.SZ", "in_date": pd.Timestamp("2008-01-02")}),
    "index_detail_hist_adjust_cni": ({"symbol": "399006"}, 2, {"in_date": pd.Timestamp("2010-06-01")}),
    "stock_info_sh_name_code": ({"symbol": "主板A股"}, 1, {"symbol": "600000.SH", "name": "浦发银行"}),
    "stock_info_sz_name_code": ({"symbol": "A股列表"}, 11, {"list_date": pd.Timestamp("1991-04-03")}),
    "stock_info_sh_delist": ({"symbol": "全部"}, 1, {"delist_date": pd.Timestamp("2009-12-29")}),
    "stock_info_sz_delist": ({"symbol": "终止上市公司"}, 1, {"delist_date": pd.Timestamp("2002-06-14")}),
    "stock_info_sz_change_name": ({"symbol": "简称变更"}, 1, {"before": "深发展A", "name": "平安银行"}),
    "stock_info_change_name": ({"symbol": "600000"}, 2, {"name": "G浦发"}),
    "stock_info_bj_name_code": ({}, 1, {"symbol": "920001.BJ", "name": "北证一号"}),
    "stock_tfp_em": ({"date": "20240607"}, 1, {"symbol": "000001.SZ", "reason": "重大事项"}),
    "stock_profit_sheet_by_report_em": ({"symbol": "SZ000001"}, 2, {"rd_expense": 5e7 + 1, "net_profit": 2.5e8}),
    "stock_profit_sheet_by_report_delisted_em": ({"symbol": "SZ000001"}, 2, {"rd_expense": 5e7 + 1}),
    "stock_cash_flow_sheet_by_report_em": ({"symbol": "BJ920001"}, 1, {"net_cash_flow": 2e8}),
    "stock_zcfz_bj_em": (QUARTER, 1, {"symbol": "920001.BJ", "leverage": 0.6}),
    "stock_zh_a_st_em": ({}, 1, {"symbol": "600002.SH", "name": "ST齐鲁"}),
    "stock_lrb_em": (QUARTER, 2,
                     {"parent_net_profit": 4e8, "total_revenue": 2e9, "revenue_yoy": 0.05, "operating_profit": 6e8}),
    "stock_zcfz_em": (QUARTER, 2,
                      {"total_assets": 2e10, "total_liabilities": 1.2e10, "total_equity": 8e9, "leverage": 0.6}),
    "stock_xjll_em": (QUARTER, 2, {"net_cash_flow": 4e8, "operating_cash_flow": 1e9, "investing_cash_flow": -4e8}),
    "stock_yjbb_em": (QUARTER, 2, {"eps": 0.5, "roe": 0.045, "gross_margin": 0.355, "bvps": 8.0}),
    "stock_yysj_em": ({"symbol": "沪深A股", **QUARTER}, 2, {}),
    "stock_fhps_em": (QUARTER, 1, {"cash": 0.3, "bonus_ratio": 0.1, "ex_date": pd.Timestamp("2024-06-12")}),
    "stock_dividend_cninfo": ({"symbol": "600000"}, 1,
                              {"cash": 0.3, "bonus_ratio": 0.1, "pay_date": pd.Timestamp("2024-06-13")}),
    "stock_history_dividend_detail": ({"symbol": "600000", "indicator": "分红", "date": ""}, 1,
                                      {"cash": 0.3, "state": "实施"}),
    "stock_allotment_cninfo": ({"symbol": "600000", "start_date": "19900101", "end_date": "22220222"}, 0, {}),
    "stock_zh_a_gbjg_em": ({"symbol": "600000.SH"}, 2, {"total_shares": 2e7, "float_shares": 1e7}),
    "stock_share_change_cninfo": ({"symbol": "600000", "start_date": "19900101", "end_date": "20241231"}, 1,
                                  {"total_shares": 2e7, "float_shares": 1e7}),
    "stock_value_em": ({"symbol": "600000"}, 14, {"pe_ttm": 8.5, "pb_mrq": 0.9, "ps_ttm": 1.2, "pcf_ocf_ttm": 4.0}),
    "stock_industry_clf_hist_sw": ({}, 2, {"sw_code": "480101", "start_date": pd.Timestamp("2014-02-21")}),
    "bond_zh_us_rate": ({"start_date": "20240601"}, 14, {"yield_pct": 2.3}),
}  # fmt: skip
"""Arguments, rows, and values of the last row in the store's units, for every route."""

FORMS: dict[str, Any] = {
    "block page": (200, "<html><body>访问过于频繁，请稍后再试</body></html>"),
    "status 403": (403, "<html>Forbidden</html>"),
    "status 456": (456, "拒绝访问"),
    "status 429": (429, '{"code":429,"message":"too many requests"}'),
    "other JSON": (200, '{"rc":102,"message":"error"}'),
    "null data": (200, '{"data":null,"result":null,"records":null}'),
    "empty body": (200, ""),
    "connection cut": ConnectionError("Connection aborted"),
}

SILENT = {
    ("stock_zh_a_hist", "null data"),  # what Eastmoney says of a code it does not know: fetch_bars refuses it
    ("stock_allotment_cninfo", "null data"),  # what cninfo says of a company without rights issues
}
"""Where an answer without rows cannot be told from a failure at this level."""


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waiting, and Sina's decoder replaced."""
    monkeypatch.setattr(py_mini_racer, "MiniRacer", Decoder)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    yield


def new_client(folder: Path, today: dt.date = dt.date(2024, 6, 22)) -> Client:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    moment = dt.datetime(2024, 6, 22, tzinfo=dt.UTC)
    polite = Polite(sleep=sleep, clock=lambda: now[0])
    return Client(folder, today=today, functions=akshare, polite=polite, now=lambda: moment)


def test_every_route_has_a_contract() -> None:
    assert set(CALLS) == set(ROUTES)


@pytest.mark.parametrize("function", CALLS)
def test_a_healthy_body_becomes_a_frame_in_the_stores_units(function: str, tmp_path: Path) -> None:
    given, rows, values = CALLS[function]
    with Replay() as replay:
        frame = new_client(tmp_path).frame(function, given)
    assert len(frame) == rows and sum(replay.asked.values()) >= 1
    if values:
        last = frame.iloc[-1]
        assert {name: last[name] for name in values} == pytest.approx(values) if all(
            isinstance(v, float) for v in values.values()
        ) else {name: last[name] for name in values} == values


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("function", CALLS)
def test_every_failing_form_is_one_error_that_names_the_function(function: str, form: str, tmp_path: Path) -> None:
    what = FORMS[form]
    if isinstance(what, Exception):
        import requests

        what = requests.exceptions.ConnectionError(str(what))
    with Replay() as replay:
        replay.broken[""] = what
        if (function, form) in SILENT:
            assert len(new_client(tmp_path).frame(function, CALLS[function][0])) == 0
            return
        with pytest.raises(SourceError, match=rf"^{function}\(.*could not be had: ") as caught:
            new_client(tmp_path).frame(function, CALLS[function][0])
    assert caught.value.function == function
    assert not list(tmp_path.rglob("*.parquet"))


POSITIONAL = [name for name, route in ROUTES.items() if route.positional and CALLS[name][1]]


@pytest.mark.parametrize("function", POSITIONAL)
def test_a_field_more_upstream_is_an_error_and_not_a_shifted_column(function: str, tmp_path: Path) -> None:
    with Replay() as replay:
        replay.broken[""] = lambda body: body.replace('"F0":', '"NEW": 1, "F0":')
        with pytest.raises(SourceError, match="more or fewer fields"):
            new_client(tmp_path).frame(function, CALLS[function][0])


def test_importing_and_calling_akshare_leaves_filters_and_options_as_they_were(tmp_path: Path) -> None:
    code = (
        "import warnings, pandas; before = list(warnings.filters)\n"
        "from feeds.akshare_client import load_akshare; load_akshare()\n"
        "assert warnings.filters == before, warnings.filters[:3]"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    given = CALLS["stock_share_change_cninfo"][0]
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = pd.get_option("future.no_silent_downcasting")
    with Replay():
        new_client(tmp_path).frame("stock_share_change_cninfo", given)  # sets that option
        new_client(tmp_path).frame("stock_lrb_em", QUARTER)  # changes the filters
    assert warnings.filters == filters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pd.get_option("future.no_silent_downcasting") == before


def test_every_option_of_pandas_that_akshare_sets_is_among_those_put_back() -> None:
    sources = "\n".join(p.read_text(encoding="utf-8") for p in Path(akshare.__file__).parent.rglob("*.py"))
    found = set(re.findall(r"""\bset_option\(\s*["']([a-z_.]+)""", sources))
    found |= set(re.findall(r"\bpd\.options\.([a-z_.]+?)\s*=", sources))
    assert found and found <= set(_OPTIONS)


def test_a_block_of_statements_that_is_left_out_is_an_error_and_nothing_is_kept(tmp_path: Path) -> None:
    with Replay() as replay:
        replay.broken["/lrbAjaxNew"] = (200, '{"status":-1,"message":"busy"}')
        with pytest.raises(SourceError, match="left out a block of statements"):
            new_client(tmp_path).frame("stock_profit_sheet_by_report_em", {"symbol": "SZ000001"})
    assert not list(tmp_path.rglob("*.parquet"))


def run(folder: Path, today: dt.date = dt.date(2024, 6, 22)) -> Summary:
    return fetch(folder, "csi300", dt.date(2024, 6, 3), client=new_client(folder / "raw", today))


def tables(folder: Path) -> dict[str, bytes]:
    files = (*folder.glob("*.parquet"), *folder.glob("daily_bars/*.parquet"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def test_a_whole_fetch_through_akshare_writes_the_tables(tmp_path: Path) -> None:
    with Replay():
        summary = run(tmp_path)
    assert summary.failures == []
    bars = pd.read_parquet(tmp_path / "daily_bars" / "2024.parquet")
    assert len(bars) == 2 * len(SESSIONS) - 1
    levels = pd.read_parquet(tmp_path / "index_daily.parquet")
    assert {"000300", "H00300", "H00905", "H00016"} <= set(levels["index_code"])
    assert summary.figures["compared"]["differ"]["close"] == 0


def test_a_fetch_killed_between_requests_repeats_no_finished_call(tmp_path: Path) -> None:
    with Replay() as whole:
        run(tmp_path / "whole")
    for kill in (4, 17, 41, 70):
        folder = tmp_path / str(kill)
        with Replay() as replay:
            replay.stop_after = kill
            with pytest.raises(KeyboardInterrupt):
                run(folder)
        finished = len(list(folder.rglob("raw/*/*.json")))
        with Replay() as rest:
            run(folder)
        # What was asked before the kill and again after it belongs to the one call that was under way.
        both = set(rest.asked) & set(replay.asked)
        again = [url for url in both if rest.asked[url] + replay.asked[url] > whole.asked[url]]
        assert finished > 0 and sum(rest.asked.values()) < sum(whole.asked.values())
        assert len(again) <= 3
        assert tables(folder) == tables(tmp_path / "whole")


def test_when_eastmoney_blocks_sina_and_tencent_serve_the_bars(tmp_path: Path) -> None:
    with Replay():
        run(tmp_path / "one")
    columns = ["date", "symbol", "open", "high", "low", "close", "volume", "amount"]
    first = pd.read_parquet(tmp_path / "one" / "daily_bars" / "2024.parquet")[columns]
    for name, broken in (("two", ("stock/kline",)), ("three", ("stock/kline", "hisdata_klc2"))):
        with Replay() as replay:
            replay.broken = {part: FORMS["status 403"] for part in broken}
            run(tmp_path / name)
        bars = pd.read_parquet(tmp_path / name / "daily_bars" / "2024.parquet")[columns]
        pd.testing.assert_frame_equal(bars, first)
