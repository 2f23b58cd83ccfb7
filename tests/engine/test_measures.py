"""The measures against empyrical, against numbers worked out by hand, and where they are undefined."""

from __future__ import annotations

import json
import math

import empyrical
import numpy as np
import pytest

from engine import drawdowns, measures

PER_YEAR = 242.7
FLAT_MIX = np.array([0.01, -0.02, 0.015, 0.0, -0.005, 0.03])
SERIES = {
    "mixed": FLAT_MIX,
    "only gains": np.array([0.01, 0.02, 0.005]),
    "only losses": np.array([-0.01, -0.02, -0.005]),
    "random": np.random.default_rng(3).normal(0.0004, 0.017, 2187),
    "wild": np.random.default_rng(4).normal(0.0, 0.08, 300).clip(-0.9, None),
}


@pytest.fixture(params=sorted(SERIES))
def returns(request: pytest.FixtureRequest) -> np.ndarray:
    return SERIES[request.param]


@pytest.fixture()
def benchmark(returns: np.ndarray) -> np.ndarray:
    return 0.6 * returns + np.random.default_rng(9).normal(0.0, 0.01, returns.size)


def same(ours: float | None, theirs: float) -> None:
    if ours is None:
        assert not math.isfinite(theirs)
    else:
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)


def sessions(count: int, start: str = "2019-12-31") -> np.ndarray:
    """Weekdays from ``start``, itself the base day."""
    days = np.arange(np.datetime64(start), np.datetime64(start) + np.timedelta64(2 * count + 10, "D"))
    return days[np.is_busday(days)][:count]


def test_annual_return_and_volatility_agree_with_empyrical(returns: np.ndarray) -> None:
    same(measures.annual_return(returns, PER_YEAR), empyrical.annual_return(returns, annualization=PER_YEAR))
    same(measures.volatility(returns, PER_YEAR), empyrical.annual_volatility(returns, annualization=PER_YEAR))


@pytest.mark.parametrize("risk_free", [0.0, 0.0001])
def test_sharpe_and_sortino_agree_with_empyrical(returns: np.ndarray, risk_free: float) -> None:
    same(
        measures.sharpe(returns, risk_free, PER_YEAR),
        empyrical.sharpe_ratio(returns, risk_free=risk_free, annualization=PER_YEAR),
    )
    same(
        measures.sortino(returns, risk_free, PER_YEAR),
        empyrical.sortino_ratio(returns, required_return=risk_free, annualization=PER_YEAR),
    )


def test_a_daily_risk_free_series_is_subtracted_session_by_session(returns: np.ndarray) -> None:
    rate = np.linspace(0.0, 0.0003, returns.size)
    same(
        measures.sharpe(returns, rate, PER_YEAR),
        empyrical.sharpe_ratio(returns - rate, annualization=PER_YEAR),
    )


def test_calmar_and_max_drawdown_agree_with_empyrical(returns: np.ndarray) -> None:
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    same(drawdowns.max_drawdown(value).depth, empyrical.max_drawdown(returns))
    same(measures.calmar(returns, PER_YEAR), empyrical.calmar_ratio(returns, annualization=PER_YEAR))


def test_information_ratio_is_the_annualised_excess_sharpe_of_empyrical(
    returns: np.ndarray, benchmark: np.ndarray
) -> None:
    theirs = empyrical.excess_sharpe(returns, benchmark) * math.sqrt(PER_YEAR)
    same(measures.information_ratio(returns, benchmark, PER_YEAR), theirs)
    active = empyrical.annual_volatility(returns - benchmark, annualization=PER_YEAR)
    same(measures.tracking_error(returns, benchmark, PER_YEAR), active)


@pytest.mark.parametrize("risk_free", [0.0, 0.0001])
def test_alpha_and_beta_agree_with_empyrical(returns: np.ndarray, benchmark: np.ndarray, risk_free: float) -> None:
    alpha, beta = empyrical.alpha_beta(returns, benchmark, risk_free=risk_free, annualization=PER_YEAR)
    same(measures.beta(returns, benchmark, risk_free), beta)
    assert measures.alpha(returns, benchmark, risk_free, PER_YEAR) == pytest.approx(alpha, rel=1e-9)


def test_alpha_and_beta_by_hand() -> None:
    market = np.array([0.02, -0.02, 0.02, -0.02])
    returns = 0.001 + 1.5 * market  # 0.1 % a session beyond one and a half times the market
    assert measures.beta(returns, market) == pytest.approx(1.5)
    assert measures.alpha(returns, market, 0.0, 200.0) == pytest.approx(1.001**200 - 1)
    assert measures.beta(returns, np.zeros(4)) is None and measures.alpha(returns, np.zeros(4), 0.0, 200.0) is None


def test_sessions_a_year_are_those_of_the_dates() -> None:
    # 2 returns in 4 calendar days: 2 / (4 / 365.25)
    dates = np.array(["2020-01-03", "2020-01-06", "2020-01-07"], dtype="datetime64[D]")
    assert measures.sessions_per_year(dates) == pytest.approx(2 * 365.25 / 4)
    assert measures.sessions_per_year(dates[:1]) is None


def test_ratios_by_hand() -> None:
    returns = np.array([0.02, -0.01, 0.02, -0.01])
    # mean 0.005, deviations +-0.015: variance 4 * 0.000225 / 3; downside 0.01 on half of the days
    assert measures.sharpe(returns, 0.0, 100.0) == pytest.approx(0.005 / math.sqrt(0.0003) * 10)
    assert measures.sortino(returns, 0.0, 100.0) == pytest.approx(0.5 / (math.sqrt(0.00005) * 10))
    assert measures.volatility(returns, 100.0) == pytest.approx(math.sqrt(0.0003) * 10)


def test_max_drawdown_names_the_last_session_at_the_high_and_the_first_back_at_it() -> None:
    value = np.array([100.0, 120.0, 120.0, 90.0, 96.0, 120.0, 130.0])
    fall = drawdowns.max_drawdown(value)
    assert fall == drawdowns.Drawdown(pytest.approx(-0.25), 2, 3, 5)


def test_a_fall_that_is_not_made_good_has_no_recovery() -> None:
    assert drawdowns.max_drawdown(np.array([1.0, 0.5, 0.9])).recovered is None


def test_drawdowns_are_listed_deepest_first_and_do_not_overlap() -> None:
    value = np.array([10.0, 9.0, 10.0, 11.0, 5.5, 8.0, 12.0, 11.4])
    falls = drawdowns.drawdowns(value)
    assert [(round(f.depth, 6), f.peak, f.trough, f.recovered) for f in falls] == [
        (-0.5, 3, 4, 6),
        (-0.1, 0, 1, 2),
        (-0.05, 6, 7, None),
    ]
    assert drawdowns.drawdowns(value, top=1) == falls[:1]


def test_months_start_from_the_base_day_and_need_a_session() -> None:
    dates = np.array(["2019-12-31", "2020-01-02", "2020-01-31", "2020-03-02"], dtype="datetime64[D]")
    months, moves = measures.period_returns(dates, np.array([100.0, 105.0, 110.0, 99.0]), "M")
    assert months.astype(str).tolist() == ["2020-01", "2020-03"]
    assert moves == pytest.approx([0.10, -0.10])


def test_monthly_win_rate_compares_with_the_benchmark_or_with_zero() -> None:
    dates = np.array(["2019-12-31", "2020-01-31", "2020-02-28", "2020-03-31"], dtype="datetime64[D]")
    value = np.array([100.0, 110.0, 105.0, 115.0])
    assert measures.monthly_win_rate(dates, value) == pytest.approx(2 / 3)
    assert measures.monthly_win_rate(dates, value, np.array([10.0, 12.0, 10.0, 12.0])) == pytest.approx(1 / 3)
    assert measures.monthly_win_rate(dates[:1], value[:1]) is None


def test_turnover_counts_both_sides_over_the_mean_value() -> None:
    value = np.array([50.0, 100.0, 300.0])  # the base day is left out of the mean of 200
    assert measures.turnover(value, 300.0, 100.0, 0.5) == pytest.approx(4.0)
    assert measures.turnover(value, 300.0, 100.0, 0.0) is None


def test_the_headline_by_hand() -> None:
    dates = np.array(["2019-01-01", "2019-07-02", "2020-01-01"], dtype="datetime64[D]")  # 365 days, 2 sessions
    head = measures.headline(
        dates,
        np.array([100.0, 80.0, 121.0]),
        np.array([50.0, 50.0, 55.0]),
        np.array([50.0, np.nan, 52.0]),
        0.0,
        150.0,
        51.0,
    )
    span = 365 / 365.25
    assert head["years"] == pytest.approx(span) and head["sessions_per_year"] == pytest.approx(2 / span)
    assert head["sessions"] == 2 and head["final_value"] == 121.0
    assert head["total_return"] == pytest.approx(0.21)
    assert head["annual_return"] == pytest.approx(1.21 ** (1 / span) - 1)
    assert head["benchmark_annual_return"] == pytest.approx(1.1 ** (1 / span) - 1)
    assert head["benchmark_price_annual_return"] == pytest.approx(1.04 ** (1 / span) - 1)
    assert head["excess_annual_return"] == pytest.approx(1.21 ** (1 / span) - 1.1 ** (1 / span))
    assert head["excess_total_return"] == pytest.approx(1.21 / 1.1 - 1)
    assert head["excess_max_drawdown"] == pytest.approx(-0.2)
    assert head["max_drawdown"] == pytest.approx(-0.2)
    found = [head[f"max_drawdown_{part}"] for part in ("peak", "trough", "recovered")]
    assert found == ["2019-01-01", "2019-07-02", "2020-01-01"]
    assert head["turnover"] == pytest.approx(201 / 100.5 / span)
    assert head["monthly_win_rate"] == 0.5


def test_an_annual_risk_free_rate_compounds_to_itself_and_lowers_the_sharpe_ratio() -> None:
    assert (1 + measures.per_session(0.03, 243.0)) ** 243 - 1 == pytest.approx(0.03, rel=1e-12)
    dates = sessions(200)
    value = 100 * np.concatenate([[1.0], np.cumprod(1 + SERIES["random"][:199])])
    per_year = measures.sessions_per_year(dates)
    daily = np.full(200, measures.per_session(0.03, per_year))
    as_rate = measures.headline(dates, value, risk_free=0.03)
    assert as_rate["sharpe"] == pytest.approx(measures.headline(dates, value, risk_free=daily)["sharpe"])
    assert as_rate["sharpe"] == pytest.approx(measures.headline(dates, value, risk_free=daily[1:])["sharpe"])
    assert as_rate["sharpe"] < measures.headline(dates, value)["sharpe"]


@pytest.mark.parametrize(
    ("value", "undefined"),
    [
        (
            [100.0],
            {"annual_return", "volatility", "sharpe", "turnover", "sessions_per_year", "monthly_win_rate"},
        ),
        ([100.0, 101.0], {"volatility", "sharpe", "sortino", "information_ratio", "calmar"}),
        ([100.0, 100.0, 100.0], {"sharpe", "sortino", "calmar", "information_ratio", "max_drawdown_peak"}),
    ],
)
def test_what_is_undefined_is_none_and_the_rest_is_finite(value: list[float], undefined: set[str]) -> None:
    size = len(value)
    head = measures.headline(sessions(size), np.array(value), np.full(size, 10.0))
    assert all(head[key] is None for key in undefined)
    json.dumps(head, allow_nan=False)


def test_growth_at_a_constant_rate_has_no_sharpe_ratio() -> None:
    # The standard deviation of equal returns is rounding noise; dividing by it gives about 1e15.
    assert measures.sharpe(np.full(50, 0.001), 0.0, 243.0) is None


def test_a_benchmark_without_a_level_on_the_base_day_counts_as_absent() -> None:
    level = np.array([np.nan, 10.0, 11.0])
    head = measures.headline(sessions(3), np.array([1.0, 2.0, 3.0]), level, level)
    keys = (
        "benchmark_annual_return",
        "benchmark_price_annual_return",
        "excess_total_return",
        "tracking_error",
    )
    assert [head[key] for key in keys] == [None] * 4


def test_a_benchmark_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        measures.headline(sessions(3), np.ones(3), np.ones(4))


def test_money_paid_in_or_taken_out_is_no_return() -> None:
    # 100 grow by 10 %; 90 come in and 200 grow by 5 %; 110 go out and 100 lose 20 %
    value, deposits = np.array([100.0, 110.0, 210.0, 80.0]), np.array([0.0, 0.0, 90.0, -110.0])
    assert measures.account_returns(value, deposits) == pytest.approx([0.1, 0.05, -0.2])
    assert measures.net_value(value, deposits) == pytest.approx([100.0, 110.0, 115.5, 92.4])
    level = np.array([10.0, 10.0, 10.0, 10.0])
    head = measures.headline(sessions(4), value, level, deposits=deposits)
    assert head["total_return"] == head["excess_total_return"] == pytest.approx(-0.076)
    assert head["max_drawdown"] == head["excess_max_drawdown"] == pytest.approx(-0.2)
    assert head["annual_return"] == pytest.approx(0.924 ** (head["sessions_per_year"] / 3) - 1)
    assert head["final_value"] == 80.0
    # December 31 to January: the month of the last three sessions lost 7.6 %
    assert head["monthly_win_rate"] == 0.0


def test_an_account_that_begins_or_becomes_empty_has_returns() -> None:
    value, deposits = np.array([0.0, 100.0, 0.0, 0.0, 50.0]), np.array([0.0, 80.0, -100.0, 0.0, 50.0])
    assert measures.account_returns(value, deposits) == pytest.approx([0.25, 0.0, 0.0, 0.0])
    assert measures.net_value(value, deposits) == pytest.approx([1.0, 1.25, 1.25, 1.25, 1.25])


def test_without_deposits_nothing_changes_by_a_bit() -> None:
    value = 1e6 * np.cumprod(1 + SERIES["random"])
    plain = measures.headline(sessions(value.size), value)
    assert measures.headline(sessions(value.size), value, deposits=np.zeros(value.size)) == plain
    with pytest.raises(ValueError, match="deposits have shape"):
        measures.headline(sessions(3), np.ones(3), deposits=np.ones(4))
