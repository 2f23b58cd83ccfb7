"""A small A-share market behind the addresses that AKShare asks: bodies in the shapes of the sources, all made up.

Two stocks, one index, fifteen sessions around a dividend of 600000 on 2024-06-12 (0.30 yuan and one bonus share for
ten). :class:`Replay` answers every request through ``responses`` and counts it; bodies can be swapped for what a
source sends when it blocks, breaks or changes.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd

SESSIONS = [str(d.date()) for d in pd.bdate_range("2024-06-03", "2024-06-21") if str(d.date()) != "2024-06-10"]
CODES = ("600000", "000001")
BEIJING = "920001"
EX_DATE = "2024-06-12"
LISTED = {"600000": "1999-11-10", "000001": "1991-04-03", BEIJING: "2022-11-15"}
NAMES = {"600000": "浦发银行", "000001": "平安银行", BEIJING: "北证一号"}
FLOAT = {"600000": 10_000_000.0, "000001": 5_000_000.0, BEIJING: 2_000_000.0}
HALTED = "2024-06-07"
"""The stock 000001 is suspended on this day."""

Row = tuple[str, float, float, float, float, float, float]


def bars(code: str) -> list[Row]:
    """date, open, close, high, low, lots, yuan of each session; the stock 000001 is suspended on :data:`HALTED`."""
    rows = []
    for k, day in enumerate(SESSIONS):
        if code == "000001" and day == HALTED:
            continue
        close = round(10.0 + 0.1 * k, 2)
        if code == "600000" and day >= EX_DATE:
            close = round((close - 0.3) / 1.1, 2)
        lots = 1000.0 + k
        high, low = round(close + 0.05, 2), round(close - 0.05, 2)
        rows.append((day, close, close, high, low, lots, round(lots * 100 * close)))
    return rows


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


def _kline(code: str, first: str, last: str) -> str:
    lines, before = [], None
    for day, opened, close, high, low, lots, yuan in bars(code):
        if before is not None and code == "600000" and day == EX_DATE:
            before = round((before - 0.3) / 1.1, 2)
        change = round(close - (before if before is not None else close - 0.1), 2)
        before = close
        if first <= day.replace("-", "") <= last:
            lines.append(f"{day},{opened},{close},{high},{low},{lots:.0f},{yuan:.0f},1.0,1.0,{change},"
                         f"{lots * 100 / FLOAT[code] * 100:.4f}")  # fmt: skip
    return _json({"data": {"klines": lines} if lines else None})


def _index_kline() -> str:
    lines = [f"{d},{3000 + k},{3001 + k},{3002 + k},{2999 + k},1000,5000000,1,1,1,1" for k, d in enumerate(SESSIONS)]
    return _json({"data": {"klines": lines}})


def _wide(count: int, values: dict[int, Any]) -> dict[str, Any]:
    """A row of ``count`` fields, those at the given places filled."""
    return {f"F{place}": values.get(place) for place in range(count)}


def _pages(rows: list[dict[str, Any]]) -> str:
    return _json({"result": {"pages": 1, "data": rows}})


def _report(name: str, asked: str) -> str:
    rows = []
    for k, code in enumerate(_asked_codes(asked)):
        scale = 1e9 * (k + 1)
        notice = "2024-04-29 00:00:00"
        at = {
            "RPT_DMSK_FN_INCOME": (46, {1: code, 4: NAMES[code], 12: notice, 14: 0.2 * scale, 15: scale,
                                        16: 0.7 * scale, 18: 0.6 * scale, 24: 0.3 * scale, 25: 0.29 * scale,
                                        41: 5.0, 43: 7.5}),
            "RPT_DMSK_FN_BALANCE": (57, {1: code, 4: NAMES[code], 12: notice, 14: 10 * scale, 16: scale, 18: scale,
                                         20: scale, 22: 6 * scale, 23: scale, 25: scale, 27: 4 * scale, 32: 60.0}),
            "RPT_DMSK_FN_CASHFLOW": (48, {1: code, 4: NAMES[code], 12: notice, 14: 0.5 * scale, 20: -0.2 * scale,
                                          26: -0.1 * scale, 28: 0.2 * scale}),
            "RPT_LICO_FN_CPD": (37, {0: code, 1: NAMES[code], 6: "2024-05-10 00:00:00", 8: 0.5, 10: scale,
                                     11: 0.2 * scale, 12: 4.5, 15: 8.0, 17: 35.5}),
        }[name]  # fmt: skip
        rows.append(_wide(*at))
    return _pages(rows)


def _asked_codes(asked: str) -> tuple[str, ...]:
    return (BEIJING,) if 'TRADE_MARKET_CODE="069001017"' in asked else CODES


def income(code: str) -> list[dict[str, Any]]:
    """Income statements of a company, the newest first; 600000 is a bank, whose form is another one."""
    rows = []
    for k, quarter in enumerate(("2024-03-31", "2023-12-31")):
        row = {"SECUCODE": code, "REPORT_DATE": f"{quarter} 00:00:00", "NOTICE_DATE": "2024-04-29 00:00:00",
               "NETPROFIT": 2.5e8, "PARENT_NETPROFIT": 2e8, "TOTAL_PROFIT": 2.9e8, "OPERATE_PROFIT": 3e8,
               "OPERATE_INCOME": 1e9 + k, "BASIC_EPS": 0.5}  # fmt: skip
        if code != "600000":
            row |= {"TOTAL_OPERATE_INCOME": 1e9, "OPERATE_COST": 6e8, "RESEARCH_EXPENSE": 5e7 + k}
        rows.append(row)
    return rows


def cash_flows() -> list[dict[str, Any]]:
    """Cash flow statements of a company."""
    return [{"REPORT_DATE": "2024-03-31 00:00:00", "NOTICE_DATE": "2024-04-29 00:00:00", "NETCASH_OPERATE": 5e8,
             "NETCASH_INVEST": -2e8, "NETCASH_FINANCE": -1e8, "CCE_ADD": 2e8}]  # fmt: skip


def _company(path: str, query: dict[str, str]) -> str:
    if path.endswith("/Index"):
        return '<html><input id="hidctype" value="4"/></html>'
    rows = cash_flows() if "/xjllb" in path else income(query["code"][2:])
    if "DateAjax" in path:
        return _json({"data": [{"REPORT_DATE": row["REPORT_DATE"]} for row in rows]})
    return _json({"data": [row for row in rows if row["REPORT_DATE"][:10] in query["dates"]]})


def _halts(asked: str) -> str:
    values = {0: "000001", 1: NAMES["000001"], 2: HALTED, 3: HALTED, 4: "停牌1天", 5: "重大事项", 7: HALTED}
    return _pages([_wide(12, values)] * (HALTED in asked)) if HALTED in asked else _json({"result": None})


def _bse() -> str:
    values = {0: "20221115", 38: BEIJING, 40: NAMES[BEIJING]}
    return "null(" + _json([{"totalPages": 1, "content": [_wide(48, values)]}]) + ")"


def _appointments(asked: str) -> str:
    keys = ["SECUCODE", "SECURITY_CODE", "SECURITY_NAME_ABBR", "FIRST_APPOINT_DATE", "FIRST_CHANGE_DATE",
            "SECOND_CHANGE_DATE", "THIRD_CHANGE_DATE", "ACTUAL_PUBLISH_DATE"]  # fmt: skip
    day = "2024-04-27 00:00:00"
    return _pages([dict.fromkeys(keys) | {"SECURITY_CODE": c, "SECURITY_NAME_ABBR": NAMES[c], "FIRST_APPOINT_DATE": day,
                                          "ACTUAL_PUBLISH_DATE": day if c == "600000" else None}
                   for c in _asked_codes(asked)])


def _bonus() -> str:
    values = {1: NAMES["600000"], 4: "600000", 5: 1.0, 6: 1.0, 7: 0.0, 8: 3.0, 9: "2024-04-27", 10: "2024-06-11",
              11: EX_DATE, 13: "实施分配", 15: "2024-06-05"}  # fmt: skip
    return _pages([_wide(30, values)])


def _excel(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_excel(buffer, index=False, engine="openpyxl")
    return buffer.getvalue()


def _cninfo_dividend(code: str) -> str:
    row = {"F006D": "2024-06-05", "F044V": "年度分红", "F011N": 0, "F010N": 1, "F012N": 3, "F018D": "2024-06-11",
           "F020D": EX_DATE, "F023D": "2024-06-13", "F025D": "2024-06-12", "F007V": "10送1派3元", "F001V": "2023年报"}
    empty = dict.fromkeys(row)
    return _json({"records": [row if code == "600000" else empty]})


def _cninfo_shares(code: str) -> str:
    return _json({"records": [{"SECCODE": code, "DECLAREDATE": "2020-01-02", "VARYDATE": "2020-01-03",
                               "F003N": 2 * FLOAT[code] / 1e4, "F022N": FLOAT[code] / 1e4}]})  # fmt: skip


def _capital(code: str) -> str:
    rows = [{"END_DATE": "2020-01-03 00:00:00", "TOTAL_SHARES": 2 * FLOAT[code], "LISTED_A_SHARES": FLOAT[code]}]
    if code == "600000":
        rows.insert(0, {"END_DATE": EX_DATE + " 00:00:00", "TOTAL_SHARES": 22_000_000, "LISTED_A_SHARES": 11_000_000})
    keys = ["FREE_SHARES", "CHANGE_REASON", "LIMITED_A_SHARES", "LIMITED_OTHARS", "LIMITED_DOMESTIC_NOSTATE",
            "LIMITED_DOMESTIC_NATURAL"]  # fmt: skip
    return _pages([dict.fromkeys(keys) | row for row in rows])


def _value(code: str) -> str:
    keys = ["CHANGE_RATE", "TOTAL_MARKET_CAP", "NOTLIMITED_MARKETCAP_A", "PE_LAR", "PEG_CAR"]
    fixed = {"TOTAL_SHARES": 2 * FLOAT[code], "FREE_SHARES_A": FLOAT[code], "PE_TTM": 8.5, "PB_MRQ": 0.9}
    fixed |= {"PCF_OCF_TTM": 4.0, "PS_TTM": 1.2}
    days = [{"TRADE_DATE": day, "CLOSE_PRICE": close} for day, _, close, *_ in bars(code)]
    return _pages([dict.fromkeys(keys) | fixed | day for day in days])


def _sse(kind: str) -> str:
    keys = ["SEC_NAME_FULL", "COMPANY_ABBR", "FULL_NAME"]
    living = {"1": "600000", "8": "688001"}
    if kind == "1,2,8":  # the list of those that left
        return _json({"result": [{"COMPANY_CODE": "600001", "COMPANY_ABBR": "邯郸钢铁", "LIST_DATE": "19980122",
                                  "DELIST_DATE": "20091229"}]})  # fmt: skip
    code = living[kind]
    name, listed = NAMES.get(code, "华兴源创"), LISTED.get(code, "2019-07-22")
    row = {"A_STOCK_CODE": code, "SEC_NAME_CN": name, "LIST_DATE": listed}
    return _json({"result": [dict.fromkeys(keys, "x") | row]})


def _szse(catalog: str, tab: str) -> bytes:
    if catalog == "1110":
        row = {"板块": "主板", "A股代码": "000001", "A股简称": NAMES["000001"], "A股上市日期": "1991-04-03",
               "A股总股本": "19,405,918,198", "A股流通股本": "19,405,600,653", "所属行业": "J 金融业"}
        return _excel([row] * 11)  # a list of up to ten rows is returned as it is
    if catalog == "1793_ssgs":
        dates = {"上市日期": "1991-07-03", "终止上市日期": "2002-06-14"}
        return _excel([{"证券代码": "000003", "证券简称": "PT金田A", **dates}])
    names = {"证券简称": NAMES["000001"], "变更前简称": "深发展A", "变更后简称": NAMES["000001"]}
    return _excel([{"变更日期": "2012-08-02", "证券代码": "000001", **names}])


def _sina_names() -> str:
    table = "<table><tr><td>{}</td><td>{}</td></tr></table>"
    return "".join(table.format("x", k) for k in range(3)) + (
        "<table><tr><td>公司名称：</td><td>上海浦东发展银行</td></tr>"
        "<tr><td>证券简称更名历史：</td><td>浦发银行 G浦发</td></tr></table>"
    )


def _sina_bonus() -> str:
    filler = "".join(f"<table><tr><td>{k}</td><td>x</td></tr></table>" for k in range(12))
    head = "".join(f"<tr>{''.join(f'<th>{line}{k}</th>' for k in range(9))}</tr>" for line in "abc")
    cells = ["2024-06-05", "1", "0", "3", "实施", EX_DATE, "2024-06-11", "--", "查看"]
    row = "".join(f"<td>{c}</td>" for c in cells)
    return filler + f"<table><thead>{head}</thead><tbody><tr>{row}</tr></tbody></table>"


def _sina_members() -> bytes:
    filler = "".join(f"<table>{'<tr><td>x</td></tr>' * 4}</table>" for _ in range(3))
    rows = "".join(f"<tr><td>{c}</td><td>{NAMES[c]}</td><td>2008-01-02</td></tr>" for c in CODES)
    head = "<tr><td>成分股</td><td>-</td><td>-</td></tr><tr><td>品种代码</td><td>品种名称</td><td>纳入日期</td></tr>"
    pager = "<table class='table2'><tr><td><a href='x?page=#&a'>1</a></td></tr></table>"
    return (filler + f"<table>{head}{rows}</table>" + pager).encode("gb2312")


def encoded(rows: Any) -> str:
    """A body of Sina's: what its decoder would give, as plain hexadecimal (see :class:`Decoder`)."""
    return f'var x="{_json(rows).encode().hex()}";'


class Decoder:
    """Stands in for the JavaScript engine: Sina's bodies here are hexadecimal JSON."""

    def eval(self, code: str) -> None:
        del code

    def call(self, name: str, *arguments: str) -> Any:
        return json.loads(bytes.fromhex(arguments[0])) if name == "d" else "token"


def _sina_bars(code: str) -> str:
    return encoded([{"date": d, "open": o, "high": h, "low": lo, "close": c, "volume": v * 100, "amount": a}
                    for d, o, c, h, lo, v, a in bars(code)])  # fmt: skip


def _tencent(code: str, year: str) -> str:
    lots = 1.0
    rows = [[d, str(o), str(c), str(h), str(lo), str(v * lots), {}, "0.10", str(a / 1e4), ""]
            for d, o, c, h, lo, v, a in bars(code) if d[:4] == year]  # fmt: skip
    prefix = ("sh" if code.startswith("6") else "sz") + code
    return f"kline_day{year}=" + _json({"data": {prefix: {"day": rows}}})


def answer(url: str, body: str | None) -> str | bytes:
    """What a healthy source sends for a request."""
    parts = urlsplit(url)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    host, path = parts.hostname or "", parts.path
    report = query.get("reportName", "")
    code = next((c for c in CODES if c in url or c in (body or "")), CODES[0])
    if path.endswith("/stock/kline/get"):
        secid = query["secid"].split(".")
        if secid[1] in CODES and "f116" in query["fields2"]:
            return _kline(secid[1], query["beg"], query["end"])
        return _index_kline()
    if path.endswith("/clist/get"):
        if "f2," in query["fields"]:
            return _json({"data": {"total": 1, "diff": [_st_row()]}})
        return _json({"data": {"total": 1, "diff": [{"f3": 1, "f12": "000300", "f13": 1}]}})
    if report in ("RPT_DMSK_FN_INCOME", "RPT_DMSK_FN_BALANCE", "RPT_DMSK_FN_CASHFLOW", "RPT_LICO_FN_CPD"):
        return _report(report, query["filter"])
    made: dict[str, Callable[[], str]] = {
        "RPT_PUBLIC_BS_APPOIN": lambda: _appointments(query["filter"]),
        "RPT_CUSTOM_SUSPEND_DATA_INTERFACE": lambda: _halts(query["filter"]),
        "RPT_SHAREBONUS_DET": _bonus,
        "RPT_F10_EH_EQUITY": lambda: _capital(code),
        "RPT_VALUEANALYSIS_DET": lambda: _value(code),
    }
    if report in made:
        return made[report]()
    if query.get("type") == "RPTA_WEB_TREASURYYIELD":
        return _yields()
    if "/NewFinanceAnalysis/" in path:
        return _company(path, query)
    if query.get("type") == "RPT_F10_FINANCE_GINCOME":
        return _pages(income(query["filter"].split('"')[1][:6]))
    if host == "www.bse.cn":
        return _bse()
    if host == "query.sse.com.cn":
        return _sse(query["STOCK_TYPE"])
    if host == "www.szse.cn":
        return _szse(query["CATALOGID"], query["TABKEY"])
    if path.endswith("cons.xls"):
        return _excel([{"a": 20240620, "b": path[-14:-8], "c": "x", "d": "x", "e": c, "f": NAMES[c], "g": "x", "h": "x",
                        "i": "x"} for c in CODES])  # fmt: skip
    if path.endswith("/index-perf"):
        return _json({"data": [_csindex_row(d, query["indexCode"], k) for k, d in enumerate(SESSIONS)]})
    if path.endswith("/download-adjustment"):
        span = {"开始日期": "2010-06-01", "结束日期": None, "所属行业": "x", "调整类型": "x"}
        return _excel([span | {"样本代码": c, "样本简称": NAMES[c]} for c in CODES])
    if path.endswith("p_sysapi1139"):
        return _cninfo_dividend(code)
    if path.endswith("p_stock2215"):
        return _cninfo_shares(code)
    if path.endswith("p_stock2232"):
        return _json({"records": []})
    if path.endswith("klc_td_sh.txt"):
        return encoded([{"date": d} for d in SESSIONS])
    if path.endswith("klc_kl.js"):
        if "000300" in path:
            return encoded([{"date": d, "open": 3000 + k, "high": 3002 + k, "low": 2999 + k, "close": 3001 + k,
                             "volume": 1e5} for k, d in enumerate(SESSIONS)])  # fmt: skip
        return _sina_bars(code)
    if "hfq.js" in path:
        steps = [{"d": EX_DATE, "f": "1.1327"}, {"d": "1900-01-01", "f": "1.0"}]  # 10.50 / 9.27
        return "var f=" + _json({"total": 2, "data": steps[code == "000001" :]}) + "\n"
    if host == "stock.finance.sina.com.cn":
        return f'x([{{date:"1999-01-01",amount:"{FLOAT[code] / 1e4}"}}])'
    if "vCI_CorpInfo" in path:
        return _sina_names()
    if "vISSUE_ShareBonus" in path:
        return _sina_bonus()
    if "vII_NewestComponent" in path:
        return _sina_members()
    if path.endswith("StockClassifyUse_stock.xls"):
        dates = {"计入日期": "2014-02-21", "更新日期": "2021-07-30"}
        return _excel([{"股票代码": c, "行业代码": "480101"} | dates for c in CODES])
    if path.endswith("/weekTrends"):
        return 'trend_qfq={"data":[["1999-11-10","1"]]}'
    if "qq.com" in host:
        prefix = query["param"].split(",")[0]
        if query["param"].split(",")[1] == "day":
            return _tencent(prefix[2:], query["param"].split(",")[2][:4])
        raise AssertionError(url)
    raise AssertionError(f"no answer for {url}")


def _st_row() -> dict[str, Any]:
    names = ["f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16", "f17",
             "f18", "f20", "f21", "f23", "f22", "f24", "f25", "f62", "f115", "f128", "f136", "f152", "f140", "f141"]
    return dict.fromkeys(names, 1.0) | {"f12": "600002", "f14": "ST齐鲁"}


def _csindex_row(day: str, code: str, k: int) -> dict[str, Any]:
    names = ["tradeDate", "indexCode", "a", "b", "c", "d", "open", "high", "low", "close", "change", "changePct",
             "tradingVol", "tradingValue", "consNumber", "peg"]  # fmt: skip
    values = {"tradeDate": day.replace("-", ""), "indexCode": code, "close": 5000.0 + k, "tradingVol": 100.0,
              "tradingValue": 50.0}  # fmt: skip
    return dict.fromkeys(names) | values


def _yields() -> str:
    keys = ["EMM00166462", "EMM00166469", "EMM00588704", "EMM01276014", "EMG00001306", "EMG00001308", "EMG00001310",
            "EMG00001312", "EMG01339436", "EMM00000024", "EMG00159635"]  # fmt: skip
    rows = [dict.fromkeys(keys, 1.0) | {"SOLAR_DATE": d, "EMM00166466": 2.3} for d in reversed(SESSIONS)]
    return _json({"result": {"pages": 1, "data": rows}})


def _utf8(url: str) -> dict[str, str]:
    return {"Content-Type": f"text/plain; charset={'gb2312' if 'vII_NewestComponent' in url else 'utf-8'}"}


class Replay:
    """Answers every request inside a ``with``; ``broken`` says for which part of an address something else is sent.

    Attributes
    ----------
    asked : Counter
        Requests by address (with its query), without what changes from call to call.
    broken : dict
        By part of an address: (status, body), an exception, or a function of the healthy body.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.order: list[str] = []
        self.broken: dict[str, Any] = {}
        self.stop_after: int | None = None

    def __enter__(self) -> Replay:
        import responses

        self._mock = responses.RequestsMock(assert_all_requests_are_fired=False)
        self._mock.start()
        import re

        for method in (responses.GET, responses.POST):
            self._mock.add_callback(method, re.compile(".*"), callback=self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        self._mock.stop(allow_assert=False)
        self._mock.reset()

    def _answer(self, request: Any) -> tuple[int, dict[str, str], Any]:
        url = str(request.url)
        key = url.split("&random=")[0].split("&v=")[0]
        self.asked[key] += 1
        self.order.append(key)
        if self.stop_after is not None and len(self.order) > self.stop_after:
            raise KeyboardInterrupt
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        for part, what in self.broken.items():
            if part in url:
                if isinstance(what, Exception):
                    raise what
                if callable(what):
                    return 200, _utf8(url), what(answer(url, body))
                return what[0], _utf8(url), what[1]
        return 200, _utf8(url), answer(url, body)
