"""Runs side by side: the sessions they share, differences with intervals, overlap of holdings, the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored import stored

from engine.bootstrap import interval, resamples
from engine.comparison import against, compare, difference, shared_weight, sharpe_difference
from engine.comparison_page import context, write_comparison
from engine.errors import ConfigError
from engine.measures import annual_return, headline, sharpe
from engine.run_folder import Run

RNG = np.random.default_rng(31)
MARKET = RNG.normal(0.0002, 0.012, 300)
OWN = MARKET + RNG.normal(0.001, 0.004, 300)
OTHER = MARKET + RNG.normal(0.0, 0.004, 300)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    place = tmp_path_factory.mktemp("runs")
    return [
        stored(place / "a", OWN, MARKET, hold=10, books=[{"600519.SH": 60.0, "000001.SZ": 40.0}] * 300),
        stored(place / "b", OTHER, MARKET, hold=20, books=[{"600519.SH": 100.0, "300750.SZ": 300.0}] * 300),
        stored(place / "c", OTHER[40:], MARKET[40:], hold=20, signal="small-cap", start="2015-02-27"),
    ]


def test_runs_are_cut_to_the_sessions_that_all_have(runs: list[Run]) -> None:
    found = compare(runs)
    assert (str(found.dates[0]), str(found.dates[1]), found.dates.size) == ("2015-02-26", "2015-02-27", 261)
    np.testing.assert_allclose(found.net[0], 1.0)
    np.testing.assert_allclose(found.returns[:, 0], OWN[40:], atol=1e-12)
    assert found.benchmark is not None
    np.testing.assert_allclose(found.benchmark[1:] / found.benchmark[:-1] - 1, MARKET[40:], atol=1e-12)
    # figures of a part are computed again, those of a whole run are its own
    level = np.concatenate([[1.0], np.cumprod(1 + OWN[40:])])
    part = headline(found.dates, level, np.concatenate([[1.0], np.cumprod(1 + MARKET[40:])]))
    for key in ("annual_return", "sharpe", "excess_annual_return", "max_drawdown"):
        assert found.figures[0]["headline"][key] == pytest.approx(part[key])
    assert found.figures[2]["headline"] == runs[2].result["headline"]


def test_labels_are_the_fewest_settings_that_tell_the_runs_apart(runs: list[Run], tmp_path: Path) -> None:
    assert compare(runs[:2]).labels == ["hold 10", "hold 20"]
    assert compare(runs[1:]).labels == ["reversal-20d", "small-cap"]
    assert compare(runs).labels == ["reversal-20d, hold 10", "reversal-20d, hold 20", "small-cap, hold 20"]
    again = stored(tmp_path / "again", OWN, MARKET, hold=10)
    assert compare([runs[0], again]).labels == ["a", "again"]


def test_settings_that_differ_are_listed(runs: list[Run]) -> None:
    found = compare(runs).settings
    assert found["strategy.hold"] == [10, 20, 20]
    assert found["signal.name"] == ["reversal-20d", "reversal-20d", "small-cap"]
    assert "universe" not in found


def test_what_cannot_be_compared_is_refused(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one run is no comparison"):
        compare(runs[:1])
    with pytest.raises(ConfigError, match="given twice"):
        compare([runs[0], runs[1], runs[0]])
    later = stored(tmp_path / "later", OWN, start="2019-01-02")
    with pytest.raises(ConfigError, match=r"share no two sessions to compare \(a 2015-01-01 to .*, later 2019"):
        compare([runs[0], later])


def test_the_interval_of_a_difference_draws_both_runs_alike() -> None:
    found = difference(OWN, OTHER, 250.0)
    places = resamples(300).places() % 300
    slow = [(annual_return(OWN[p], 250.0) or 0) - (annual_return(OTHER[p], 250.0) or 0) for p in places.T]
    assert found.value == pytest.approx((annual_return(OWN, 250.0) or 0) - (annual_return(OTHER, 250.0) or 0))
    assert found.interval == pytest.approx(interval(np.array(slow)))
    assert difference(OWN, OWN, 250.0) == (0.0, (0.0, 0.0))
    ratio = sharpe_difference(OWN, OTHER, 250.0)
    slow = [(sharpe(OWN[p], 0.0, 250.0) or 0) - (sharpe(OTHER[p], 0.0, 250.0) or 0) for p in places.T]
    assert ratio.interval == pytest.approx(interval(np.array(slow)))
    assert difference(OWN[:30], OTHER[:30], 250.0).interval is None


def test_the_difference_to_a_control_is_that_of_the_annual_returns(runs: list[Run]) -> None:
    found = against(runs[0], runs[1], "linear")
    per_year = runs[0].result["headline"]["sessions_per_year"]
    assert found.control == "linear"
    assert found.difference == pytest.approx(
        runs[0].result["headline"]["annual_return"] - runs[1].result["headline"]["annual_return"]
    )
    assert found.interval == pytest.approx(difference(OWN, OTHER, per_year).interval)


def test_the_shared_weight_is_the_sum_of_the_smaller_weights() -> None:
    days = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"])
    one = pd.DataFrame(
        [(days[0], "A", 60.0), (days[0], "B", 40.0), (days[1], "A", 5.0), (days[2], "C", 1.0)],
        columns=["date", "symbol", "value"],
    )
    other = pd.DataFrame(
        [(days[0], "A", 1.0), (days[0], "C", 3.0), (days[1], "A", 9.0), (days[2], "B", 1.0), (days[3], "B", 1.0)],
        columns=["date", "symbol", "value"],
    )
    # day 1: A is 60 % of the one and 25 % of the other; day 4: the one holds nothing
    found = shared_weight(one, other, days.to_numpy().astype("datetime64[D]"))
    np.testing.assert_allclose(found, [0.25, 1.0, 0.0, np.nan])


def test_the_page_holds_curves_figures_differences_overlap_and_luck_and_loads_nothing(
    runs: list[Run], tmp_path: Path
) -> None:
    found = compare(runs[:2])
    shown = context(found)
    assert [label for label, _ in shown["conclusions"]] == ["hold 10", "hold 20"]
    assert "Beside the first it made -" in shown["conclusions"][1][1]
    head = {row[0].text: [cell.text for cell in row[1:]] for row in shown["headline"].rows}
    low, high = runs[0].result["intervals"]["sharpe"]
    assert head["Sharpe ratio"][0] == f"{runs[0].result['headline']['sharpe']:.2f} [{low:.2f}, {high:.2f}]"
    # both hold 600519.SH: 60 % of the one, 25 % of the other
    assert [cell.text for cell in shown["differences"].rows[0]][-1] == "25.0%"
    # three settings of top-n in the folder: the two, and the shorter one
    assert [[cell.text for cell in row][1] for row in shown["luck"].rows] == ["3", "3"]
    names = [trace["name"] for trace in shown["charts"]["curves"]["data"] if trace["yaxis"] == "y"]
    assert names == ["hold 10", "hold 20", "Benchmark"]
    assert not shown["conclusions"][0][1].startswith("From")
    cut = context(compare(runs))["conclusions"]  # the third begins later than the first two
    assert [text.startswith("From 2015-01-02 to 2016-02-25: ") for _, text in cut] == [True, True, False]
    page = write_comparison(shown, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What survives" in page and 'src="http' not in page
    assert write_comparison(context(compare(runs[:2])), tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_a_leaking_run_is_marked_on_the_page(runs: list[Run], tmp_path: Path) -> None:
    leak = stored(tmp_path / "leak", OWN + 0.01, MARKET, leaks=True)
    shown = context(compare([leak, runs[0]]))
    assert shown["leaks"] == ["paper (LEAKS)"]
