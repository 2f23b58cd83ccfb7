"""Many factors through the laboratory: the table, the verdicts, the page, Alphalens' sheets."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DataError, SignalError
from signals.screen import Screening, screen
from signals.screening.charts import ic_chart, quantile_chart
from signals.screening.evaluation import evaluate, prepare
from signals.screening.page import write_page
from signals.screening.words import statement_on_tests, summary

D, N = 120, 150
DATES = np.busday_offset("2019-10-01", np.arange(D), roll="forward").astype("datetime64[D]")


def market(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
    """Three factors that know something (two of them the same thing), one that knows nothing, one that starts late."""
    rng = np.random.default_rng(seed)
    good, other, junk = (rng.normal(size=(D, N)) for _ in range(3))
    noise = rng.normal(size=(D, N))
    returns = {1: 0.02 * (0.25 * good - 0.15 * other + noise), 5: 0.04 * (0.1 * good + noise)}
    late = good + 0.3 * rng.normal(size=(D, N))
    late[: D // 2] = np.nan
    factors = {"junk": junk, "late": late, "good": good, "other": other}
    return factors, returns


def screened(**options: object) -> Screening:
    factors, returns = market()
    return screen(factors, returns, DATES, **options)  # type: ignore[arg-type]


def test_the_table_is_sorted_by_strength_and_says_what_the_evaluation_says() -> None:
    found = screened(families={"good": "planted"}, titles={"good": "好"})
    table = found.table()
    assert table["factor"].tolist()[-1] == "junk" and set(table["factor"][:2]) == {"good", "late"}
    row = table.set_index("factor").loc["good"]
    factors, returns = market()
    alone = evaluate(factors["good"], returns)
    assert row["rank_ic"] == pytest.approx(alone.rank_ic[0].mean(), abs=1e-15)
    assert row["mean_abs_rank_ic"] == pytest.approx(np.abs(alone.rank_ic[0]).mean())
    assert row["noise"] == pytest.approx(np.sqrt(2 / (np.pi * (N - 1))))
    assert row["long_short"] == pytest.approx(alone.long_short()[0].mean())
    assert row["turnover"] == pytest.approx(np.nanmean(alone.turnover[0][:, [0, -1]]))
    assert row["autocorrelation"] == pytest.approx(np.nanmean(alone.autocorrelation[0]))
    assert (row["family"], row["name"], row["dates"]) == ("planted", "好", D)
    assert found.decay().loc["good"].tolist() == pytest.approx([alone.rank_ic[h].mean() for h in (0, 1)])


def test_coverage_by_year_is_part_of_the_table() -> None:
    table = screened().table().set_index("factor")
    first = DATES.astype("datetime64[Y]") == np.datetime64("2019")
    late = np.arange(D) >= D // 2
    assert table.loc["good", ["2019", "2020"]].tolist() == [1.0, 1.0]
    assert table.loc["late", "2019"] == pytest.approx((late & first).sum() / first.sum())
    assert table.loc["late", "2020"] == pytest.approx((late & ~first).sum() / (~first).sum())
    assert table.loc["late", "coverage"] == pytest.approx(0.5)


def test_what_is_alike_or_weak_falls_with_its_reason_and_what_passes_is_told() -> None:
    found = screened(min_rank_ic=0.05)
    verdicts = {v.name: v for v in found.everything.verdicts}
    assert sum(verdicts[name].kept for name in ("good", "late")) == 1 and verdicts["other"].kept
    assert "is below 0.05" in verdicts["junk"].reason
    assert found.everything.passing == {"junk": False, "late": True, "good": True, "other": True}
    assert found.everything.thresholds.tried == 4
    assert screened(tried=10**9).everything.thresholds.bonferroni > 6.3


def test_names_that_could_not_be_bought_are_taken_away_in_a_second_pass() -> None:
    """All that the factor knows lies in names at their upper limit."""
    rng = np.random.default_rng(1)
    factor, noise = rng.normal(size=(D, N)), rng.normal(size=(D, N))
    locked = np.zeros((D, N), dtype=bool)
    locked[:, :30] = True
    returns = {1: np.where(locked, factor, 0.0) + noise}
    found = screen({"f": factor}, returns, DATES, buyable=~locked)
    assert found.bought is not None and found.unbuyable == pytest.approx(0.2)
    assert found.everything.kept == ["f"] and found.bought.kept == []
    assert found.table().loc[0, "names"] == 150 and found.table(bought=True).loc[0, "names"] == 120
    alone = evaluate(factor[:, 30:], {1: returns[1][:, 30:]})
    np.testing.assert_array_equal(found.bought.evaluations["f"].rank_ic, alone.rank_ic)


def test_factors_may_be_functions_each_called_once() -> None:
    factors, returns = market()
    calls: list[str] = []

    def make(name: str) -> np.ndarray:
        calls.append(name)
        return factors[name]

    lazy = {name: (lambda name=name: make(name)) for name in factors}
    seen: list[str] = []
    found = screen(lazy, prepare(returns), DATES, buyable=np.ones((D, N), dtype=bool), progress=seen.append)
    assert calls == seen == list(factors)
    assert found.table().equals(screened().table())


def test_the_horizon_and_the_criterion_decide() -> None:
    assert screened(horizon=5).table().set_index("factor").loc["good", "rank_ic"] == pytest.approx(0.1, abs=0.03)
    verdicts = {v.name: v for v in screened(criterion="mean-abs", min_rank_ic=0.04).everything.verdicts}
    assert verdicts["junk"].kept  # mean(|IC|) of pure noise is above paper-like bars: why the noise level stands by
    assert verdicts["junk"].reason.startswith("mean |Rank IC| 0.0")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizon": 3}, "horizon 3 is not among the forward returns"),
        ({"criterion": "best"}, "criterion must be one of"),
        ({"max_correlation": 3.0}, "max_correlation is 3; give a correlation above 0 and at most 1"),
        ({"min_coverage": 2.0}, "min_coverage is 2; give a share of the universe from 0 to 1"),
        ({"min_rank_ic": float("nan")}, "min_rank_ic is nan; give a strength from 0 to below 1"),
        ({"tried": 0}, "tried is 0; give the number of factors that were tried, at least 1"),
        ({"buyable": np.ones((2, 2))}, "allowed has the shape"),
    ],
)
def test_a_wrong_option_is_refused_with_a_sentence(options: dict[str, object], says: str) -> None:
    with pytest.raises(SignalError, match=says):
        screened(**options)


def test_no_factor_or_too_few_dates_are_refused() -> None:
    factors, returns = market()
    with pytest.raises(SignalError, match="no factor"):
        screen({}, returns, DATES)
    with pytest.raises(SignalError, match="119 dates were given"):
        screen(factors, returns, DATES[1:])
    with pytest.raises(SignalError, match="no mask"):
        screened().table(bought=True)


# -- the page ----------------------------------------------------------------------------------------


def shown(tmp_path: Path, **options: object) -> str:
    found = screened(**options)
    page = write_page(found, tmp_path / "out.html", title="A screening", facts=[("Universe", "all & sundry")])
    assert [p.name for p in tmp_path.iterdir()] == ["out.html"]
    return page.read_text(encoding="utf-8")


def test_the_page_needs_no_network_and_is_the_same_twice(tmp_path: Path) -> None:
    page = shown(tmp_path, titles={"good": "好"})
    assert page == shown(tmp_path, titles={"good": "好"})
    outside = page.split("<script>")[0]
    assert "http" not in outside.replace("http-equiv", "") and 'src="' not in outside and "<link" not in outside
    assert "default-src 'none'" in page and "all &amp; sundry" in page and "好" in page
    assert page.count('id="chart-ic-') == len(screened().everything.kept) == page.count('id="chart-quantiles-')


def test_the_summary_counts_what_passes_the_adjusted_bar() -> None:
    words = " ".join(summary(screened(min_rank_ic=0.05, horizon=1)))
    assert words.startswith("4 factors with values on 120 dates, 150 names a date on average")
    assert "3 of 4 tried pass the bar for that many tries, |t| ≥ 2.50 (Bonferroni): late, good, other." in words
    assert "2 of them pass Bonferroni's bar" in words
    assert "Dropped: 1 as too weak or too sparse, 1 as too like a stronger one." in words
    none = " ".join(summary(screened(tried=10**12, min_rank_ic=0.9)))
    assert "Kept: 0; 0 of them" in none and "late" not in none.split("Kept: 0")[1]


def test_the_statement_on_many_tests_gives_every_bar() -> None:
    found = screened(tried=70)
    words = " ".join(statement_on_tests(found))
    bars = found.everything.thresholds
    for bar in (bars.single, bars.bonferroni, bars.sidak, bars.yekutieli):
        assert f"{bar:.2f}" in words
    assert "70 factors tried" in words and "Newey-West" in words
    assert f"{bars.bonferroni:.2f}" == "3.38"  # two-sided 5 % / 70 by the normal distribution


def test_the_page_says_what_the_names_that_could_not_be_bought_change(tmp_path: Path) -> None:
    allowed = np.ones((D, N), dtype=bool)
    allowed[:, :15] = False
    page = shown(tmp_path, buyable=allowed)
    assert "10.0% of the names could not be bought" in page and "Why, where it changes" in page
    assert "Why, where it changes" not in shown(tmp_path)


def test_one_factor_two_dates_and_nothing_known_still_make_a_page(tmp_path: Path) -> None:
    empty = np.full((2, 30), np.nan)
    found = screen({"empty": empty}, {1: empty}, DATES[:2], unavailable={"ratings": "needs analysts"}, unit="month")
    page = write_page(found, tmp_path / "out.html").read_text(encoding="utf-8")
    assert "needs analysts" in page and "2, 1 month apart" in page and "nan" not in page.split("<script>")[0].lower()


def test_curves_compound_returns_that_do_not_overlap() -> None:
    found = screened(horizon=5)
    one = found.everything.evaluations["good"]
    curve = quantile_chart(found, one)["data"][-1]
    rows = np.arange(0, D, 5)
    expected = np.cumprod((1 + one.quantile_means[1, rows, -1]) / (1 + one.means[1, rows]))
    assert curve["x"] == [str(d) for d in DATES[rows]] and curve["y"] == pytest.approx(expected.tolist(), abs=1e-4)
    line = ic_chart(found, one)["data"][1]
    assert line["y"][-1] == pytest.approx(one.rank_ic[1].sum(), abs=1e-3)


# -- Alphalens' sheets -------------------------------------------------------------------------------


def test_alphalens_sheets_are_caught_and_leave_no_trace(tmp_path: Path) -> None:
    import matplotlib
    import matplotlib.pyplot as plt
    import pandas as pd
    from alphalens import tears, utils

    from signals.screening.alphalens_sheets import factor_data, write_sheets

    rng = np.random.default_rng(2)
    prices = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (70, 25)), axis=0))
    rows = np.arange(45)
    names = [f"S{k}" for k in range(25)]
    data = factor_data(rng.normal(size=(45, 25)), prices, rows, DATES[:70], names, horizons=(1, 5))
    before = (
        tears.GridFigure.close, utils.display, list(warnings.filters), pd.get_option("display.float_format"),
        dict(matplotlib.rcParams), plt.get_fignums(),
    )  # fmt: skip
    page = write_sheets(data, tmp_path / "sheet.html", title="a <factor>", sheets=("turnover",)).read_text("utf-8")
    assert before == (
        tears.GridFigure.close, utils.display, list(warnings.filters), pd.get_option("display.float_format"),
        dict(matplotlib.rcParams), plt.get_fignums(),
    )  # fmt: skip
    assert "a &lt;factor&gt;" in page and page.count("data:image/png;base64,") == 1 and "Mean Factor Rank Auto" in page
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def test_a_sheet_that_fails_becomes_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    from alphalens import tears

    from signals.screening.alphalens_sheets import render, to_html

    def broken(*_: object) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr(tears, "create_turnover_tear_sheet", broken)
    sheets = render(None, ("turnover",))  # type: ignore[arg-type]
    assert sheets[0].note == "not drawn: no such luck" and "no such luck" in to_html(sheets, "x")
    with pytest.raises(SignalError, match="no Alphalens sheet 'summary'"):
        render(None, ("summary",))  # type: ignore[arg-type]


def test_a_factor_without_values_is_refused_before_alphalens_sees_it() -> None:
    from signals.screening.alphalens_sheets import factor_data

    with pytest.raises(DataError, match="has no value on these dates"):
        factor_data(np.full((2, 3), np.nan), np.ones((5, 3)), np.arange(2), DATES[:5], ["a", "b", "c"])
