"""Which factors each paper uses, in its own order.

Paper 1: its table 1, profits and revenue taken over twelve months, which compare across stocks whose last reports are
of different quarters. Paper 2: its appendix 1, which prints 41 rows. Paper 3: its chart 13. Paper 4 says 48 factors in
ten style groups and prints none, so :data:`STYLES` is ours, of factors that free data can serve. Paper 5 says 244
factors in five classes and prints none: :data:`CLASSES` is ours too, without Alpha158, which is a family of its own.
"""

from __future__ import annotations

_MONTHS = (1, 3, 6, 12)


def _horizons(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{months}m" for months in _MONTHS)


_PAPER_1 = (
    "pe", "pb", "ps", "dp", "rd", "pcf",
    "net_profit_to_total_revenue", "gross_margin_q", "roa_ttm", "eps_basic", "net_margin_q",
    "roe_ttm", "profit_g_q", "sales_g_q", "operating_profit_ttm", "total_revenue_ttm",
    "float_market_value", "total_equity", "circulating_shares", "turnover_1d",
)  # fmt: skip

_PAPER_2 = (
    "pe", "pb", "ps", "turnover_1d", "float_market_value", "net_assets",
    "revenue", "operating_profit", "total_profit", "selling_expense", "ebit", "ebitda", "current_assets",
    "current_liabilities", "total_assets", "fixed_assets", "parent_net_profit_ttm", "operating_cash_flow_ttm",
    "revenue_ttm",
    "variance_20", "kurtosis_20", "skewness_20", "sharpe_20",
    "turnover_mean_20", "volume_std_20", "amount_mean_20", "wvad_6",
    "fcff", "eps_basic", "bvps", "revenue_per_share", "net_margin_q", "cost_to_revenue", "roe_end_q",
    "operating_to_total_profit", "current_asset_share", "current_ratio", "quick_ratio", "fixed_asset_turnover",
    "operating_profit_to_current_liabilities", "pretax_margin",
)  # fmt: skip

_PAPER_3 = (
    "ep", "ep_cut", "bp", "sp", "ncfp", "ocfp", "dp", "g_pe",
    "sales_g_q", "profit_g_q", "ocf_g_q", "roe_g_q",
    "roe_q", "roe_ttm", "roa_q", "roa_ttm", "gross_margin_q", "gross_margin_ttm", "profit_margin_q",
    "profit_margin_ttm", "asset_turnover_q", "asset_turnover_ttm", "ocf_ratio_q", "ocf_ratio_ttm",
    "financial_leverage", "debt_equity_ratio", "cash_ratio", "current_ratio",
    "ln_capital",
    "ha_alpha", *_horizons("return"), *_horizons("turnover_weighted_return"),
    *_horizons("decayed_turnover_weighted_return"),
    *_horizons("ff3_residual_std"), *_horizons("return_std"),
    "ln_price",
    "beta_60m",
    *_horizons("turnover"), *_horizons("turnover_bias"),
    "rating_average", "rating_change", "rating_targetprice",
    "holder_avgpctchange",
    "macd_30_10_15", "dea_30_10_15", "dif_30_10_15", "rsi_20", "psy_20", "bias_20",
)  # fmt: skip

STYLES: dict[str, tuple[str, ...]] = {
    "value": ("ep", "ep_cut", "bp", "sp", "ocfp", "dp"),
    "growth": ("sales_g_q", "profit_g_q", "ocf_g_q", "roe_g_q", "assets_g", "profit_trend_5y"),
    "profitability": ("roe_ttm", "roa_ttm", "net_margin_ttm", "profit_margin_ttm", "asset_turnover_ttm"),
    "earnings quality": ("ocf_ratio_ttm", "accruals", "non_recurring_share"),
    "leverage": ("financial_leverage", "debt_equity_ratio", "current_ratio", "debt_to_assets"),
    "size": ("ln_capital", "ln_float_capital", "mid_cap"),
    "momentum": ("return_1m", "return_3m", "return_6m", "return_12m", "turnover_weighted_return_1m", "momentum_12_1"),
    "volatility": ("return_std_1m", "return_std_3m", "ff3_residual_std_1m", "ff3_residual_std_3m", "beta_250d"),
    "liquidity": ("turnover_1m", "turnover_3m", "turnover_bias_1m", "amount_mean_20", "illiquidity_20"),
    "technical": ("macd_30_10_15", "rsi_20", "psy_20", "bias_20", "ln_price"),
}
"""Ten style groups for paper 4, 48 factors in all."""

CLASSES: dict[str, tuple[str, ...]] = {
    "value": (
        "ep", "ep_cut", "bp", "sp", "ncfp", "ocfp", "gross_profit_yield", "operating_profit_yield", "ep_single",
        "assets_yield", "rd_yield", "cash_yield", "pe", "pb", "ps", "pcf", "pocf", "rd", "dp", "g_pe", "ebitda_ev",
        "sales_ev", "operating_profit_to_claims", "log_bp", "ep_to_industry", "bp_to_industry", "sp_to_industry",
        "sales_g_q", "profit_g_q", "ocf_g_q", "roe_g_q", "parent_profit_g_q", "adjusted_profit_g_q",
        "operating_profit_g_q", "total_profit_g_q", "gross_profit_g_q", "eps_g_q", "sales_g_ttm", "profit_g_ttm",
        "ocf_g_ttm", "sales_g_single", "profit_g_single", "assets_g", "equity_g", "liabilities_g",
        "profit_acceleration", "sales_acceleration", "sue", "sur", "profit_trend_5y", "sales_trend_5y",
        "ocf_trend_5y", "assets_trend_5y", "profit_change_to_equity", "roe_ttm", "roa_q", "roa_ttm",
        "asset_turnover_q", "asset_turnover_ttm", "gross_profit_to_assets", "operating_profit_to_equity",
        "ocf_to_assets", "equity_turnover_ttm", "adjusted_roe_ttm", "operating_profit_to_current_liabilities",
        "roe_q", "gross_margin_q", "gross_margin_ttm", "profit_margin_q", "profit_margin_ttm", "ocf_ratio_q",
        "ocf_ratio_ttm", "net_margin_q", "net_margin_ttm", "net_profit_to_total_revenue", "operating_margin_ttm",
        "pretax_margin", "cost_to_revenue", "cash_to_sales_q", "cash_to_sales_ttm", "fixed_asset_turnover",
        "current_asset_turnover", "inventory_turnover", "receivable_turnover", "rd_intensity", "selling_ratio",
        "administrative_ratio", "current_asset_share", "goodwill_to_equity", "roe_year_change", "profit_variation",
        "sales_variation", "accruals", "operating_to_total_profit", "non_recurring_share", "financial_leverage",
        "cash_ratio", "current_ratio", "quick_ratio", "debt_to_assets", "current_liability_share", "cash_to_assets",
        "debt_equity_ratio", "liabilities_to_equity", "ocf_to_liabilities", "ocf_to_current_liabilities",
        "interest_debt_to_assets", "liabilities_to_market", "market_leverage", "book_leverage", "interest_coverage",
        "working_capital_to_assets", "market_value", "net_assets", "total_equity", "operating_profit",
        "operating_profit_ttm", "total_revenue_ttm", "revenue", "total_profit", "selling_expense", "current_assets",
        "current_liabilities", "total_assets", "fixed_assets", "parent_net_profit_ttm", "operating_cash_flow_ttm",
        "revenue_ttm", "ln_capital", "ln_assets", "ln_revenue", "float_market_value", "ln_float_capital",
        "circulating_shares", "mid_cap", "eps_ttm", "bvps", "revenue_per_share", "ocf_per_share", "eps_basic",
        "ebit", "ebitda", "fcff", "holder_avgpctchange", "shares_per_holder", "value_per_holder", "float_share",
        "float_growth_1y", "issuance_1y",
    ),
    "momentum": (
        "return_1m", "turnover_weighted_return_1m", "decayed_turnover_weighted_return_1m", "return_3m",
        "turnover_weighted_return_3m", "decayed_turnover_weighted_return_3m", "return_6m",
        "turnover_weighted_return_6m", "decayed_turnover_weighted_return_6m", "return_12m",
        "turnover_weighted_return_12m", "decayed_turnover_weighted_return_12m", "return_5d", "return_10d",
        "return_120d", "momentum_6_1", "momentum_12_1", "momentum_24_12", "near_high_250d", "near_high_60d",
    ),
    "technical": (
        "dif_30_10_15", "dea_30_10_15", "macd_30_10_15", "rsi_20", "rsi_6", "cmo_14", "roc_12", "efficiency_10",
        "vhf_28", "bias_20", "bias_60", "dma_10_50", "bbi", "ppo_12_26", "trix_12", "tsi_25_13", "dpo_20",
        "forecast_14", "bbands_width_20", "bbands_place_20", "kdj_k_9", "kdj_d_9", "kdj_j_9", "williams_14",
        "cci_14", "ultimate_7_14_28", "natr_14", "mass_25", "chaikin_volatility_10", "plus_di_14", "minus_di_14",
        "adx_14", "aroon_up_25", "aroon_down_25", "aroon_25", "vortex_14", "bull_power_13", "bear_power_13",
        "imi_14", "qstick_10", "balance_14", "pvt_20", "cmf_20", "emv_14", "pvo_12_26", "force_13",
        "volume_osc_12_26", "ln_price",
    ),
    "trading": (
        "turnover_1m", "turnover_bias_1m", "turnover_3m", "turnover_bias_3m", "turnover_6m", "turnover_bias_6m",
        "turnover_12m", "turnover_bias_12m", "turnover_1d", "turnover_mean_20", "turnover_std_20",
        "turnover_std_60", "turnover_change_5_20", "amount_mean_20", "volume_std_20", "amount_std_20",
        "illiquidity_20", "amount_variation_20", "amount_std_60", "illiquidity_60", "amount_variation_60",
        "volume_ratio_5_60", "vwap_gap_20", "high_low_range_20", "return_std_1m", "ff3_residual_std_1m",
        "return_std_3m", "ff3_residual_std_3m", "return_std_6m", "ff3_residual_std_6m", "return_std_12m",
        "ff3_residual_std_12m", "variance_20", "kurtosis_20", "skewness_20", "sharpe_20", "downside_std_60",
        "parkinson_20", "ha_alpha", "beta_60m", "beta_250d",
    ),
    "sentiment": (
        "money_flow_20", "up_amount_share_20", "money_flow_60", "up_amount_share_60", "limit_up_days_60",
        "rising_days_20", "psy_20", "ar_26", "br_26", "cr_26", "wvad_6", "obv_20", "mfi_14", "vr_26",
        "overnight_return_20", "intraday_return_20", "max_return_20", "path_consistency_60", "rating_average",
        "rating_change", "rating_targetprice", "forecast_ep", "forecast_revision", "forecast_growth",
        "forecast_dispersion", "analyst_coverage",
    ),
}  # fmt: skip
"""Five classes for paper 5."""

PAPERS: dict[str, tuple[str, ...]] = {
    "paper-1": _PAPER_1,
    "paper-2": _PAPER_2,
    "paper-3": _PAPER_3,
    "paper-4": tuple(name for group in STYLES.values() for name in group),
    "paper-5": tuple(name for group in CLASSES.values() for name in group),
}
"""Names of registered factors by paper."""
