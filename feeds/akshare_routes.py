"""Which functions of AKShare are asked, and what their columns mean: by name, never by position.

A column map says for each of their names ours, its kind, and the factor from their unit to the store's: lots of 100
to shares, 万 and 亿 to units, per cent to fractions. Units are those that AKShare documents; where it documents none
the source was read. A frame without a column of its map is an error that names the column.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.boards import is_a_share
from engine.errors import DataError, nearest
from feeds.akshare_cache import SEEN
from feeds.akshare_http import QUOTES, SourceError

if TYPE_CHECKING:
    import pandas as pd

LOT = 100.0
WAN = 1e4
YI = 1e8
PERCENT = 0.01
PER_TEN = 0.1


@dataclass(frozen=True)
class To:
    """What one of their columns becomes.

    Attributes
    ----------
    name : str
        Ours.
    kind : {"number", "date", "text", "symbol"}
    factor : float
        Multiplies a number.
    optional : bool
        Left out if the source leaves it out.
    """

    name: str
    kind: str = "number"
    factor: float = 1.0
    optional: bool = False


@dataclass(frozen=True)
class Route:
    """One function of AKShare.

    Attributes
    ----------
    function : str
    site : str
        See :func:`feeds.akshare_http.site_of`.
    columns : dict of str to To
    requests : float
        About how many requests one call makes, for the remaining time.
    days : int
        A frame checked fewer than so many days ago is not asked for again.
    may_be_empty : bool
        Whether no rows is an answer; else it is an error.
    positional : bool
        AKShare names this one's columns by their position: a swap upstream goes unseen, so identities are checked.
    day_format : str
        How it wants ``start_date`` and ``end_date``.
    together : tuple of str
        Two of their columns of which both are there or neither is.
    merged_by : str
        Their column of dates, for calls that an update makes for every stock: the frames are merged now and then.
    advice : str
        What to try when it fails.
    """

    function: str
    site: str
    columns: dict[str, To]
    requests: float = 1.0
    days: int = 1
    may_be_empty: bool = False
    positional: bool = False
    day_format: str = "%Y%m%d"
    merged_by: str = ""
    together: tuple[str, ...] = ()
    advice: str = field(default="fetch again later; what is done is kept")


def _date(name: str = "date") -> To:
    return To(name, "date")


_CODE = To("symbol", "symbol")
_EM_BAR = {
    "日期": _date(), "开盘": To("open"), "收盘": To("close"), "最高": To("high"), "最低": To("low"),
    "成交量": To("volume", factor=LOT), "成交额": To("amount"),
}  # fmt: skip
_SINA_BAR = {name: To(name) for name in ("open", "high", "low", "close", "volume")}

_BALANCE = {
    "股票代码": _CODE, "资产-货币资金": To("cash"), "资产-应收账款": To("receivables"), "资产-存货": To("inventory"),
    "资产-总资产": To("total_assets"), "负债-总负债": To("total_liabilities"), "股东权益合计": To("total_equity"),
    "资产负债率": To("leverage", factor=PERCENT), "公告日期": _date("notice_date"),
}  # fmt: skip
# Forms differ by trade: a bank's has no operating cost and no research expense.
_INCOME = {
    "REPORT_DATE": _date("period_end"), "NOTICE_DATE": _date("notice_date"), "NETPROFIT": To("net_profit"),
    "PARENT_NETPROFIT": To("parent_net_profit"), "TOTAL_PROFIT": To("total_profit"),
    "OPERATE_PROFIT": To("operating_profit"), "OPERATE_INCOME": To("revenue", optional=True),
    "TOTAL_OPERATE_INCOME": To("total_revenue", optional=True), "OPERATE_COST": To("operating_cost", optional=True),
    "RESEARCH_EXPENSE": To("rd_expense", optional=True),
}  # fmt: skip
_GENERAL_FORM = ("OPERATE_COST", "RESEARCH_EXPENSE")

_ALL = (
    # daily bars: three sources, one shape
    Route("stock_zh_a_hist", QUOTES,
          _EM_BAR | {"涨跌额": To("change"), "换手率": To("turnover")}, days=0, may_be_empty=True,
          merged_by="日期"),
    Route("stock_zh_a_daily", "sina.com.cn", {"date": _date(), **_SINA_BAR, "amount": To("amount"),
          "outstanding_share": To("float_shares"), "turnover": To("turnover", factor=100.0)},
          requests=2, days=0, merged_by="date"),
    Route("stock_zh_a_hist_tx", "proxy.finance.qq.com", {"date": _date(), **_SINA_BAR, "amount": To("amount"),
          "turnover": To("turnover", factor=100.0)}, requests=12, days=0,
          day_format="%Y-%m-%d", merged_by="date"),
    # indices
    Route("index_zh_a_hist", QUOTES, _EM_BAR, requests=2, days=0, merged_by="日期"),
    Route("stock_zh_index_daily", "sina.com.cn", {"date": _date(), **_SINA_BAR}, days=0),
    Route("stock_zh_index_hist_csindex", "www.csindex.com.cn", {"日期": _date(), "指数代码": To("index_code", "text"),
          "开盘": To("open"), "最高": To("high"), "最低": To("low"), "收盘": To("close"),
          "成交量": To("volume", factor=WAN * LOT), "成交金额": To("amount", factor=YI)}, days=0,
          merged_by="日期"),
    Route("tool_trade_date_hist_sina", "sina.com.cn", {"trade_date": _date()}, days=1),
    # membership
    Route("index_stock_cons_csindex", "oss-ch.csindex.com.cn", {"日期": _date("as_of"),
          "指数代码": To("index_code", "text"), "成分券代码": _CODE}, days=1),
    Route("index_stock_cons", "sina.com.cn", {"品种代码": _CODE, "纳入日期": _date("in_date")}, requests=10, days=1),
    Route("index_detail_hist_adjust_cni", "www.cnindex.com.cn", {"开始日期": _date("in_date"),
          "结束日期": _date("out_date"), "样本代码": _CODE}, days=7),
    # listings and names
    Route("stock_info_sh_name_code", "query.sse.com.cn", {"证券代码": _CODE, "证券简称": To("name", "text"),
          "上市日期": _date("list_date")}, days=1),
    Route("stock_info_sz_name_code", "www.szse.cn", {"A股代码": _CODE, "A股简称": To("name", "text"),
          "A股上市日期": _date("list_date")}, days=1),
    Route("stock_info_sh_delist", "query.sse.com.cn", {"公司代码": _CODE, "公司简称": To("name", "text"),
          "上市日期": _date("list_date"), "暂停上市日期": _date("delist_date")}, days=7),
    Route("stock_info_sz_delist", "www.szse.cn", {"证券代码": _CODE, "证券简称": To("name", "text"),
          "上市日期": _date("list_date"), "终止上市日期": _date("delist_date")}, days=7),
    Route("stock_info_sz_change_name", "www.szse.cn", {"变更日期": _date("start_date"), "证券代码": _CODE,
          "变更前简称": To("before", "text"), "变更后简称": To("name", "text")}, days=7),
    Route("stock_info_change_name", "sina.com.cn", {"index": To("order"), "name": To("name", "text")},
          days=30, may_be_empty=True),
    Route("stock_info_bj_name_code", "www.bse.cn", {"证券代码": _CODE, "证券简称": To("name", "text"),
          "上市日期": _date("list_date")}, requests=16, days=7, positional=True),
    Route("stock_zh_a_st_em", QUOTES, {"代码": _CODE, "名称": To("name", "text")}, requests=3, days=1),
    # reports, the whole market a quarter
    Route("stock_lrb_em", "eastmoney.com", {"股票代码": _CODE, "净利润": To("parent_net_profit"),
          "净利润同比": To("net_profit_yoy", factor=PERCENT), "营业总收入": To("total_revenue"),
          "营业总收入同比": To("revenue_yoy", factor=PERCENT), "营业总支出-营业支出": To("operating_cost"),
          "营业利润": To("operating_profit"), "利润总额": To("total_profit"), "公告日期": _date("notice_date")},
          requests=12, days=7, positional=True),
    Route("stock_zcfz_em", "eastmoney.com", _BALANCE, requests=12, days=7, positional=True),
    Route("stock_zcfz_bj_em", "eastmoney.com", _BALANCE, requests=2, days=7, positional=True),
    Route("stock_xjll_em", "eastmoney.com", {"股票代码": _CODE, "净现金流-净现金流": To("net_cash_flow"),
          "经营性现金流-现金流量净额": To("operating_cash_flow"),
          "投资性现金流-现金流量净额": To("investing_cash_flow"),
          "融资性现金流-现金流量净额": To("financing_cash_flow"), "公告日期": _date("notice_date")},
          requests=12, days=7, positional=True),
    Route("stock_yjbb_em", "eastmoney.com", {"股票代码": _CODE, "每股收益": To("eps"),
          "营业总收入-营业总收入": To("total_revenue"), "净利润-净利润": To("parent_net_profit"),
          "每股净资产": To("bvps"), "净资产收益率": To("roe", factor=PERCENT),
          "销售毛利率": To("gross_margin", factor=PERCENT), "最新公告日期": _date("notice_date")},
          requests=12, days=7, positional=True),
    Route("stock_yysj_em", "eastmoney.com", {"股票代码": _CODE, "实际披露时间": _date("disclosed")},
          requests=12, days=7),
    # reports, stock by stock
    Route("stock_profit_sheet_by_report_em", "eastmoney.com", _INCOME, requests=14, days=30, together=_GENERAL_FORM),
    Route("stock_profit_sheet_by_report_delisted_em", "eastmoney.com", _INCOME, requests=2, days=30,
          together=_GENERAL_FORM),
    Route("stock_cash_flow_sheet_by_report_em", "eastmoney.com", {"REPORT_DATE": _date("period_end"),
          "NOTICE_DATE": _date("notice_date"), "NETCASH_OPERATE": To("operating_cash_flow"),
          "NETCASH_INVEST": To("investing_cash_flow"), "NETCASH_FINANCE": To("financing_cash_flow"),
          "CCE_ADD": To("net_cash_flow")}, requests=14, days=30),
    # suspensions of one day
    Route("stock_tfp_em", "eastmoney.com", {"代码": _CODE, "停牌时间": _date("start"),
          "停牌原因": To("reason", "text")}, requests=2, days=100_000, positional=True),
    # corporate actions
    Route("stock_fhps_em", "eastmoney.com", {"代码": _CODE, "送转股份-送转总比例": To("share_ratio", factor=PER_TEN),
          "送转股份-送转比例": To("bonus_ratio", factor=PER_TEN),
          "送转股份-转股比例": To("transfer_ratio", factor=PER_TEN),
          "现金分红-现金分红比例": To("cash", factor=PER_TEN), "预案公告日": _date("plan_date"),
          "股权登记日": _date("record_date"), "除权除息日": _date("ex_date"), "方案进度": To("state", "text")},
          requests=8, days=7, positional=True),
    Route("stock_dividend_cninfo", "webapi.cninfo.com.cn", {"送股比例": To("bonus_ratio", factor=PER_TEN),
          "转增比例": To("transfer_ratio", factor=PER_TEN), "派息比例": To("cash", factor=PER_TEN),
          "股权登记日": _date("record_date"), "除权日": _date("ex_date"), "派息日": _date("pay_date"),
          "股份到账日": _date("list_date"), "实施方案公告日期": _date("notice_date")}, days=30, may_be_empty=True),
    Route("stock_history_dividend_detail", "sina.com.cn", {"公告日期": _date("notice_date"),
          "送股": To("bonus_ratio", factor=PER_TEN), "转增": To("transfer_ratio", factor=PER_TEN),
          "派息": To("cash", factor=PER_TEN), "进度": To("state", "text"), "除权除息日": _date("ex_date"),
          "股权登记日": _date("record_date"), "红股上市日": _date("list_date")}, days=30, may_be_empty=True),
    Route("stock_allotment_cninfo", "webapi.cninfo.com.cn", {"配股比例": To("rights_ratio", factor=PER_TEN),
          "配股价格": To("rights_price"), "股权登记日": _date("record_date"), "除权基准日": _date("ex_date"),
          "配股上市日": _date("list_date")}, days=30, may_be_empty=True, positional=True),
    # capital, valuation, industries, yields
    Route("stock_zh_a_gbjg_em", "eastmoney.com", {"变更日期": _date("change_date"), "总股本": To("total_shares"),
          "已上市流通A股": To("float_shares")}, days=30),
    Route("stock_share_change_cninfo", "webapi.cninfo.com.cn", {"公告日期": _date("notice_date"),
          "变动日期": _date("change_date"), "总股本": To("total_shares", factor=WAN),
          "人民币普通股": To("float_shares", factor=WAN, optional=True)}, days=30),
    Route("stock_value_em", "eastmoney.com", {"数据日期": _date(), "PE(TTM)": To("pe_ttm"), "市净率": To("pb_mrq"),
          "市销率": To("ps_ttm"), "市现率": To("pcf_ocf_ttm"), "总股本": To("total_shares"),
          "流通股本": To("float_shares")}, days=1, may_be_empty=True, merged_by="数据日期"),
    Route("stock_industry_clf_hist_sw", "www.swsresearch.com", {"symbol": _CODE, "start_date": _date("start_date"),
          "industry_code": To("sw_code", "text"), "update_time": _date("update_date")}, days=7),
    Route("bond_zh_us_rate", "eastmoney.com", {"日期": _date(), "中国国债收益率10年": To("yield_pct")},
          requests=18, days=7),
)  # fmt: skip

ROUTES: dict[str, Route] = {route.function: route for route in _ALL}
"""By function."""

FACTOR_COLUMNS = {"date": _date(), "hfq_factor": To("factor")}
"""Columns of ``stock_zh_a_daily(adjust="hfq-factor")``."""


def symbol_of(code: object) -> str | None:
    """``600519``, ``sh600519``, ``SH600519`` or ``600519.SH`` as ``600519.SH``; None if it is no A share."""
    text = str(code).strip().upper()
    if len(text) == 8 and text[:2] in ("SH", "SZ", "BJ"):
        text = text[2:]
    digits = text.split(".")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 6:
        return None
    digits = digits.zfill(6)
    return next((s for s in (f"{digits}.{e}" for e in ("SH", "SZ", "BJ")) if is_a_share(s)), None)


def code_of(symbol: str, form: str = "plain") -> str:
    """The six digits of a symbol, ``sh600519`` (form "prefix"), ``SH600519`` ("upper") or ``600519.SH`` ("suffix")."""
    digits, exchange = symbol.split(".")
    return {"plain": digits, "prefix": exchange.lower() + digits, "upper": exchange + digits, "suffix": symbol}[form]


def translate(route: Route, frame: pd.DataFrame, columns: dict[str, To] | None = None) -> pd.DataFrame:
    """Their frame in our columns and units.

    Parameters
    ----------
    route : Route
    frame : DataFrame
        As AKShare returned it.
    columns : dict of str to To, optional
        Of the route by default.

    Returns
    -------
    DataFrame
        Dates datetime64[ms], numbers float64, texts str or None; rows whose code is no A share are left out.

    Raises
    ------
    SourceError
        If a column is missing, or what should be numbers or dates is mostly something else.
    """
    import pandas as pd

    wanted = route.columns if columns is None else columns
    out: dict[str, Any] = {}
    present = [str(name) for name in frame.columns]
    for theirs, to in wanted.items():
        if theirs not in present:
            alone = theirs in route.together and any(name in present for name in route.together)
            if not len(frame) or (to.optional and not alone):
                continue
            raise SourceError(
                f"{route.function} has no column '{theirs}' any more; {nearest(theirs, present)} "
                "(AKShare or its source has changed: upgrade AKShare, or report it with these names)",
                function=route.function,
                reason="changed",
                final=True,
            )
        values = frame[theirs].to_numpy()
        if to.kind == "number":
            numbers = _numbers(route, theirs, values)
            # 3 / 10 is 0.3, 3 * 0.1 is not.
            out[to.name] = numbers * to.factor if to.factor >= 1.0 else numbers / (1.0 / to.factor)
        elif to.kind == "date":
            out[to.name] = _dates(route, theirs, values).astype("datetime64[ms]")
        elif to.kind == "symbol":
            out[to.name] = pd.Series([symbol_of(v) for v in values.tolist()], dtype=object)
        else:
            out[to.name] = pd.Series([None if _is_blank(v) else str(v) for v in values.tolist()], dtype=object)
    if SEEN in present:
        out["seen"] = frame[SEEN].to_numpy().astype("datetime64[D]").astype("datetime64[ms]")
    result = pd.DataFrame(out)
    if "symbol" in result:
        result = result[result["symbol"].notna()].reset_index(drop=True)
    return result


_BLANK = frozenset({"", "-", "--", "None", "nan", "NaN", "NaT", "<NA>"})


def _is_blank(value: Any) -> bool:
    return value is None or value != value or str(value).strip() in _BLANK


def _numbers(route: Route, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    numbers, lost = np.full(len(values), np.nan), 0
    for k, value in enumerate(values.tolist()):
        if not _is_blank(value):
            try:
                numbers[k] = float(value.replace(",", "") if isinstance(value, str) else value)
            except (TypeError, ValueError):
                lost += 1
    _check_lost(route, name, "a number", lost, len(values))
    return numbers


def _dates(route: Route, name: str, values: np.ndarray) -> np.ndarray:
    """Days, NaT where there is none: of dates, time stamps, ``2024-06-03`` (with a time or not) or ``20240603``."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[D]")
    days, lost = np.full(len(values), np.datetime64("NaT", "D")), 0
    for k, value in enumerate(values.tolist()):
        if _is_blank(value):
            continue
        text = str(value).strip().replace("/", "-")[:10]
        if len(text) == 8 and text.isdigit():
            text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
        try:
            days[k] = dt.date.fromisoformat(text)
        except ValueError:
            lost += 1
    _check_lost(route, name, "a date", lost, len(values))
    return days


def _check_lost(route: Route, name: str, what: str, lost: int, rows: int) -> None:
    """Refuse a column of which a tenth of the values cannot be read."""
    if lost * 10 > rows:
        raise SourceError(
            f"{route.function}: {lost} of {rows} values of '{name}' are not {what}; the source has changed: upgrade "
            "AKShare, or report it",
            function=route.function,
            reason="changed",
        )


def check_argument(name: str, value: str) -> str:
    """A code, date or word that goes into a call: nothing that could be a path, a query or a script.

    Raises
    ------
    DataError
    """
    if not value.isprintable() or len(value) > 40 or any(c in value for c in "/\\?&=#%'\"`$;<>{}|"):
        raise DataError(f"the argument {name} '{value[:60]}' of a fetch is no code, date or plain word")
    return value
