"""Financial quality: profitability, margins, turnover, cash behind the profit, steadiness.

``_q`` is since 1 January as last reported, ``_ttm`` the last twelve months. Levels are those of the latest report, not
means over the period, as papers 2 and 3 define them; published ratios, where they are used, say so.
"""

from __future__ import annotations

import numpy as np

from signals.factors.declare import Figure, declare_item, declare_quotient, inputs_of, quotient
from signals.factors.items import item
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

_QUOTIENTS: tuple[tuple[str, str, Figure, Figure, str, str], ...] = (
    ("roe_ttm", "净资产收益率TTM", ("parent_net_profit", "ttm"), ("parent_equity", "reported"),
     "paper 3, chart 13: ROE_ttm; paper 1, table 1: ROE",
     "Parent's net profit of twelve months over the parent's equity."),
    ("roe_end_q", "期末净资产收益率", ("net_profit", "reported"), ("total_equity", "reported"),
     "paper 2, appendix 1: S_FA_ROE", "Net profit since 1 January over total equity at the quarter's end."),
    ("roa_q", "资产回报率", ("net_profit", "reported"), ("total_assets", "reported"), "paper 3, chart 13: ROA_q",
     "Net profit since 1 January over total assets."),
    ("roa_ttm", "资产回报率TTM", ("net_profit", "ttm"), ("total_assets", "reported"),
     "paper 3, chart 13: ROA_ttm; paper 1, table 1: ROA", "Net profit of twelve months over total assets."),
    ("asset_turnover_q", "资产周转率", ("revenue", "reported"), ("total_assets", "reported"),
     "paper 3, chart 13: assetturnover_q", "Revenue since 1 January over total assets."),
    ("asset_turnover_ttm", "资产周转率TTM", ("revenue", "ttm"), ("total_assets", "reported"),
     "paper 3, chart 13: assetturnover_ttm", "Revenue of twelve months over total assets."),
    ("gross_profit_to_assets", "毛利/总资产", ("gross_profit", "ttm"), ("total_assets", "reported"),
     "Novy-Marx (2013): gross profitability", "Gross profit of twelve months over total assets."),
    ("operating_profit_to_equity", "营业利润/净资产", ("operating_profit", "ttm"), ("parent_equity", "reported"),
     "Fama and French (2015): operating profitability", "Operating profit of twelve months over the parent's equity."),
    ("ocf_to_assets", "经营现金流/总资产", ("operating_cash_flow", "ttm"), ("total_assets", "reported"),
     "Piotroski (2000): CFO", "Operating cash flow of twelve months over total assets."),
    ("equity_turnover_ttm", "净资产周转率", ("revenue", "ttm"), ("parent_equity", "reported"), "common",
     "Revenue of twelve months over the parent's equity."),
    ("adjusted_roe_ttm", "扣非净资产收益率TTM", ("adjusted_net_profit", "ttm"), ("parent_equity", "reported"), "common",
     "Net profit without non-recurring items of twelve months over the parent's equity."),
    ("operating_profit_to_current_liabilities", "营业利润/流动负债", ("operating_profit", "ttm"),
     ("current_liabilities", "reported"), "paper 2, appendix 1: S_FA_OPTOLIQDEBT",
     "Operating profit of twelve months over current liabilities."),
)  # fmt: skip

for _name, _chinese, _top, _bottom, _source, _words in _QUOTIENTS:
    declare_quotient(
        _name, _top, _bottom, chinese=_chinese, family="quality", direction=1, unit="fraction", source=_source,
        formula=_words,
    )  # fmt: skip

_ITEMS: tuple[tuple[str, str, str, str, int, str, str], ...] = (
    ("roe_q", "净资产收益率", "roe", "reported", 1,
     "paper 3, chart 13: ROE_q",
     "ROE since 1 January as the report publishes it (weighted or mean equity), else parent's net profit over equity."),
    ("gross_margin_q", "毛利率", "gross_margin", "reported", 1,
     "paper 3, chart 13: grossprofitmargin_q; paper 1, table 1: GPM",
     "Gross profit over revenue since 1 January, else as the report publishes it."),
    ("gross_margin_ttm", "毛利率TTM", "gross_margin", "ttm", 1, "paper 3, chart 13: grossprofitmargin_ttm",
     "Gross profit over revenue of twelve months."),
    ("profit_margin_q", "扣非净利润率", "adjusted_margin", "reported", 1, "paper 3, chart 13: profitmargin_q",
     "Net profit without non-recurring items over revenue, since 1 January."),
    ("profit_margin_ttm", "扣非净利润率TTM", "adjusted_margin", "ttm", 1, "paper 3, chart 13: profitmargin_ttm",
     "Net profit without non-recurring items over revenue, twelve months."),
    ("ocf_ratio_q", "经营现金流/净利润", "cash_to_profit", "reported", 1,
     "paper 3, chart 13: operationcashflowratio_q",
     "Operating cash flow over net profit since 1 January; absent with a loss, else as the report publishes it."),
    ("ocf_ratio_ttm", "经营现金流/净利润TTM", "cash_to_profit", "ttm", 1,
     "paper 3, chart 13: operationcashflowratio_ttm",
     "Operating cash flow over net profit of twelve months; absent with a loss."),
    ("net_margin_q", "销售净利率", "net_margin", "reported", 1,
     "paper 1, table 1: Net_profit_margin; paper 2, appendix 1: S_FA_NETPROFITMARGIN",
     "Net profit over revenue since 1 January, else as the report publishes it."),
    ("net_margin_ttm", "销售净利率TTM", "net_margin", "ttm", 1, "common", "Net profit over revenue of twelve months."),
    ("net_profit_to_total_revenue", "净利润率", "net_profit_to_total_revenue", "reported", 1,
     "paper 1, table 1: Net_profit_to_total_revenue", "Net profit over total operating revenue since 1 January."),
    ("operating_margin_ttm", "营业利润率TTM", "operating_margin", "ttm", 1, "common",
     "Operating profit over revenue of twelve months."),
    ("pretax_margin", "利润总额/营业收入", "pretax_margin", "ttm", 1, "paper 2, appendix 1: S_FA_PROFITTOOP",
     "Total profit over revenue of twelve months."),
    ("cost_to_revenue", "营业总成本/营业总收入", "cost_to_revenue", "ttm", -1, "paper 2, appendix 1: S_FA_GCTOGR",
     "Total operating cost over total operating revenue of twelve months."),
    ("cash_to_sales_q", "经营现金流/营业收入", "cash_to_sales", "reported", 1, "common",
     "Operating cash flow over revenue since 1 January."),
    ("cash_to_sales_ttm", "经营现金流/营业收入TTM", "cash_to_sales", "ttm", 1, "common",
     "Operating cash flow over revenue of twelve months."),
    ("fixed_asset_turnover", "固定资产周转率", "fixed_asset_turnover", "ttm", 1, "paper 2, appendix 1: S_FA_FATURN",
     "Revenue of twelve months over fixed assets."),
    ("current_asset_turnover", "流动资产周转率", "current_asset_turnover", "ttm", 1, "common",
     "Revenue of twelve months over current assets."),
    ("inventory_turnover", "存货周转率", "inventory_turnover", "reported", 1, "common",
     "Operating cost since 1 January over inventory, else as the report publishes it (over mean inventory)."),
    ("receivable_turnover", "应收账款周转率", "receivable_turnover", "reported", 1, "common",
     "Revenue since 1 January over receivables, else as the report publishes it (over mean receivables)."),
    ("rd_intensity", "研发费用率", "rd_intensity", "ttm", 1, "common",
     "Research expense over revenue of twelve months."),
    ("selling_ratio", "销售费用率", "selling_ratio", "ttm", 0, "common",
     "Selling expense over revenue of twelve months."),
    ("administrative_ratio", "管理费用率", "administrative_ratio", "ttm", -1, "common",
     "Administrative expense over revenue of twelve months."),
    ("current_asset_share", "流动资产/总资产", "current_asset_share", "reported", 0,
     "paper 2, appendix 1: S_FA_CATOASSETS", "Current assets over total assets."),
    ("goodwill_to_equity", "商誉/净资产", "goodwill_to_equity", "reported", -1, "common",
     "Goodwill over total equity."),
    ("roe_year_change", "ROE同比变动率TTM", "roe", "ttm_yoy", 1, "common",
     "Parent's net profit over its equity, twelve months, over that of a year before, less 1."),
    ("profit_variation", "单季净利润变异系数", "net_profit", "variation", -1, "common: earnings variability",
     "Standard deviation of eight single quarters' net profit over the size of their mean."),
    ("sales_variation", "单季营业收入变异系数", "revenue", "variation", -1, "common: sales variability",
     "Standard deviation of eight single quarters' revenue over the size of their mean."),
)  # fmt: skip

for _name, _chinese, _item, _kind, _direction, _source, _words in _ITEMS:
    declare_item(
        _name, (_item, _kind), chinese=_chinese, family="quality", direction=_direction, unit="fraction",
        source=_source, formula=_words,
    )  # fmt: skip


@factor(
    "accruals", chinese="应计利润/总资产", family="quality", direction=-1, unit="fraction",
    inputs=inputs_of("net_profit", "operating_cash_flow", "total_assets"), lookback=1, source="Sloan (1996)",
)  # fmt: skip
def accruals(panel: FactorPanel) -> np.ndarray:
    """(Net profit - operating cash flow, twelve months) over total assets."""
    gap = item(panel, "net_profit", "ttm") - item(panel, "operating_cash_flow", "ttm")
    return quotient(panel, gap, item(panel, "total_assets"))


@factor(
    "operating_to_total_profit", chinese="经营活动净收益/利润总额", family="quality", direction=1, unit="fraction",
    inputs=inputs_of("operating_profit", "investment_income", "total_profit"), lookback=1,
    source="paper 2, appendix 1: S_FA_OPERATEINCOMETOEBT",
)  # fmt: skip
def operating_to_total_profit(panel: FactorPanel) -> np.ndarray:
    """(Operating profit - investment income) over total profit, twelve months; absent with a loss.

    Gains of fair value, which the definition leaves out too, are not in the data and stay in.
    """
    own = item(panel, "operating_profit", "ttm") - item(panel, "investment_income", "ttm")
    return quotient(panel, own, item(panel, "total_profit", "ttm"))


@factor(
    "non_recurring_share", chinese="非经常性损益占比", family="quality", direction=-1, unit="fraction",
    inputs=inputs_of("parent_net_profit", "adjusted_net_profit"), lookback=1, source="common",
)  # fmt: skip
def non_recurring_share(panel: FactorPanel) -> np.ndarray:
    """1 - net profit without non-recurring items over the parent's net profit, twelve months; absent with a loss."""
    return 1.0 - quotient(
        panel, item(panel, "adjusted_net_profit", "ttm"), item(panel, "parent_net_profit", "ttm")
    )
