"""Leverage and liquidity: who bears the balance sheet, and whether the bills of the year can be paid."""

from __future__ import annotations

import numpy as np

from signals.factors.declare import Figure, declare_item, declare_quotient, inputs_of, quotient
from signals.factors.items import item, market_value
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

_ITEMS: tuple[tuple[str, str, str, int, str, str], ...] = (
    ("financial_leverage", "财务杠杆", "asset_to_equity", -1, "paper 3, chart 13: financial_leverage",
     "Total assets over total equity; absent with negative equity."),
    ("cash_ratio", "现金比率", "cash_ratio", 1, "paper 3, chart 13: cashratio", "Cash over current liabilities."),
    ("current_ratio", "流动比率", "current_ratio", 1,
     "paper 3, chart 13: currentratio; paper 2, appendix 1: S_FA_CURRENT", "Current assets over current liabilities."),
    ("quick_ratio", "速动比率", "quick_ratio", 1, "paper 2, appendix 1: S_FA_QUICK",
     "(Current assets - inventory) over current liabilities."),
    ("debt_to_assets", "资产负债率", "debt_to_assets", -1, "Barra CNE5: DTOA", "Total liabilities over total assets."),
    ("current_liability_share", "流动负债/总负债", "current_liability_share", 0, "common",
     "Current liabilities over total liabilities."),
    ("cash_to_assets", "货币资金/总资产", "cash_to_assets", 1, "common", "Cash over total assets."),
)  # fmt: skip

for _name, _chinese, _item, _direction, _source, _words in _ITEMS:
    declare_item(
        _name, (_item, "reported"), chinese=_chinese, family="leverage", direction=_direction, unit="ratio",
        source=_source, formula=_words,
    )  # fmt: skip

_QUOTIENTS: tuple[tuple[str, str, Figure, Figure, int, str, str], ...] = (
    ("debt_equity_ratio", "非流动负债/净资产", ("non_current_liabilities", "reported"), ("total_equity", "reported"),
     -1, "paper 3, chart 13: debtequityratio",
     "Non-current liabilities over total equity; absent with negative equity."),
    ("liabilities_to_equity", "产权比率", ("total_liabilities", "reported"), ("total_equity", "reported"), -1, "common",
     "Total liabilities over total equity; absent with negative equity."),
    ("ocf_to_liabilities", "经营现金流/总负债", ("operating_cash_flow", "ttm"), ("total_liabilities", "reported"), 1,
     "common", "Operating cash flow of twelve months over total liabilities."),
    ("ocf_to_current_liabilities", "经营现金流/流动负债", ("operating_cash_flow", "ttm"),
     ("current_liabilities", "reported"), 1, "common",
     "Operating cash flow of twelve months over current liabilities."),
    ("interest_debt_to_assets", "有息负债率", ("interest_bearing_debt", "reported"), ("total_assets", "reported"), -1,
     "common", "Interest-bearing debt over total assets."),
    ("liabilities_to_market", "总负债/总市值", ("total_liabilities", "reported"), ("market_value", ""), -1,
     "Bhandari (1988)", "Total liabilities over market value."),
)  # fmt: skip

for _name, _chinese, _top, _bottom, _direction, _source, _words in _QUOTIENTS:
    declare_quotient(
        _name, _top, _bottom, chinese=_chinese, family="leverage", direction=_direction, unit="ratio", source=_source,
        formula=_words,
    )  # fmt: skip


@factor(
    "market_leverage", chinese="市场杠杆", family="leverage", direction=-1, unit="ratio",
    inputs=inputs_of("non_current_liabilities", "market_value"), lookback=1, source="Barra CNE5: MLEV",
)  # fmt: skip
def market_leverage(panel: FactorPanel) -> np.ndarray:
    """(Market value + non-current liabilities) over market value."""
    worth = market_value(panel)
    return quotient(panel, worth + item(panel, "non_current_liabilities"), worth)


@factor(
    "book_leverage", chinese="账面杠杆", family="leverage", direction=-1, unit="ratio",
    inputs=inputs_of("non_current_liabilities", "parent_equity"), lookback=1, source="Barra CNE5: BLEV",
)  # fmt: skip
def book_leverage(panel: FactorPanel) -> np.ndarray:
    """(Parent's equity + non-current liabilities) over the parent's equity."""
    equity = item(panel, "parent_equity")
    return quotient(panel, equity + item(panel, "non_current_liabilities"), equity)


@factor(
    "interest_coverage", chinese="利息保障倍数", family="leverage", direction=1, unit="ratio",
    inputs=inputs_of("total_profit", "finance_expense"), lookback=1, source="common",
)  # fmt: skip
def interest_coverage(panel: FactorPanel) -> np.ndarray:
    """(Total profit + finance expense) over finance expense, twelve months; absent where that is not above zero."""
    interest = item(panel, "finance_expense", "ttm")
    return quotient(panel, item(panel, "total_profit", "ttm") + interest, interest)


@factor(
    "working_capital_to_assets", chinese="营运资本/总资产", family="leverage", direction=1, unit="fraction",
    inputs=inputs_of("current_assets", "current_liabilities", "total_assets"), lookback=1,
    source="Altman (1968): X1",
)  # fmt: skip
def working_capital_to_assets(panel: FactorPanel) -> np.ndarray:
    """(Current assets - current liabilities) over total assets."""
    return quotient(
        panel, item(panel, "current_assets") - item(panel, "current_liabilities"), item(panel, "total_assets")
    )
