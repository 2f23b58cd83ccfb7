"""AKShare without a network: functions that return the frames which AKShare makes of ``akshare_replay``'s market."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pandas as pd
from akshare_replay import (
    BEIJING,
    CODES,
    EX_DATE,
    FLOAT,
    HALTED,
    LISTED,
    NAMES,
    SESSIONS,
    bars,
    cash_flows,
    income,
)

from feeds.akshare_client import Client
from feeds.akshare_http import Polite

Call = tuple[str, tuple[tuple[str, str], ...]]


class Fakes:
    """Stands in for the module ``akshare``.

    Attributes
    ----------
    calls : list
        Function and arguments of each call, in order.
    broken : dict
        By function, or function and code: an exception to raise, or a function of the healthy frame.
    today : str
        Nothing after the day before it is served.
    stop_after : int or None
        The call after so many is killed.
    """

    def __init__(self, today: str = "2024-06-22") -> None:
        self.calls: list[Call] = []
        self.broken: dict[str, Any] = {}
        self.today = today
        self.stop_after: int | None = None

    def __getattr__(self, name: str) -> Callable[..., pd.DataFrame]:
        make = globals().get(f"_{name}")
        if make is None:
            raise AttributeError(name)

        def call(**given: str) -> pd.DataFrame:
            self.calls.append((name, tuple(sorted(given.items()))))
            if self.stop_after is not None and len(self.calls) > self.stop_after:
                raise KeyboardInterrupt
            code = _code(str(given.get("symbol", "")))
            for key in (name, f"{name} {code}"):
                what = self.broken.get(key)
                if isinstance(what, Exception):
                    raise what
                if what is not None:
                    return what(make(self, **given))
            return make(self, **given)

        return call

    def days(self) -> list[str]:
        """Sessions that have happened."""
        return [day for day in SESSIONS if day < self.today]


def client(folder: Any, fakes: Fakes) -> Client:
    """A client that asks the fakes and for which no time passes."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    polite = Polite(sleep=sleep, clock=lambda: now[0])
    today = dt.date.fromisoformat(fakes.today)
    moment = dt.datetime(today.year, today.month, today.day, tzinfo=dt.UTC)
    return Client(folder / "raw", today=today, functions=fakes, polite=polite, now=lambda: moment)


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def _code(symbol: str) -> str:
    return next((c for c in (*CODES, BEIJING) if c in symbol), "")


def _bar_rows(fakes: Fakes, symbol: str, start_date: str, end_date: str) -> list[Any]:
    if not _code(symbol):
        return []
    first, last = start_date.replace("-", ""), end_date.replace("-", "")
    inside = fakes.days()
    return [r for r in bars(_code(symbol)) if first <= r[0].replace("-", "") <= last and r[0] in inside]


HIST = ["日期", "股票代码", "开盘", "收盘", "最高", "最低", "成交量", "成交额", "振幅", "涨跌幅", "涨跌额", "换手率"]


def _stock_zh_a_hist(fakes: Fakes, symbol: str, start_date: str, end_date: str, **_: str) -> pd.DataFrame:
    if symbol not in (*CODES, BEIJING):
        return pd.DataFrame()
    rows, before = [], None
    for day, o, c, h, lo, lots, yuan in bars(symbol):
        if before is not None and symbol == "600000" and day == EX_DATE:
            before = round((before - 0.3) / 1.1, 2)
        change = round(c - (before if before is not None else c - 0.1), 2)
        before = c
        rows.append([_date(day), symbol, o, c, h, lo, int(lots), yuan, 1.0, 1.0, change, lots * 1e4 / FLOAT[symbol]])
    frame = pd.DataFrame(rows, columns=HIST)
    keep = {_date(row[0]) for row in _bar_rows(fakes, symbol, start_date, end_date)}
    frame = frame[frame["日期"].isin(keep)].reset_index(drop=True)
    return frame if len(frame) else pd.DataFrame()


def _stock_zh_a_daily(
    fakes: Fakes, symbol: str, adjust: str = "", start_date: str = "", end_date: str = ""
) -> pd.DataFrame:
    if adjust == "hfq-factor":
        steps = [(EX_DATE, "1.1327"), ("1900-01-01", "1.0")][_code(symbol) == "000001" :]
        return pd.DataFrame({"date": pd.to_datetime([d for d, _ in steps]), "hfq_factor": [f for _, f in steps]})
    rows = _bar_rows(fakes, symbol, start_date, end_date)
    held = FLOAT[_code(symbol)]
    return pd.DataFrame(
        [[_date(d), o, h, lo, c, v * 100, a, held, v * 100 / held] for d, o, c, h, lo, v, a in rows],
        columns=["date", "open", "high", "low", "close", "volume", "amount", "outstanding_share", "turnover"],
    )


def _stock_zh_a_hist_tx(fakes: Fakes, symbol: str, start_date: str, end_date: str, **_: str) -> pd.DataFrame:
    lot = 1.0 if symbol.startswith("sz000") else 100.0  # as AKShare does, which leaves these in lots
    rows = _bar_rows(fakes, symbol, start_date, end_date)
    return pd.DataFrame(
        [[_date(d), o, c, h, lo, v * lot, 0.001, a] for d, o, c, h, lo, v, a in rows],
        columns=["date", "open", "close", "high", "low", "volume", "turnover", "amount"],
    )


def _levels(fakes: Fakes, base: float) -> list[tuple[str, float]]:
    return [(day, base + k) for k, day in enumerate(SESSIONS) if day in fakes.days()]


def _index_zh_a_hist(fakes: Fakes, symbol: str, start_date: str, end_date: str, **_: str) -> pd.DataFrame:
    rows = [[d, v - 1, v, v + 1, v - 2, "1000", 5e6] for d, v in _levels(fakes, 3001.0)
            if start_date <= d.replace("-", "") <= end_date]  # fmt: skip
    return pd.DataFrame(rows, columns=["日期", "开盘", "收盘", "最高", "最低", "成交量", "成交额"])


def _stock_zh_index_daily(fakes: Fakes, symbol: str) -> pd.DataFrame:
    rows = [[_date(d), v - 1, v + 1, v - 2, v, 1e5] for d, v in _levels(fakes, 3001.0)]
    return pd.DataFrame(rows, columns=["date", "open", "high", "low", "close", "volume"])


def _stock_zh_index_hist_csindex(fakes: Fakes, symbol: str, start_date: str, end_date: str) -> pd.DataFrame:
    rows = [[_date(d), symbol, None, None, None, v, 100.0, 50.0] for d, v in _levels(fakes, 5000.0)
            if start_date <= d.replace("-", "") <= end_date]  # fmt: skip
    return pd.DataFrame(rows, columns=["日期", "指数代码", "开盘", "最高", "最低", "收盘", "成交量", "成交金额"])


def _tool_trade_date_hist_sina(fakes: Fakes) -> pd.DataFrame:
    return pd.DataFrame({"trade_date": [_date(d) for d in ["1992-05-04", *SESSIONS]]})


def _index_stock_cons_csindex(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"日期": _date(fakes.days()[-1]), "指数代码": symbol, "成分券代码": list(CODES)})


def _index_stock_cons(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"品种代码": list(CODES), "品种名称": "x", "纳入日期": "2008-01-02"})


def _index_detail_hist_adjust_cni(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"开始日期": ["2010-06-01", "2010-06-01"], "结束日期": [None, "2024-06-14"],
                         "样本代码": list(CODES)})  # fmt: skip


def _stock_info_sh_name_code(fakes: Fakes, symbol: str) -> pd.DataFrame:
    code = "600000" if symbol == "主板A股" else "688001"
    listed = _date(LISTED.get(code, "2019-07-22"))
    return pd.DataFrame({"证券代码": [code], "证券简称": [NAMES.get(code, "华兴源创")], "上市日期": [listed]})


def _stock_info_sz_name_code(fakes: Fakes, symbol: str) -> pd.DataFrame:
    name = "ST平安" if fakes.today > "2024-06-18" else NAMES["000001"]
    return pd.DataFrame({"A股代码": ["000001"], "A股简称": [name], "A股上市日期": [LISTED["000001"]]})


def _stock_info_sh_delist(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"公司代码": ["600001"], "公司简称": ["邯郸钢铁"], "上市日期": [_date("1998-01-22")],
                         "暂停上市日期": [_date("2009-12-29")]})  # fmt: skip


def _stock_info_sz_delist(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"证券代码": ["000003"], "证券简称": ["PT金田A"], "上市日期": [_date("1991-07-03")],
                         "终止上市日期": [_date("2002-06-14")]})  # fmt: skip


def _stock_info_sz_change_name(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"变更日期": [_date("2012-08-02"), _date("2024-06-18")], "证券代码": ["000001"] * 2,
                         "变更前简称": ["深发展A", NAMES["000001"]], "变更后简称": [NAMES["000001"], "ST平安"]})


def _stock_info_change_name(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame({"index": [1], "name": [NAMES[symbol]]})


def _stock_info_bj_name_code(fakes: Fakes) -> pd.DataFrame:
    return pd.DataFrame({"证券代码": [BEIJING], "证券简称": [NAMES[BEIJING]], "上市日期": [_date(LISTED[BEIJING])]})


def _stock_tfp_em(fakes: Fakes, date: str) -> pd.DataFrame:
    if date != HALTED.replace("-", ""):
        raise TypeError("'NoneType' object is not subscriptable")
    return pd.DataFrame({"代码": ["000001"], "停牌时间": [_date(HALTED)], "停牌原因": ["重大事项"]})


def _stock_profit_sheet_by_report_em(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame(income(symbol[2:])[:1])


_stock_profit_sheet_by_report_delisted_em = _stock_profit_sheet_by_report_em


def _stock_cash_flow_sheet_by_report_em(fakes: Fakes, symbol: str) -> pd.DataFrame:
    return pd.DataFrame(cash_flows())


def _stock_zh_a_st_em(fakes: Fakes) -> pd.DataFrame:
    named = fakes.today > "2024-06-18"
    return pd.DataFrame({"代码": ["600002", *["000001"] * named], "名称": ["ST齐鲁", *["ST平安"] * named]})


def _quarter(date: str, columns: dict[str, list[Any]], codes: tuple[str, ...] = CODES) -> pd.DataFrame:
    if date != "20240331":
        return pd.DataFrame({"股票代码": ["688001"]} | {name: [None] for name in columns if name != "股票代码"})
    return pd.DataFrame({"股票代码": list(codes)} | columns)


def _stock_lrb_em(fakes: Fakes, date: str) -> pd.DataFrame:
    return _quarter(date, {"净利润": [2e8, 4e8], "净利润同比": [7.5, 7.5], "营业总收入": [1e9, 2e9],
                           "营业总收入同比": [5.0, 5.0], "营业总支出-营业支出": [6e8, 12e8], "营业利润": [3e8, 6e8],
                           "利润总额": [2.9e8, 5.8e8], "公告日期": [_date("2024-04-29")] * 2})  # fmt: skip


def _stock_zcfz_em(fakes: Fakes, date: str) -> pd.DataFrame:
    return _quarter(date, {"资产-货币资金": [1e9, 2e9], "资产-应收账款": [1e9, 2e9], "资产-存货": [1e9, 2e9],
                           "资产-总资产": [1e10, 2e10], "负债-总负债": [6e9, 12e9], "股东权益合计": [4e9, 8e9],
                           "资产负债率": [60.0, 60.0], "公告日期": [_date("2024-04-29")] * 2})  # fmt: skip


def _stock_zcfz_bj_em(fakes: Fakes, date: str) -> pd.DataFrame:
    return _quarter(date, {"资产-货币资金": [1e8], "资产-应收账款": [1e8], "资产-存货": [1e8], "资产-总资产": [1e9],
                           "负债-总负债": [6e8], "股东权益合计": [4e8], "资产负债率": [60.0],
                           "公告日期": [_date("2024-04-25")]}, (BEIJING,))  # fmt: skip


def _stock_xjll_em(fakes: Fakes, date: str) -> pd.DataFrame:
    return _quarter(date, {"净现金流-净现金流": [2e8, 4e8], "经营性现金流-现金流量净额": [5e8, 1e9],
                           "投资性现金流-现金流量净额": [-2e8, -4e8], "融资性现金流-现金流量净额": [-1e8, -2e8],
                           "公告日期": [_date("2024-04-29")] * 2})  # fmt: skip


def _stock_yjbb_em(fakes: Fakes, date: str) -> pd.DataFrame:
    return _quarter(date, {"每股收益": [0.5, 0.5], "营业总收入-营业总收入": [1e9, 2e9], "净利润-净利润": [2e8, 4e8],
                           "每股净资产": [8.0, 8.0], "净资产收益率": [4.5, 4.5], "销售毛利率": [35.5, 35.5],
                           "最新公告日期": [_date("2024-05-10")] * 2})  # fmt: skip


def _stock_yysj_em(fakes: Fakes, symbol: str, date: str) -> pd.DataFrame:
    if symbol == "京市A股":
        return _quarter(date, {"实际披露时间": [_date("2024-04-25")]}, (BEIJING,))
    return _quarter(date, {"实际披露时间": [_date("2024-04-27"), None]})


def _stock_fhps_em(fakes: Fakes, date: str) -> pd.DataFrame:
    return pd.DataFrame({"代码": ["600000"], "送转股份-送转总比例": [1.0], "送转股份-送转比例": [1.0],
                         "送转股份-转股比例": [None], "现金分红-现金分红比例": [3.0],
                         "预案公告日": [_date("2024-04-27")], "股权登记日": [_date("2024-06-11")],
                         "除权除息日": [_date(EX_DATE)], "方案进度": ["实施分配"]})  # fmt: skip


def _stock_dividend_cninfo(fakes: Fakes, symbol: str) -> pd.DataFrame:
    columns = ["实施方案公告日期", "送股比例", "转增比例", "派息比例", "股权登记日", "除权日", "派息日", "股份到账日"]
    row = ["2024-06-05", 1.0, 0.0, 3.0, "2024-06-11", EX_DATE, "2024-06-13", EX_DATE]
    return pd.DataFrame([row] if symbol == "600000" else [], columns=columns)


def _stock_history_dividend_detail(fakes: Fakes, symbol: str, indicator: str, date: str) -> pd.DataFrame:
    columns = ["公告日期", "送股", "转增", "派息", "进度", "除权除息日", "股权登记日", "红股上市日"]
    row = ["2024-06-05", 1.0, 0.0, 3.0, "实施", EX_DATE, "2024-06-11", None]
    return pd.DataFrame([row] if symbol == "600000" else [], columns=columns)


def _stock_allotment_cninfo(fakes: Fakes, symbol: str, **_: str) -> pd.DataFrame:
    return pd.DataFrame(columns=["配股比例", "配股价格", "股权登记日", "除权基准日", "配股上市日"])


def _stock_zh_a_gbjg_em(fakes: Fakes, symbol: str) -> pd.DataFrame:
    held = FLOAT[symbol[:6]]
    rows = [[_date("2020-01-03"), 2 * held, held]]
    if symbol[:6] == "600000":
        rows.insert(0, [_date(EX_DATE), 2.2 * held, 1.1 * held])
    return pd.DataFrame(rows, columns=["变更日期", "总股本", "已上市流通A股"])


def _stock_share_change_cninfo(fakes: Fakes, symbol: str, **_: str) -> pd.DataFrame:
    held = FLOAT[symbol]
    return pd.DataFrame({"公告日期": [_date("2020-01-02")], "变动日期": [_date("2020-01-03")],
                         "总股本": [2 * held / 1e4], "人民币普通股": [held / 1e4]})  # fmt: skip


def _stock_value_em(fakes: Fakes, symbol: str) -> pd.DataFrame:
    days = [row[0] for row in bars(symbol) if row[0] in fakes.days()]
    held = FLOAT[symbol]
    fixed = {"PE(TTM)": 8.5, "市净率": 0.9, "市销率": 1.2, "市现率": 4.0, "总股本": 2 * held, "流通股本": held}
    return pd.DataFrame({"数据日期": [_date(d) for d in days]} | fixed)


def _stock_industry_clf_hist_sw(fakes: Fakes) -> pd.DataFrame:
    day = _date("2014-02-21")
    return pd.DataFrame({"symbol": list(CODES), "start_date": day, "industry_code": "480101", "update_time": day})


def _bond_zh_us_rate(fakes: Fakes, start_date: str) -> pd.DataFrame:
    return pd.DataFrame({"日期": [_date(d) for d in fakes.days()], "中国国债收益率10年": 2.3})
