"""A whole market behind AKShare's functions: any folder of our tables, served as the frames that AKShare makes.

What a fetch writes must then be what the folder held. :func:`install` puts a module ``akshare`` in front of a process
that runs a script: it logs each call, can kill the process at one, and serves nothing after the day of ``TODAY``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd

HIST = ["日期", "开盘", "收盘", "最高", "最低", "成交量", "成交额", "涨跌额", "换手率"]


def _plain(symbol: str) -> str:
    return next(part for part in (symbol[:6], symbol[2:8]) if part.isdigit())


def _compact(days: pd.Series) -> pd.Series:
    return days.dt.strftime("%Y%m%d")


class Shop:
    """Stands in for the module ``akshare``.

    Parameters
    ----------
    folder : Path
        Tables as Huice stores them.
    today : str
        Nothing of that day or later is served.
    restated : str
        Six digits: from 2020-06-16 on the first quarter's report of this company shows a tenth less profit.
    """

    def __init__(self, folder: Path, today: str, restated: str = "") -> None:
        self.today, self.restated = pd.Timestamp(today), restated
        self._tables = {p.stem: pd.read_parquet(p) for p in folder.glob("*.parquet")}
        bars = pd.concat([pd.read_parquet(p) for p in sorted((folder / "daily_bars").glob("*.parquet"))])
        bars = bars[bars["date"] < self.today]
        self._bars = {s: rows.reset_index(drop=True) for s, rows in bars.groupby(bars["symbol"].astype(str).str[:6])}

    def _past(self, table: str, column: str) -> pd.DataFrame:
        rows = self._tables[table]
        return rows[rows[column] < self.today]

    def _inside(self, symbol: str, start_date: str, end_date: str) -> pd.DataFrame:
        rows = self._bars[_plain(symbol)]
        day = _compact(rows["date"])
        return rows[(day >= start_date.replace("-", "")) & (day <= end_date.replace("-", ""))]

    def stock_zh_a_hist(self, symbol: str, start_date: str, end_date: str, **_: str) -> pd.DataFrame:
        rows = self._inside(symbol, start_date, end_date)
        if not len(rows):
            return pd.DataFrame()
        columns = [rows["date"].dt.date, rows["open"], rows["close"], rows["high"], rows["low"],
                   (rows["volume"] // 100).astype(int), rows["amount"], rows["close"] - rows["preclose"],
                   rows["turnover"]]  # fmt: skip
        return pd.DataFrame(dict(zip(HIST, columns, strict=True)))

    def stock_zh_a_daily(
        self, symbol: str, adjust: str = "", start_date: str = "19900101", end_date: str = "21000101"
    ) -> pd.DataFrame:
        rows = self._inside(symbol, start_date, end_date)
        if adjust == "hfq-factor":
            steps = rows[rows["adj_factor"] != rows["adj_factor"].shift()][::-1]
            return pd.DataFrame({"date": steps["date"], "hfq_factor": steps["adj_factor"].map(str)})
        names = ["open", "high", "low", "close", "volume", "amount"]
        held = rows["float_shares"].astype(float)
        return rows[names].assign(date=rows["date"].dt.date, outstanding_share=held, turnover=rows["volume"] / held)

    def stock_zh_a_hist_tx(self, symbol: str, start_date: str, end_date: str, **_: str) -> pd.DataFrame:
        raise ConnectionError("Tencent is not served here")

    def index_zh_a_hist(self, symbol: str, start_date: str, end_date: str, **_: str) -> pd.DataFrame:
        rows = self._past("index_daily", "date").query("index_code == @symbol")
        rows = rows[_compact(rows["date"]).between(start_date, end_date)]
        columns = [rows["date"].map(lambda day: f"{day:%Y-%m-%d}"), rows["open"], rows["close"], rows["high"],
                   rows["low"], rows["volume"] / 100, rows["close"]]  # fmt: skip
        return pd.DataFrame(dict(zip(HIST[:7], columns, strict=True)))

    def stock_zh_index_hist_csindex(self, symbol: str, start_date: str, end_date: str) -> pd.DataFrame:
        price = {"H00300": "000300", "H00905": "000905", "H00016": "000016"}[symbol]
        rows = self.index_zh_a_hist(price, start_date, end_date).assign(指数代码=symbol, 成交金额=1.0)
        return rows.assign(收盘=rows["收盘"] * 1.5)

    def tool_trade_date_hist_sina(self) -> pd.DataFrame:
        return pd.DataFrame({"trade_date": self._tables["calendar"]["date"].dt.date})

    def index_stock_cons_csindex(self, symbol: str) -> pd.DataFrame:
        rows = self._past("constituents", "in_date").query("index_code == @symbol")
        rows = rows[~(rows["out_date"] < self.today)]
        day = self.today.date() - dt.timedelta(1)
        return pd.DataFrame({"日期": day, "指数代码": symbol, "成分券代码": rows["symbol"].str[:6]})

    def _living(self, exchange: str) -> pd.DataFrame:
        names = self._past("name_history", "start_date").sort_values("start_date")
        names = names.drop_duplicates("symbol", keep="last").set_index("symbol")["name"]
        rows = self._tables["securities"]
        rows = rows[rows["symbol"].str.endswith(exchange) & (rows["list_date"] < self.today) & rows["active_at_end"]]
        listed = rows["list_date"].dt.date
        return pd.DataFrame({"code": rows["symbol"].str[:6], "name": rows["symbol"].map(names), "day": listed})

    def stock_info_sh_name_code(self, symbol: str) -> pd.DataFrame:
        rows = self._living("SH").set_axis(["证券代码", "证券简称", "上市日期"], axis=1)
        star = rows["证券代码"].str.startswith("688")
        dummy = pd.DataFrame({"证券代码": ["688001"], "证券简称": ["x"], "上市日期": [dt.date(2019, 7, 22)]})
        return rows[~star] if symbol == "主板A股" else pd.concat([dummy, rows[star]])

    def stock_info_sz_name_code(self, symbol: str) -> pd.DataFrame:
        return self._living("SZ").set_axis(["A股代码", "A股简称", "A股上市日期"], axis=1)

    def stock_info_sh_delist(self, symbol: str) -> pd.DataFrame:
        return pd.DataFrame({"公司代码": ["600001"], "公司简称": ["x"], "上市日期": [dt.date(1998, 1, 22)],
                             "暂停上市日期": [dt.date(2009, 12, 29)]})  # fmt: skip

    def stock_info_sz_delist(self, symbol: str) -> pd.DataFrame:
        return pd.DataFrame({"证券代码": ["000003"], "证券简称": ["x"], "上市日期": [dt.date(1991, 7, 3)],
                             "终止上市日期": [dt.date(2002, 6, 14)]})  # fmt: skip

    def stock_info_sz_change_name(self, symbol: str) -> pd.DataFrame:
        rows = self._past("name_history", "start_date").sort_values(["symbol", "start_date"])
        rows = rows[rows["symbol"].str.endswith("SZ")]
        before = rows.groupby("symbol")["name"].shift()
        made = pd.DataFrame({"变更日期": rows["start_date"].dt.date, "证券代码": rows["symbol"].str[:6],
                             "变更前简称": before, "变更后简称": rows["name"]})  # fmt: skip
        return made[before.notna()]

    def stock_info_change_name(self, symbol: str) -> pd.DataFrame:
        rows = self._past("name_history", "start_date")
        rows = rows[rows["symbol"] == f"{symbol}.SH"]
        return pd.DataFrame({"index": range(1, len(rows) + 1), "name": rows["name"].to_numpy()})

    def stock_zh_a_st_em(self) -> pd.DataFrame:
        every = pd.concat([self._living("SH"), self._living("SZ")])
        every = every[every["name"].str.contains("ST")]
        return pd.DataFrame({"代码": ["600002", *every["code"]], "名称": ["ST齐鲁", *every["name"]]})

    def _reports(self, date: str) -> pd.DataFrame:
        rows = self._past("fundamentals_quarterly", "announce_date")
        rows = rows[_compact(rows["period_end"]) == date].reset_index(drop=True)
        if not len(rows):  # as Eastmoney's null
            raise TypeError("'NoneType' object is not subscriptable")
        code = rows["symbol"].str[:6]
        late = (code == self.restated) & (self.today > pd.Timestamp("2020-06-15")) & (date == "20200331")
        profit = rows["net_profit"] * (1.0 - 0.1 * late)
        return rows.assign(code=code, day=rows["announce_date"].dt.date, profit=profit)

    def stock_lrb_em(self, date: str) -> pd.DataFrame:
        rows = self._reports(date)
        sales = rows["main_revenue"].fillna(1e8)
        profit = {name: rows["profit"] for name in ("净利润", "营业利润", "利润总额")}
        return pd.DataFrame(profit | {
            "股票代码": rows["code"], "净利润同比": 100 * rows["yoy_net_profit"], "营业总收入": sales,
            "营业总收入同比": 1.0, "营业总支出-营业支出": 0.6 * sales, "公告日期": rows["day"],
        })  # fmt: skip

    def stock_zcfz_em(self, date: str) -> pd.DataFrame:
        rows = self._reports(date)
        fixed = {"资产-货币资金": 1e8, "资产-应收账款": 1e8, "资产-存货": 1e8, "资产-总资产": 1e9, "负债-总负债": 6e8,
                 "股东权益合计": 4e8, "资产负债率": 60.0}  # fmt: skip
        return pd.DataFrame({"股票代码": rows["code"], "公告日期": rows["day"]}).assign(**fixed)

    def stock_xjll_em(self, date: str) -> pd.DataFrame:
        rows = self._reports(date)
        fixed = {"净现金流-净现金流": 2e7, "经营性现金流-现金流量净额": 5e7, "投资性现金流-现金流量净额": -2e7,
                 "融资性现金流-现金流量净额": -1e7}  # fmt: skip
        return pd.DataFrame({"股票代码": rows["code"], "公告日期": rows["day"]}).assign(**fixed)

    def stock_yjbb_em(self, date: str) -> pd.DataFrame:
        rows = self._reports(date)
        columns = {"股票代码": rows["code"], "最新公告日期": rows["day"], "净利润-净利润": rows["profit"],
                   "营业总收入-营业总收入": rows["main_revenue"].fillna(1e8),
                   "销售毛利率": 100 * rows["gross_margin"]}  # fmt: skip
        return pd.DataFrame(columns).assign(每股收益=0.5, 每股净资产=5.0, 净资产收益率=4.0)

    def stock_yysj_em(self, symbol: str, date: str) -> pd.DataFrame:
        rows = self._reports(date)
        return pd.DataFrame({"股票代码": rows["code"], "实际披露时间": rows["day"]})

    def stock_profit_sheet_by_report_em(self, symbol: str) -> pd.DataFrame:
        rows = self._past("fundamentals_quarterly", "announce_date")
        rows = rows[rows["symbol"].str[:6] == symbol[2:]].sort_values("period_end", ascending=False)
        names = ["NETPROFIT", "PARENT_NETPROFIT", "TOTAL_PROFIT", "OPERATE_PROFIT", "OPERATE_INCOME", "OPERATE_COST"]
        figures = {name: rows["net_profit"] for name in names}
        return pd.DataFrame({"REPORT_DATE": rows["period_end"].map(str), "NOTICE_DATE": rows["announce_date"].map(str),
                             "RESEARCH_EXPENSE": 1e7} | figures)  # fmt: skip

    def _actions(self, column: str = "ex_date") -> pd.DataFrame:
        return self._past("ex_rights_events", column)

    def stock_fhps_em(self, date: str) -> pd.DataFrame:
        rows, day = self._actions(), pd.Timestamp(date)
        rows = rows[(rows["ex_date"] > day) & (rows["ex_date"] <= day + pd.Timedelta(184, "D"))]
        return pd.DataFrame({
            "代码": rows["symbol"].str[:6], "送转股份-送转总比例": 10 * (rows["bonus_ratio"] + rows["transfer_ratio"]),
            "送转股份-送转比例": 10 * rows["bonus_ratio"], "送转股份-转股比例": 10 * rows["transfer_ratio"],
            "现金分红-现金分红比例": 10 * rows["cash_per_share_est"], "预案公告日": None,
            "股权登记日": rows["record_date"].dt.date, "除权除息日": rows["ex_date"].dt.date, "方案进度": "实施分配",
        }) if len(rows) else self._nothing_paid()  # fmt: skip

    def _nothing_paid(self) -> pd.DataFrame:
        names = ["送转股份-送转总比例", "送转股份-送转比例", "送转股份-转股比例", "现金分红-现金分红比例", "预案公告日",
                 "股权登记日", "除权除息日"]  # fmt: skip
        return pd.DataFrame({"代码": ["600002"], "方案进度": ["不分配"]} | {name: [None] for name in names})

    def stock_dividend_cninfo(self, symbol: str) -> pd.DataFrame:
        rows = self._actions()
        rows = rows[rows["symbol"].str[:6] == symbol]
        return pd.DataFrame({
            "实施方案公告日期": rows["record_date"].dt.date, "送股比例": 10 * rows["bonus_ratio"],
            "转增比例": 10 * rows["transfer_ratio"], "派息比例": 10 * rows["cash_per_share_est"],
            "股权登记日": rows["record_date"].dt.date, "除权日": rows["ex_date"].dt.date,
            "派息日": rows["pay_date"].dt.date, "股份到账日": rows["list_date"].dt.date,
        })  # fmt: skip

    def stock_history_dividend_detail(self, symbol: str, **_: str) -> pd.DataFrame:
        names = ["公告日期", "送股", "转增", "派息", "进度", "除权除息日", "股权登记日", "红股上市日"]
        return pd.DataFrame(columns=names)

    def stock_allotment_cninfo(self, symbol: str, **_: str) -> pd.DataFrame:
        rows = self._actions()
        rows = rows[(rows["symbol"].str[:6] == symbol) & (rows["rights_ratio"] > 0)]
        return pd.DataFrame({"配股比例": 10 * rows["rights_ratio"], "配股价格": rows["rights_price"],
                             "股权登记日": rows["record_date"].dt.date, "除权基准日": rows["ex_date"].dt.date,
                             "配股上市日": rows["list_date"].dt.date})  # fmt: skip

    def stock_zh_a_gbjg_em(self, symbol: str) -> pd.DataFrame:
        rows = self._bars[_plain(symbol)]
        counts = rows[["total_shares", "float_shares"]]
        steps = rows[(counts != counts.shift()).any(axis=1)][::-1]
        return pd.DataFrame({"变更日期": steps["date"].dt.date, "总股本": steps["total_shares"].astype(float),
                             "已上市流通A股": steps["float_shares"].astype(float)})  # fmt: skip

    def stock_value_em(self, symbol: str) -> pd.DataFrame:
        rows = self._past("valuation_daily", "date")
        rows = rows[rows["symbol"].str[:6] == symbol]
        made = pd.DataFrame({"数据日期": rows["date"].dt.date, "PE(TTM)": rows["pe_ttm"], "市净率": rows["pb_mrq"],
                             "市销率": rows["ps_ttm"], "市现率": 5.0})  # fmt: skip
        return made.merge(self._counts(symbol), on="数据日期")

    def _counts(self, symbol: str) -> pd.DataFrame:
        rows = self._bars[symbol]
        return pd.DataFrame({"数据日期": rows["date"].dt.date, "总股本": rows["total_shares"].astype(float),
                             "流通股本": rows["float_shares"].astype(float)})  # fmt: skip

    def stock_industry_clf_hist_sw(self) -> pd.DataFrame:
        rows = self._past("industry_sw_history", "start_date")
        return pd.DataFrame({"symbol": rows["symbol"].str[:6], "start_date": rows["start_date"].dt.date,
                             "industry_code": rows["sw_code"], "update_time": rows["start_date"].dt.date})  # fmt: skip

    def bond_zh_us_rate(self, start_date: str) -> pd.DataFrame:
        rows = self._past("cn_gov_bond_10y", "date")
        return pd.DataFrame({"日期": rows["date"].dt.date, "中国国债收益率10年": rows["yield_pct"]})

    def stock_tfp_em(self, date: str) -> pd.DataFrame:
        rows, day = self._past("suspensions", "start"), pd.Timestamp(date)
        rows = rows[(rows["start"] <= day) & ~(rows["end"] < day)]
        since = [dt.date(1998, 1, 5), *rows["start"].dt.date]
        return pd.DataFrame({"代码": ["600002", *rows["symbol"].str[:6]], "停牌时间": since, "停牌原因": "重大事项"})


def install() -> None:
    """Put a module ``akshare`` in front of this process and set the day, both from the environment."""
    shop = Shop(Path(os.environ["SOURCE"]), os.environ["TODAY"], os.environ.get("RESTATED", ""))
    log = Path(os.environ["CALLS"])

    class Counted(ModuleType):
        def __getattr__(self, name: str) -> Callable[..., pd.DataFrame]:
            if name.startswith("_"):
                raise AttributeError(name)
            function = getattr(shop, name)

            def call(**given: str) -> pd.DataFrame:
                done = log.read_text(encoding="utf-8").count("\n") if log.exists() else 0
                if str(done) == os.environ.get("KILL"):
                    os.kill(os.getpid(), signal.SIGKILL)
                frame = function(**given)
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([name, sorted(given.items())], ensure_ascii=False) + "\n")
                return frame

            return call

    class Then(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dt.datetime.fromisoformat(os.environ["TODAY"]).replace(tzinfo=tz)

    sys.modules["akshare"] = Counted("akshare")
    import _data_fetch

    names = {name: getattr(dt, name) for name in ("date", "timezone", "timedelta")}
    _data_fetch.dt = SimpleNamespace(datetime=Then, **names)  # type: ignore[attr-defined]


if __name__ == "__main__":
    script, sys.argv = sys.argv[1], sys.argv[1:]
    sys.path.insert(0, str(Path(script).parent))
    import _cli  # noqa: F401  # puts the project's packages on the path

    install()
    runpy.run_path(script, run_name="__main__")
