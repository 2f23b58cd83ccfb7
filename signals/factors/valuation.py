"""Valuation: what a yuan of market value buys. Market value is close times total shares of all classes."""

from __future__ import annotations

import numpy as np

from signals.factors.declare import WORTH, Figure, declare_quotient, figure, inputs_of, on_bars, quotient
from signals.factors.items import item, market_value
from signals.factors.panel import FactorPanel
from signals.factors.registry import factor
from signals.factors.report_kernels import add_between, sessions_before

_WORTH: Figure = (WORTH, "")
_PROFIT: Figure = ("parent_net_profit", "ttm")
_BOOK: Figure = ("parent_equity", "reported")

_YIELDS: tuple[tuple[str, str, Figure, str, str], ...] = (
    ("ep", "盈市率", _PROFIT, "paper 3, chart 13: EP", "Parent's net profit of twelve months"),
    ("ep_cut", "扣非盈市率", ("adjusted_net_profit", "ttm"), "paper 3, chart 13: EPcut",
     "Parent's net profit of twelve months without non-recurring items"),
    ("bp", "账面市值比", _BOOK, "paper 3, chart 13: BP", "Parent's equity"),
    ("sp", "营收市值比", ("revenue", "ttm"), "paper 3, chart 13: SP", "Revenue of twelve months"),
    ("ncfp", "净现金流市值比", ("net_cash_flow", "ttm"), "paper 3, chart 13: NCFP", "Net cash flow of twelve months"),
    ("ocfp", "经营现金流市值比", ("operating_cash_flow", "ttm"), "paper 3, chart 13: OCFP",
     "Operating cash flow of twelve months"),
    ("gross_profit_yield", "毛利市值比", ("gross_profit", "ttm"), "Novy-Marx (2013), over market value",
     "Gross profit of twelve months"),
    ("operating_profit_yield", "营业利润市值比", ("operating_profit", "ttm"), "common",
     "Operating profit of twelve months"),
    ("ep_single", "单季盈市率", ("net_profit", "quarter"), "common", "Net profit of the single quarter"),
    ("assets_yield", "总资产市值比", ("total_assets", "reported"), "Fama and French (1992): A/ME", "Total assets"),
    ("rd_yield", "研发费用市值比", ("rd_expense", "ttm"), "Chan, Lakonishok and Sougiannis (2001)",
     "Research expense of twelve months"),
    ("cash_yield", "货币资金市值比", ("cash", "reported"), "common", "Cash"),
)  # fmt: skip

for _name, _chinese, _top, _source, _words in _YIELDS:
    declare_quotient(
        _name, _top, _WORTH, chinese=_chinese, family="valuation", direction=1, unit="fraction", source=_source,
        formula=f"{_words} over market value.",
    )  # fmt: skip

_MULTIPLES: tuple[tuple[str, str, Figure, str, str], ...] = (
    ("pe", "市盈率", _PROFIT, "paper 1, table 1: PE; paper 2, appendix 1: S_VAL_PE (direction: paper 3's EP)",
     "parent's net profit of twelve months; negative with a loss"),
    ("pb", "市净率", _BOOK, "paper 1, table 1: PB; paper 2, appendix 1: S_VAL_PB_NEW (direction: paper 3's BP)",
     "parent's equity"),
    ("ps", "市销率", ("total_revenue", "ttm"),
     "paper 1, table 1: PS; paper 2, appendix 1: S_VAL_PS (direction: paper 3's SP)",
     "total operating revenue of twelve months"),
    ("pcf", "市现率", ("net_cash_flow", "ttm"), "paper 1, table 1: PCF (direction: paper 3's NCFP)",
     "net cash flow of twelve months; negative with an outflow"),
    ("pocf", "经营市现率", ("operating_cash_flow", "ttm"), "common (direction: paper 3's OCFP)",
     "operating cash flow of twelve months; negative with an outflow"),
    ("rd", "市研率", ("rd_expense", "ttm"), "paper 1, table 1: RD", "research expense of twelve months"),
)  # fmt: skip

for _name, _chinese, _bottom, _source, _words in _MULTIPLES:
    declare_quotient(
        _name, _WORTH, _bottom, chinese=_chinese, family="valuation", direction=-1, unit="ratio", source=_source,
        formula=f"Market value over {_words}.", above=False,
    )  # fmt: skip


@factor(
    "dp", chinese="股息率", family="valuation", direction=1, unit="fraction",
    inputs=("events", "close", "total_shares", "age"), lookback=262,
    source="paper 1, table 1: DP; paper 3, chart 13: DP",
)  # fmt: skip
def dp(panel: FactorPanel) -> np.ndarray:
    """Cash dividends with an ex-date in the last 12 months, before tax, over market value.

    A dividend is the cash a share times the total shares on the last bar before the ex-date, so that shares issued
    since do not change what was paid. 0 for a stock that paid nothing; absent until 12 months of the stock's listing
    lie in the panel.
    """
    events = panel.dividends
    order = np.argsort(events["t"], kind="stable")
    t, stock, cash = (events[name][order] for name in ("t", "i", "cash"))
    before = sessions_before(t.astype(np.int64), stock.astype(np.int64), panel.source.traded)
    shares = panel.source.total_shares[np.maximum(before, 0), stock]
    paid = np.where(before >= 0, shares, np.nan) * cash  # unknown where there is no bar before it
    year_ago = panel.dates.astype("datetime64[M]") - 12
    day = (panel.dates - panel.dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    last_day = ((year_ago + 1).astype("datetime64[D]") - year_ago.astype("datetime64[D]")).astype(np.int64) - 1
    since = year_ago.astype("datetime64[D]") + np.minimum(day, last_day)
    after = np.searchsorted(panel.sessions, since, side="right") - 1
    sums = add_between(t.astype(np.int64), stock.astype(np.int64), paid, after, panel.rows, panel.shape[1])
    old = (after[:, None] >= 0) & (panel.at("age") > (panel.rows - after)[:, None])  # age is 1 on the first day
    return quotient(panel, np.where(old, sums, np.nan), market_value(panel))


@factor(
    "g_pe", chinese="市盈增长比", family="valuation", direction=1, unit="fraction",
    inputs=inputs_of("parent_net_profit", WORTH), lookback=1, source="paper 3, chart 13: G/PE",
)  # fmt: skip
def g_pe(panel: FactorPanel) -> np.ndarray:
    """Growth of the parent's net profit of twelve months over a year before (above zero then), over PE."""
    growth = item(panel, "parent_net_profit", "ttm_yoy")
    return on_bars(panel, growth * quotient(panel, item(panel, "parent_net_profit", "ttm"), market_value(panel)))


def _enterprise(panel: FactorPanel) -> np.ndarray:
    """Market value + liabilities - cash, yuan."""
    return market_value(panel) + item(panel, "total_liabilities") - item(panel, "cash")


@factor(
    "ebitda_ev", chinese="EBITDA/企业价值", family="valuation", direction=1, unit="fraction",
    inputs=inputs_of("total_profit", "finance_expense", "depreciation", "total_liabilities", "cash", WORTH), lookback=1,
    source="Loughran and Wellman (2011)",
)  # fmt: skip
def ebitda_ev(panel: FactorPanel) -> np.ndarray:
    """(Total profit + finance expense + depreciation, twelve months) over (market value + liabilities - cash)."""
    parts = [item(panel, name, "ttm") for name in ("total_profit", "finance_expense", "depreciation")]
    return quotient(panel, parts[0] + parts[1] + parts[2], _enterprise(panel))


@factor(
    "sales_ev", chinese="营收/企业价值", family="valuation", direction=1, unit="fraction",
    inputs=inputs_of("revenue", "total_liabilities", "cash", WORTH), lookback=1, source="common",
)  # fmt: skip
def sales_ev(panel: FactorPanel) -> np.ndarray:
    """Revenue of twelve months over (market value + liabilities - cash)."""
    return quotient(panel, item(panel, "revenue", "ttm"), _enterprise(panel))


@factor(
    "operating_profit_to_claims", chinese="营业利润/(市值+负债)", family="valuation", direction=1, unit="fraction",
    inputs=inputs_of("operating_profit", "total_liabilities", WORTH), lookback=1,
    source="common: EBIT/EV with total debt",
)  # fmt: skip
def operating_profit_to_claims(panel: FactorPanel) -> np.ndarray:
    """Operating profit of twelve months over (market value + total liabilities)."""
    claims = market_value(panel) + item(panel, "total_liabilities")
    return quotient(panel, item(panel, "operating_profit", "ttm"), claims)


@factor(
    "log_bp", chinese="对数账面市值比", family="valuation", direction=1, unit="log ratio",
    inputs=inputs_of("parent_equity", WORTH), lookback=1, source="Fama and French (1992): ln(BE/ME)",
)  # fmt: skip
def log_bp(panel: FactorPanel) -> np.ndarray:
    """Natural logarithm of the parent's equity over market value; absent with negative equity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = quotient(panel, figure(panel, _BOOK), market_value(panel))
        return np.where(ratio > 0, np.log(ratio), np.nan)


def _relative(name: str, chinese: str, top: Figure, words: str) -> None:
    @factor(
        name, chinese=chinese, family="valuation", direction=1, unit="fraction",
        inputs=(*inputs_of(top[0], WORTH), "member", "table:industry_sw_history.l1_code"), lookback=1,
        source="common: industry-relative value",
    )  # fmt: skip
    def compute(panel: FactorPanel) -> np.ndarray:
        values = quotient(panel, figure(panel, top), market_value(panel))
        return values - industry_mean(panel, values)

    compute.__doc__ = (
        f"{words} over market value, less the mean of the universe's members of the Shenwan level-1 industry that day."
    )


def industry_mean(panel: FactorPanel, values: np.ndarray) -> np.ndarray:
    """Mean of each stock's industry on each day over the members of the universe, NaN without one; (D, N).

    Stocks that join an index later are in its panel before: counted, they would tell that they join.
    """
    codes, groups = panel.industry, int(panel.industry.max(initial=-1)) + 1
    there = np.isfinite(values) & (codes >= 0)
    cells = np.arange(len(codes))[:, None] * groups + codes
    counted = there & (panel.at("member") > 0)
    size = len(codes) * groups
    counts = np.bincount(cells[counted], minlength=size)
    sums = np.bincount(cells[counted], weights=values[counted], minlength=size)
    out = np.full(values.shape, np.nan)
    with np.errstate(invalid="ignore"):
        out[there] = sums[cells[there]] / counts[cells[there]]
    return out


for _name, _chinese, _top, _words in (
    ("ep_to_industry", "行业相对盈市率", _PROFIT, "Parent's net profit of twelve months"),
    ("bp_to_industry", "行业相对账面市值比", _BOOK, "Parent's equity"),
    ("sp_to_industry", "行业相对营收市值比", ("revenue", "ttm"), "Revenue of twelve months"),
):
    _relative(_name, _chinese, _top, _words)
