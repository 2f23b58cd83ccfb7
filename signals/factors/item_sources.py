"""Accounting items: their names, and where each may be read or derived from.

Flows (profit, revenue, cash flow) are in yuan, cumulative from 1 January; levels (assets, equity) in yuan at the
quarter's end. Names are those of :data:`feeds.schema.FUNDAMENTALS` and further ones in the same manner: a user's
``fundamentals_quarterly.parquet`` with a column of an item's name serves that item. Behind its own column stand the
columns of other layouts from which the item follows by arithmetic alone: a margin times revenue is a profit, assets
less liabilities are equity, market value over PE is the profit of twelve months. What does not follow stays empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

QUARTERLY = "fundamentals_quarterly"
ANNUAL = "fundamentals_annual"
ALL_SHARES = "fundamentals_alla_2014q1_2016q2"
MULTIPLES = "valuation_daily"

TEN_THOUSAND, MILLION, PER_CENT = 1e4, 1e6, 0.01

SMALLEST_MARGIN = 0.005
"""Margins closer to zero have too few digits for a revenue to be derived from them."""

Combine = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Source:
    """One way to get an item: columns of one table, put together and scaled.

    Attributes
    ----------
    table : str
    columns : tuple of str
    combine : callable
        From the columns to one figure.
    factor : float
        Makes it yuan or a fraction.
    trailing : bool
        The figure is of the last twelve months already.
    """

    table: str
    columns: tuple[str, ...]
    combine: Combine
    factor: float = 1.0
    trailing: bool = False

    @property
    def yearly(self) -> bool:
        """Whether the table has year ends alone."""
        return self.table == ANNUAL


@dataclass(frozen=True)
class Item:
    """An accounting item.

    Attributes
    ----------
    chinese : str
    flow : bool
        Cumulative from 1 January; otherwise at the end of the quarter.
    sources : tuple of Source
        In order; of two that give a figure of the same quarter the first counts.
    instead : str
        Item that takes its place where no source has anything: revenue for total revenue.
    growth : tuple of Source
        Published growth over a year before (fractions), behind that computed from the item itself.
    """

    chinese: str
    flow: bool
    sources: tuple[Source, ...]
    instead: str = ""
    growth: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Ratio:
    """One item over another of the same report, or as published; published figures come first where so said."""

    chinese: str
    top: str
    bottom: str
    published: tuple[Source, ...] = ()
    published_first: bool = False


def one(a: np.ndarray) -> np.ndarray:
    """The column itself."""
    return a


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a x b."""
    return a * b


def less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b."""
    return a - b


def over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b."""
    return a / b


def inverse(a: np.ndarray) -> np.ndarray:
    """1 / a where a is above zero."""
    return np.where(a > 0, 1.0 / a, np.nan)


def from_margin(profit: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Revenue: profit over its margin, unless the margin is next to nothing."""
    return np.where(np.abs(margin) >= SMALLEST_MARGIN, profit / margin, np.nan)


def gross_from_margins(profit: np.ndarray, net: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Gross profit: revenue from profit and net margin, times the gross margin."""
    return from_margin(profit, net) * gross


def cost_from_margins(profit: np.ndarray, net: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Operating cost: revenue from profit and net margin, times 1 - gross margin."""
    return from_margin(profit, net) * (1.0 - gross)


def times_share(a: np.ndarray, per_cent: np.ndarray) -> np.ndarray:
    """a x (per cent / 100)."""
    return a * per_cent * PER_CENT


def times_rest(a: np.ndarray, per_cent: np.ndarray) -> np.ndarray:
    """a x (1 - per cent / 100)."""
    return a * (1.0 - per_cent * PER_CENT)


def book_of(per_share: np.ndarray, revenue: np.ndarray, revenue_per_share: np.ndarray) -> np.ndarray:
    """Book value: a share's, times revenue over revenue a share."""
    return per_share * revenue / revenue_per_share


def _own(name: str) -> tuple[Source, ...]:
    """The item's own column, in a table of quarters or of years."""
    return Source(QUARTERLY, (name,), one), Source(ANNUAL, (name,), one)


def _quarterly(*columns: str, combine: Combine = one, factor: float = 1.0, trailing: bool = False) -> Source:
    return Source(QUARTERLY, columns, combine, factor, trailing)


def _annual(*columns: str, combine: Combine = one) -> Source:
    return Source(ANNUAL, columns, combine, TEN_THOUSAND)


def _all_shares(*columns: str, combine: Combine = one, factor: float = 1.0) -> Source:
    return Source(ALL_SHARES, columns, combine, factor)


def _multiple(column: str, trailing: bool = True) -> Source:
    """Market value over a multiple: a flow of the last twelve months, or the latest book value."""
    return Source(MULTIPLES, (column,), one, 1.0, trailing)


def _flow(name: str, chinese: str, *more: Source, instead: str = "", growth: tuple[Source, ...] = ()) -> Item:
    return Item(chinese, True, (*_own(name), *more), instead, growth)


def _level(name: str, chinese: str, *more: Source, instead: str = "", growth: tuple[Source, ...] = ()) -> Item:
    return Item(chinese, False, (*_own(name), *more), instead, growth)


_MARGINS = ("net_profit", "net_margin")

ITEMS: dict[str, Item] = {
    "total_revenue": _flow("total_revenue", "营业总收入", instead="revenue", growth=(_quarterly("revenue_yoy"),)),
    "revenue": _flow(
        "revenue", "营业收入", _quarterly("total_revenue"), _quarterly(*_MARGINS, combine=from_margin),
        _multiple("ps_ttm"), _quarterly("main_revenue"), _all_shares("business_income", factor=MILLION),
        _annual("main_revenue_10k"),
        growth=(_quarterly("revenue_yoy"), _all_shares("mbrg", factor=PER_CENT)),
    ),
    "operating_cost": _flow(
        "operating_cost", "营业成本", _quarterly(*_MARGINS, "gross_margin", combine=cost_from_margins),
        _all_shares("business_income", "gross_profit_rate", combine=times_rest, factor=MILLION),
    ),
    "gross_profit": _flow(
        "gross_profit", "毛利", _quarterly("revenue", "operating_cost", combine=less),
        _quarterly("total_revenue", "operating_cost", combine=less),
        _quarterly(*_MARGINS, "gross_margin", combine=gross_from_margins),
        _all_shares("business_income", "gross_profit_rate", combine=times_share, factor=MILLION),
    ),
    "total_operating_cost": _flow("total_operating_cost", "营业总成本"),
    "selling_expense": _flow("selling_expense", "销售费用"),
    "administrative_expense": _flow("administrative_expense", "管理费用"),
    "finance_expense": _flow("finance_expense", "财务费用"),
    "rd_expense": _flow("rd_expense", "研发费用"),
    "depreciation": _flow("depreciation", "折旧与摊销"),
    "income_tax": _flow("income_tax", "所得税"),
    "investment_income": _flow("investment_income", "投资收益", _annual("investment_income_10k")),
    "non_operating_income": _flow("non_operating_income", "营业外收支净额", _annual("non_operating_net_10k")),
    "operating_profit": _flow("operating_profit", "营业利润", _annual("operating_profit_10k")),
    "total_profit": _flow("total_profit", "利润总额", _annual("total_profit_10k")),
    "net_profit": _flow(
        "net_profit", "净利润", instead="parent_net_profit",
        growth=(_quarterly("yoy_net_profit"), _all_shares("nprg", factor=PER_CENT)),
    ),
    "parent_net_profit": _flow(
        "parent_net_profit", "归母净利润", _quarterly("eps_ttm", "total_shares", combine=product, trailing=True),
        _multiple("pe_ttm"), _all_shares("net_profits", factor=TEN_THOUSAND), _annual("net_profit_10k"),
        growth=(_quarterly("net_profit_yoy"), _quarterly("yoy_parent_net_profit"),
                _all_shares("profits_yoy", factor=PER_CENT)),
    ),
    "adjusted_net_profit": _flow("adjusted_net_profit", "扣非净利润", _annual("net_profit_excl_nonrecurring_10k")),
    "operating_cash_flow": _flow(
        "operating_cash_flow", "经营现金流净额",
        _all_shares("cf_sales", "business_income", combine=product, factor=MILLION), _annual("ocf_10k"),
    ),
    "investing_cash_flow": _flow("investing_cash_flow", "投资现金流净额"),
    "financing_cash_flow": _flow("financing_cash_flow", "筹资现金流净额"),
    "net_cash_flow": _flow("net_cash_flow", "现金净流量", _multiple("pcf_ncf_ttm"), _annual("net_cash_increase_10k")),
    "capital_expenditure": _flow("capital_expenditure", "资本支出"),
    "eps": _flow(
        "eps", "基本每股收益", _quarterly("eps_ttm", trailing=True), _all_shares("eps"),
        Source(ANNUAL, ("eps_basic",), one),
        growth=(_quarterly("yoy_eps_basic"), _all_shares("eps_yoy", factor=PER_CENT)),
    ),
    "total_assets": _level(
        "total_assets", "总资产", _annual("total_assets_10k"),
        growth=(_quarterly("yoy_assets"), _all_shares("targ", factor=PER_CENT)),
    ),
    "total_liabilities": _level("total_liabilities", "总负债", _annual("total_liabilities_10k")),
    "total_equity": _level(
        "total_equity", "股东权益合计", _quarterly("total_assets", "total_liabilities", combine=less),
        _annual("total_assets_10k", "total_liabilities_10k", combine=less), instead="parent_equity",
        growth=(_all_shares("nav", factor=PER_CENT),),
    ),
    "parent_equity": _level(
        "parent_equity", "归母净资产", _quarterly("bvps", "total_shares", combine=product),
        _multiple("pb_mrq", trailing=False),
        _all_shares("bvps", "business_income", "bips", combine=book_of, factor=MILLION),
        _annual("equity_parent_10k"), instead="total_equity",
        growth=(_quarterly("yoy_equity"), _all_shares("seg", factor=PER_CENT)),
    ),
    "current_assets": _level("current_assets", "流动资产", _annual("current_assets_10k")),
    "current_liabilities": _level("current_liabilities", "流动负债", _annual("current_liabilities_10k")),
    "non_current_liabilities": _level(
        "non_current_liabilities", "非流动负债",
        _quarterly("total_liabilities", "current_liabilities", combine=less),
        _annual("total_liabilities_10k", "current_liabilities_10k", combine=less),
    ),
    "fixed_assets": _level("fixed_assets", "固定资产"),
    "inventory": _level("inventory", "存货"),
    "receivables": _level("receivables", "应收账款"),
    "cash": _level("cash", "货币资金"),
    "goodwill": _level("goodwill", "商誉"),
    "interest_bearing_debt": _level("interest_bearing_debt", "有息负债"),
    "shareholders": _level("shareholders", "股东户数"),
}  # fmt: skip
"""Items by name."""

RATIOS: dict[str, Ratio] = {
    "net_margin": Ratio(
        "销售净利率", "net_profit", "revenue",
        (_quarterly("net_margin"), _all_shares("net_profit_ratio", factor=PER_CENT)),
    ),
    "net_profit_to_total_revenue": Ratio("净利润率", "net_profit", "total_revenue"),
    "adjusted_margin": Ratio("扣非净利率", "adjusted_net_profit", "revenue"),
    "gross_margin": Ratio(
        "毛利率", "gross_profit", "revenue",
        (_quarterly("gross_margin"), _all_shares("gross_profit_rate", factor=PER_CENT)),
    ),
    "operating_margin": Ratio("营业利润率", "operating_profit", "revenue"),
    "pretax_margin": Ratio("利润总额/营业收入", "total_profit", "revenue"),
    "cost_to_revenue": Ratio("营业总成本/营业总收入", "total_operating_cost", "total_revenue"),
    "rd_intensity": Ratio("研发费用/营业收入", "rd_expense", "revenue"),
    "selling_ratio": Ratio("销售费用/营业收入", "selling_expense", "revenue"),
    "administrative_ratio": Ratio("管理费用/营业收入", "administrative_expense", "revenue"),
    "cash_to_profit": Ratio(
        "经营现金流/净利润", "operating_cash_flow", "net_profit", (_all_shares("cf_nm"),)
    ),
    "cash_to_sales": Ratio("经营现金流/营业收入", "operating_cash_flow", "revenue", (_all_shares("cf_sales"),)),
    "roe": Ratio(
        "净资产收益率", "parent_net_profit", "parent_equity",
        (_quarterly("roe"), _quarterly("roe_avg"), _all_shares("roe", factor=PER_CENT)), published_first=True,
    ),
    "asset_to_equity": Ratio(
        "总资产/净资产", "total_assets", "total_equity", (_all_shares("sheqratio", combine=inverse, factor=100.0),)
    ),
    "debt_to_assets": Ratio(
        "资产负债率", "total_liabilities", "total_assets", (_all_shares("adratio", factor=PER_CENT),)
    ),
    "current_ratio": Ratio("流动比率", "current_assets", "current_liabilities", (_all_shares("currentratio"),)),
    "cash_ratio": Ratio("现金比率", "cash", "current_liabilities"),
    "current_asset_share": Ratio("流动资产/总资产", "current_assets", "total_assets"),
    "current_liability_share": Ratio("流动负债/总负债", "current_liabilities", "total_liabilities"),
    "cash_to_assets": Ratio("货币资金/总资产", "cash", "total_assets"),
    "goodwill_to_equity": Ratio("商誉/净资产", "goodwill", "total_equity"),
    "inventory_turnover": Ratio("存货周转率", "operating_cost", "inventory", (_all_shares("inventory_turnover"),)),
    "receivable_turnover": Ratio("应收账款周转率", "revenue", "receivables", (_all_shares("arturnover"),)),
    "current_asset_turnover": Ratio(
        "流动资产周转率", "revenue", "current_assets", (_all_shares("currentasset_turnover"),)
    ),
    "fixed_asset_turnover": Ratio("固定资产周转率", "revenue", "fixed_assets"),
    "asset_turnover": Ratio("总资产周转率", "revenue", "total_assets"),
    "quick_ratio": Ratio("速动比率", "quick_assets", "current_liabilities", (_all_shares("quickratio"),)),
}  # fmt: skip
"""Ratios of two items by name, both of one report."""

ITEMS["quick_assets"] = _level(
    "quick_assets", "速动资产", _quarterly("current_assets", "inventory", combine=less)
)
