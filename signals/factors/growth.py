"""Growth of what companies report. Growth over a base that is not above zero is absent, not a number."""

from __future__ import annotations

import numpy as np

from signals.factors.declare import declare_item, inputs_of, on_bars, quotient
from signals.factors.items import item
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

_BEFORE = "over the same months a year before, latest report"

_GROWTH: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("sales_g_q", "营业收入同比增长率", "revenue", "yoy",
     "paper 3, chart 13: Sales_G_q; paper 1, table 1: Inc_revenue_year_on_year", f"Revenue since 1 January {_BEFORE}"),
    ("profit_g_q", "净利润同比增长率", "net_profit", "yoy",
     "paper 3, chart 13: Profit_G_q; paper 1, table 1: Inc_net_profit_year_on_year",
     f"Net profit since 1 January {_BEFORE}"),
    ("ocf_g_q", "经营现金流同比增长率", "operating_cash_flow", "yoy", "paper 3, chart 13: OCF_G_q",
     f"Operating cash flow since 1 January {_BEFORE}"),
    ("roe_g_q", "ROE同比增长率", "roe", "yoy", "paper 3, chart 13: ROE_G_q", f"ROE since 1 January {_BEFORE}"),
    ("parent_profit_g_q", "归母净利润同比增长率", "parent_net_profit", "yoy", "common",
     f"Parent's net profit since 1 January {_BEFORE}"),
    ("adjusted_profit_g_q", "扣非净利润同比增长率", "adjusted_net_profit", "yoy", "common",
     f"Net profit without non-recurring items since 1 January {_BEFORE}"),
    ("operating_profit_g_q", "营业利润同比增长率", "operating_profit", "yoy", "common",
     f"Operating profit since 1 January {_BEFORE}"),
    ("total_profit_g_q", "利润总额同比增长率", "total_profit", "yoy", "common",
     f"Total profit since 1 January {_BEFORE}"),
    ("gross_profit_g_q", "毛利同比增长率", "gross_profit", "yoy", "common", f"Gross profit since 1 January {_BEFORE}"),
    ("eps_g_q", "每股收益同比增长率", "eps", "yoy", "common", f"Basic earnings a share since 1 January {_BEFORE}"),
    ("sales_g_ttm", "营业收入TTM同比增长率", "revenue", "ttm_yoy", "common",
     "Revenue of twelve months over that before"),
    ("profit_g_ttm", "归母净利润TTM同比增长率", "parent_net_profit", "ttm_yoy", "common",
     "Parent's net profit of twelve months over that of a year before"),
    ("ocf_g_ttm", "经营现金流TTM同比增长率", "operating_cash_flow", "ttm_yoy", "common",
     "Operating cash flow of twelve months over that of a year before"),
    ("sales_g_single", "单季营业收入同比增长率", "revenue", "quarter_yoy", "common",
     "Revenue of the single quarter over that of a year before"),
    ("profit_g_single", "单季净利润同比增长率", "net_profit", "quarter_yoy", "JoinQuant: inc_net_profit_year_on_year",
     "Net profit of the single quarter over that of a year before"),
)  # fmt: skip

for _name, _chinese, _item, _kind, _source, _words in _GROWTH:
    declare_item(
        _name, (_item, _kind), chinese=_chinese, family="growth", direction=1, unit="fraction", source=_source,
        formula=f"{_words}, less 1. Where the parts are not known, the growth that the report publishes.",
    )  # fmt: skip

_OTHERS: tuple[tuple[str, str, str, str, int, str, str, str], ...] = (
    ("assets_g", "总资产同比增长率", "total_assets", "yoy", -1, "fraction",
     "Cooper, Gulen and Schill (2008): asset growth",
     "Total assets over those of a year before, less 1."),
    ("equity_g", "净资产同比增长率", "parent_equity", "yoy", 0, "fraction", "common",
     "Parent's equity over that of a year before, less 1."),
    ("liabilities_g", "总负债同比增长率", "total_liabilities", "yoy", -1, "fraction", "common",
     "Total liabilities over those of a year before, less 1."),
    ("profit_acceleration", "单季净利润增速变化", "net_profit", "acceleration", 1, "fraction", "common",
     "Growth of the single quarter's net profit over a year before, less that of the quarter before."),
    ("sales_acceleration", "单季营业收入增速变化", "revenue", "acceleration", 1, "fraction", "common",
     "Growth of the single quarter's revenue over a year before, less that of the quarter before."),
    ("sue", "标准化预期外盈利", "net_profit", "surprise", 1, "ratio", "Bernard and Thomas (1989): SUE",
     "Single quarter's net profit less that of a year before (x): (x - mean of eight) over their deviation, n - 1."),
    ("sur", "标准化预期外收入", "revenue", "surprise", 1, "ratio", "Jegadeesh and Livnat (2006): SUR",
     "Single quarter's revenue less that of a year before (x): (x - mean of eight) over their deviation, n - 1."),
    ("profit_trend_5y", "净利润五年增长趋势", "parent_net_profit", "trend", 1, "fraction", "Barra CNE5: EGRO",
     "Slope of a line through the parent's net profit of the last five years over the mean of their sizes, a year."),
    ("sales_trend_5y", "营业收入五年增长趋势", "revenue", "trend", 1, "fraction", "Barra CNE5: SGRO",
     "Slope of a line through the revenue of the last five years over the mean of their sizes, a year."),
    ("ocf_trend_5y", "经营现金流五年增长趋势", "operating_cash_flow", "trend", 1, "fraction", "as Barra's EGRO",
     "Slope of a line through the operating cash flow of the last five years over the mean of their sizes, a year."),
    ("assets_trend_5y", "总资产五年增长趋势", "total_assets", "trend", -1, "fraction", "as Barra's SGRO",
     "Slope of a line through the total assets of the last five years over the mean of their sizes, a year."),
)  # fmt: skip

for _name, _chinese, _item, _kind, _direction, _unit, _source, _words in _OTHERS:
    declare_item(
        _name, (_item, _kind), chinese=_chinese, family="growth", direction=_direction, unit=_unit, source=_source,
        formula=_words,
    )  # fmt: skip


@factor(
    "profit_change_to_equity", chinese="净利润变动/净资产", family="growth", direction=1, unit="fraction",
    inputs=inputs_of("parent_net_profit", "parent_equity"), lookback=1,
    source="Balakrishnan, Bartov and Faurel (2010), deflated by equity",
)  # fmt: skip
def profit_change_to_equity(panel: FactorPanel) -> np.ndarray:
    """Parent's net profit of twelve months less that of a year before (above zero then), over the parent's equity."""
    now = item(panel, "parent_net_profit", "ttm")
    growth = item(panel, "parent_net_profit", "ttm_yoy")
    before = now / (1.0 + growth)
    return on_bars(panel, quotient(panel, now - before, item(panel, "parent_equity")))
