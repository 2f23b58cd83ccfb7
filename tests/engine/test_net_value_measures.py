"""Paper 3's formulas, each on rows that the paper prints (charts 26 and 36), and one whole row by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import net_value_measures as paper

# Chart 26: annual return, volatility, Sharpe, annual excess, volatility of the excess, information ratio.
LAYERS = [
    (0.2295, 0.2697, 0.85, 0.1079, 0.0331, 3.26),
    (0.1362, 0.2671, 0.51, 0.0239, 0.0267, 0.89),
    (0.0900, 0.2671, 0.34, -0.0178, 0.0266, -0.67),
    (0.0079, 0.2648, 0.03, -0.0918, 0.0267, -3.44),
    (-0.0510, 0.2709, -0.19, -0.1448, 0.0367, -3.94),
]
BENCHMARK = 0.1097

# Chart 36: annual return, volatility, Sharpe, excess, tracking error, excess drawdown, information ratio, Calmar.
PICKS = [
    (0.320, 0.282, 1.13, 0.250, 0.085, 0.155, 2.95, 1.61),
    (0.319, 0.287, 1.11, 0.252, 0.072, 0.164, 3.50, 1.53),
    (0.306, 0.285, 1.07, 0.240, 0.067, 0.170, 3.58, 1.41),
    (0.274, 0.284, 0.96, 0.210, 0.055, 0.136, 3.79, 1.54),
    (0.237, 0.281, 0.84, 0.171, 0.078, 0.128, 2.20, 1.34),
]
CSI_500 = 0.055


@pytest.mark.parametrize(("annual", "spread", "sharpe", "excess", "error", "ratio"), LAYERS)
def test_the_layers_of_chart_26(
    annual: float, spread: float, sharpe: float, excess: float, error: float, ratio: float
) -> None:
    assert paper.plain_sharpe(annual, spread) == pytest.approx(sharpe, abs=0.0051)
    assert paper.relative_excess(annual, BENCHMARK) == pytest.approx(excess, abs=0.00015)
    assert paper.plain_information_ratio(excess, error) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(("annual", "spread", "sharpe", "excess", "error", "fall", "ratio", "calmar"), PICKS)
def test_the_portfolios_of_chart_36(
    annual: float, spread: float, sharpe: float, excess: float, error: float, fall: float, ratio: float, calmar: float
) -> None:
    assert paper.plain_sharpe(annual, spread) == pytest.approx(sharpe, abs=0.006)
    # This chart's excess is near the ratio of annual returns and not it: 31.9 % print 25.2 %, 32.0 % print 25.0 %.
    assert paper.relative_excess(annual, CSI_500) == pytest.approx(excess, abs=0.003)
    assert paper.plain_information_ratio(excess, error) == pytest.approx(ratio, abs=0.04)
    assert paper.excess_calmar(excess, fall) == pytest.approx(calmar, abs=0.01)
    assert paper.excess_calmar(excess, -fall) == paper.excess_calmar(excess, fall)


def test_the_long_short_return_of_chart_26_is_that_of_top_over_bottom() -> None:
    value = paper.long_short_value(np.array([1.0, 1.2295]), np.array([1.0, 0.9490]))
    assert value == pytest.approx([1.0, 1.2956], abs=0.00005)  # printed: 29.56 %


def test_the_turnover_is_the_mean_of_the_months() -> None:
    dates = np.array(["2020-01-31", "2020-02-03", "2020-02-28", "2020-03-02", "2020-03-31", "2020-04-30"], "M8[D]")
    value = np.array([100.0, 110.0, 120.0, 130.0, 150.0, 160.0])
    traded = np.array([0.0, 90.0, 10.0, 180.0, 0.0, 0.0])
    # February 100 of 100, March 180 of 120, April nothing of 150
    assert paper.monthly_turnover(dates, value, traded) == pytest.approx((1.0 + 1.5 + 0.0) / 3)
    assert paper.monthly_turnover(dates[:1], value[:1], traded[:1]) is None


def test_a_whole_row_by_hand() -> None:
    dates = np.array(["2019-01-01", "2019-07-02", "2020-01-01"], dtype="datetime64[D]")  # 365 days, 2 sessions
    row = paper.row(dates, np.array([100.0, 80.0, 121.0]), np.array([50.0, 50.0, 55.0]), np.array([0.0, 90.0, 40.0]))
    span = 365 / 365.25
    annual, market = 1.21 ** (1 / span) - 1, 1.1 ** (1 / span) - 1
    excess = (1 + annual) / (1 + market) - 1
    # net 0.8 and 1.21, ratio 0.8 and 1.1: returns -0.2 and 0.5125, of the ratio -0.2 and 0.375
    spread, error = (x / math.sqrt(2) * math.sqrt(2 / span) for x in (0.7125, 0.575))
    assert row == pytest.approx(
        (annual, spread, annual / spread, 0.2, excess, error, 0.2, excess / error, excess / 0.2, 0.5,
         (90 / 100 + 40 / 80) / 2)
    )  # fmt: skip


def test_without_a_benchmark_the_row_has_no_excess_and_what_is_undefined_is_none() -> None:
    dates = np.array(["2019-01-01", "2019-07-02", "2020-01-01"], dtype="datetime64[D]")
    row = paper.row(dates, np.array([1.0, 1.1, 1.2]))
    assert row[4:] == (None,) * 7 and row.max_drawdown == 0.0
    flat = paper.row(dates, np.ones(3), np.ones(3))
    assert (flat.sharpe, flat.information_ratio, flat.calmar) == (None, None, None)
