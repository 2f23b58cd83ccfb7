"""Size: market values, share counts, and the yuan figures of the reports that papers 1 and 2 use as they stand."""

from __future__ import annotations

import numpy as np

from signals.factors.declare import WORTH, Figure, declare_item, figure, inputs_of, on_bars, quotient
from signals.factors.items import item, market_value
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

_SHARES: Figure = (WORTH, "")

_FIGURES: tuple[tuple[str, str, Figure, int, str, str], ...] = (
    ("market_value", "总市值", _SHARES, -1, "common (direction: paper 3's ln_capital)", "Close times total shares."),
    ("net_assets", "净资产", ("parent_equity", "reported"), 0, "paper 2, appendix 1: NET_ASSETS_TODAY",
     "Parent's equity."),
    ("total_equity", "股东权益合计", ("total_equity", "reported"), 0, "paper 1, table 1: Total_owner_cap",
     "Total equity, minorities included."),
    ("operating_profit", "营业利润", ("operating_profit", "reported"), 0,
     "paper 2, appendix 1: OPER_PROFIT", "Operating profit since 1 January."),
    ("operating_profit_ttm", "营业利润TTM", ("operating_profit", "ttm"), 0, "paper 1, table 1: Operating_profit",
     "Operating profit of twelve months."),
    ("total_revenue_ttm", "营业总收入TTM", ("total_revenue", "ttm"), 0, "paper 1, table 1: Total_operating_revenue",
     "Total operating revenue of twelve months."),
    ("revenue", "营业收入", ("revenue", "reported"), 0, "paper 2, appendix 1: OPER_REV", "Revenue since 1 January."),
    ("total_profit", "利润总额", ("total_profit", "reported"), 0, "paper 2, appendix 1: TOT_PROFIT",
     "Total profit since 1 January."),
    ("selling_expense", "销售费用", ("selling_expense", "reported"), 0,
     "paper 2, appendix 1: LESS_SELLING_DISTRIBUT_EXP", "Selling expense since 1 January."),
    ("current_assets", "流动资产", ("current_assets", "reported"), 0, "paper 2, appendix 1: TOT_CUR_ASSETS",
     "Current assets."),
    ("current_liabilities", "流动负债", ("current_liabilities", "reported"), 0, "paper 2, appendix 1: TOT_CUR_LIAB",
     "Current liabilities."),
    ("total_assets", "总资产", ("total_assets", "reported"), 0, "paper 2, appendix 1: TOT_ASSETS", "Total assets."),
    ("fixed_assets", "固定资产", ("fixed_assets", "reported"), 0, "paper 2, appendix 1: FIX_ASSETS", "Fixed assets."),
    ("parent_net_profit_ttm", "归母净利润TTM", ("parent_net_profit", "ttm"), 0,
     "paper 2, appendix 1: NET_PROFIT_PARENT_COMP_TTM", "Parent's net profit of twelve months."),
    ("operating_cash_flow_ttm", "经营现金流TTM", ("operating_cash_flow", "ttm"), 0,
     "paper 2, appendix 1: NET_CASH_FLOWS_OPER_ACT_TTM", "Operating cash flow of twelve months."),
    ("revenue_ttm", "营业收入TTM", ("revenue", "ttm"), 0, "paper 2, appendix 1: OPER_REV_TTM",
     "Revenue of twelve months."),
)  # fmt: skip

for _name, _chinese, _wanted, _direction, _source, _words in _FIGURES:
    declare_item(
        _name, _wanted, chinese=_chinese, family="size", direction=_direction, unit="yuan", source=_source,
        formula=_words,
    )  # fmt: skip

for _name, _chinese, _wanted, _direction, _source, _words in (
    ("ln_capital", "对数总市值", _SHARES, -1, "paper 3, chart 13: ln_capital", "close times total shares"),
    ("ln_assets", "对数总资产", ("total_assets", "reported"), -1, "common", "total assets"),
    ("ln_revenue", "对数营业收入TTM", ("revenue", "ttm"), -1, "common", "revenue of twelve months"),
):
    declare_item(
        _name, _wanted, chinese=_chinese, family="size", direction=_direction, unit="log yuan", source=_source,
        formula=f"Natural logarithm of {_words}.", log=True,
    )  # fmt: skip


@factor(
    "float_market_value", chinese="流通市值", family="size", direction=-1, unit="yuan",
    inputs=("close", "float_shares"), lookback=1,
    source="paper 1, table 1: CMV; paper 2, appendix 1: S_DQ_MV (direction: paper 3's ln_capital)",
)  # fmt: skip
def float_market_value(panel: FactorPanel) -> np.ndarray:
    """Close times float shares."""
    return on_bars(panel, panel.at("close") * panel.at("float_shares"))


@factor(
    "ln_float_capital", chinese="对数流通市值", family="size", direction=-1, unit="log yuan",
    inputs=("close", "float_shares"), lookback=1, source="common",
)  # fmt: skip
def ln_float_capital(panel: FactorPanel) -> np.ndarray:
    """Natural logarithm of close times float shares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return on_bars(panel, np.log(panel.at("close") * panel.at("float_shares")))


@factor(
    "circulating_shares", chinese="流通股本", family="size", direction=-1, unit="shares", inputs=("float_shares",),
    lookback=1, source="paper 1, table 1: Circulating_cap",
)  # fmt: skip
def circulating_shares(panel: FactorPanel) -> np.ndarray:
    """Float shares of the session."""
    return on_bars(panel, panel.at("float_shares"))


@factor(
    "mid_cap", chinese="非线性市值", family="size", direction=-1, unit="log yuan",
    inputs=("close", "total_shares", "member"), lookback=1, source="Barra CNE5: NLSIZE, without weights",
)  # fmt: skip
def mid_cap(panel: FactorPanel) -> np.ndarray:
    """Residual of the cube of standardised ln(market value) regressed on it, over the universe's members with a bar.

    Standardised is less the mean, over the standard deviation (n - 1). Absent on a day with fewer than three stocks.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = on_bars(panel, np.log(market_value(panel)))
        there = np.isfinite(size) & (panel.at("member") > 0)
        count, days = there.sum(axis=1, keepdims=True), np.nonzero(there)[0]

        def mean(values: np.ndarray) -> np.ndarray:
            """One stock after the other: another that is absent changes no bit of it."""
            return np.bincount(days, weights=values[there], minlength=len(count))[:, None] / count

        gap = size - mean(size)
        z = gap / np.sqrt(mean(gap**2) * count / (count - 1))
        cube = z**3 - mean(z**3)
        residual = cube - z * mean(z * cube) / mean(z * z)
    return np.where(np.isfinite(size) & (count > 2), residual, np.nan)


_PER_SHARE: tuple[tuple[str, str, Figure, str, str], ...] = (
    ("eps_ttm", "每股收益TTM", ("parent_net_profit", "ttm"), "common",
     "Parent's net profit of twelve months over total shares of the session."),
    ("bvps", "每股净资产", ("parent_equity", "reported"), "paper 2, appendix 1: S_FA_BPS",
     "Parent's equity over total shares of the session."),
    ("revenue_per_share", "每股营业收入", ("revenue", "ttm"), "paper 2, appendix 1: S_FA_ORPS",
     "Revenue of twelve months over total shares of the session."),
    ("ocf_per_share", "每股经营现金流", ("operating_cash_flow", "ttm"), "common",
     "Operating cash flow of twelve months over total shares of the session."),
)  # fmt: skip


def _per_share(name: str, chinese: str, top: Figure, source: str, words: str) -> None:
    @factor(
        name, chinese=chinese, family="size", direction=1, unit="yuan a share",
        inputs=tuple(dict.fromkeys((*inputs_of(top[0]), "total_shares"))), lookback=1, source=source,
    )  # fmt: skip
    def compute(panel: FactorPanel) -> np.ndarray:
        return quotient(panel, figure(panel, top), panel.at("total_shares"))

    compute.__doc__ = words


for _row in _PER_SHARE:
    _per_share(*_row)

declare_item(
    "eps_basic", ("eps", "ttm"), chinese="基本每股收益", family="size", direction=1, unit="yuan a share",
    source="paper 1, table 1: EPS; paper 2, appendix 1: S_FA_EPS_BASIC",
    formula="Published basic earnings a share of twelve months, on the share counts of their days.",
)  # fmt: skip


@factor(
    "ebit", chinese="息税前利润", family="size", direction=0, unit="yuan",
    inputs=inputs_of("total_profit", "finance_expense"), lookback=1, source="paper 2, appendix 1: EBIT",
)  # fmt: skip
def ebit(panel: FactorPanel) -> np.ndarray:
    """Total profit + finance expense, twelve months."""
    return on_bars(panel, item(panel, "total_profit", "ttm") + item(panel, "finance_expense", "ttm"))


@factor(
    "ebitda", chinese="息税折旧摊销前利润", family="size", direction=0, unit="yuan",
    inputs=inputs_of("total_profit", "finance_expense", "depreciation"), lookback=1,
    source="paper 2, appendix 1: EBITDA",
)  # fmt: skip
def ebitda(panel: FactorPanel) -> np.ndarray:
    """Total profit + finance expense + depreciation and amortisation, twelve months."""
    parts = [item(panel, name, "ttm") for name in ("total_profit", "finance_expense", "depreciation")]
    return on_bars(panel, parts[0] + parts[1] + parts[2])


@factor(
    "fcff", chinese="企业自由现金流量", family="size", direction=0, unit="yuan",
    inputs=inputs_of("operating_cash_flow", "finance_expense", "capital_expenditure"), lookback=1,
    source="paper 2, appendix 1: S_FA_FCFF",
)  # fmt: skip
def fcff(panel: FactorPanel) -> np.ndarray:
    """Operating cash flow + finance expense x (1 - 25 % tax) - capital expenditure, twelve months."""
    parts = [item(panel, name, "ttm") for name in ("operating_cash_flow", "finance_expense", "capital_expenditure")]
    return on_bars(panel, parts[0] + 0.75 * parts[1] - parts[2])
