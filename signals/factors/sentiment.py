"""What analysts think. No free source has ratings and forecasts as they stood on a day, so these are declared, say
what they need, and are unavailable; a computation from something else would be another factor."""

from __future__ import annotations

import numpy as np

from signals.factors.panel import FactorPanel
from signals.factors.registry import factor

_RATINGS = "none:analyst ratings as of each day"
_TARGETS = "none:analyst target prices as of each day"
_FORECASTS = "none:analyst profit forecasts as of each day"

_DECLARED: tuple[tuple[str, str, int, str, str, str, str], ...] = (
    ("rating_average", "分析师评级均值", 1, "score", _RATINGS, "paper 3, chart 13: rating_average",
     "Mean of the analysts' ratings."),
    ("rating_change", "分析师评级变动", 1, "fraction", _RATINGS, "paper 3, chart 13: rating_change",
     "(Analysts who raised their rating - analysts who lowered it) over all analysts."),
    ("rating_targetprice", "目标价空间", 1, "fraction", _TARGETS, "paper 3, chart 13: rating_targetprice",
     "Consensus target price over close - 1."),
    ("forecast_ep", "一致预期盈市率", 1, "fraction", _FORECASTS, "Barra CNE5: EPFWD",
     "Consensus forecast of next year's net profit over market value."),
    ("forecast_revision", "一致预期净利润变动", 1, "fraction", _FORECASTS, "common: earnings revision",
     "Consensus forecast of the year's net profit over that of three months before, less 1."),
    ("forecast_growth", "一致预期净利润增速", 1, "fraction", _FORECASTS, "Barra CNE5: EGRLF",
     "Consensus forecast of the next two years' growth of net profit, a year."),
    ("forecast_dispersion", "分析师预期分歧", -1, "ratio", _FORECASTS, "Diether, Malloy and Scherbina (2002)",
     "Standard deviation of the analysts' profit forecasts over the size of their mean."),
    ("analyst_coverage", "分析师覆盖数", 1, "number", _RATINGS, "common",
     "Analysts with a report on the stock in the last six months."),
)  # fmt: skip


def _declare(
    name: str, chinese: str, direction: int, unit: str, needs: str, source: str, words: str
) -> None:
    @factor(
        name, chinese=chinese, family="sentiment", direction=direction, unit=unit, inputs=(needs,), lookback=1,
        source=source,
    )  # fmt: skip
    def compute(panel: FactorPanel) -> np.ndarray:
        return np.full(panel.shape, np.nan)  # not reached: the input is in no data

    compute.__doc__ = words


for _row in _DECLARED:
    _declare(*_row)
