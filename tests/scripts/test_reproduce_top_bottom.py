"""Paper 3's report on the thinned problem, its plan and stand-ins, and its portfolios against runs of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from quick_report import Report, quick_report

from engine.backtest import run
from engine.portfolios_run import run_portfolios
from reproduction import top_bottom_published as published
from reproduction.budget import plan_of
from reproduction.sections import PUBLISHED
from reproduction.top_bottom_layers import month_bins
from reproduction.top_bottom_problem import MARK, SIDES, model_of, trainings

DATA = "synthetic:stocks=60,seed=3"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")
    return quick_report("top-bottom", tmp_path_factory.mktemp("paper-3"))


def table_of(report: Report, title: str) -> dict[str, Any]:
    """The first table whose title begins so."""
    tables = (table for section in report.found["sections"] for table in section["tables"])
    return next(table for table in tables if table["title"].startswith(title))


def rows_of(report: Report, title: str) -> dict[str, list[str]]:
    """Its rows by their first cell."""
    return {row[0]: row[1:] for row in table_of(report, title)["rows"]}


def planned(budget: float) -> Any:
    study = SimpleNamespace(quick=False, data="../shared/data")
    study.plan = plan_of(trainings(study), budget)  # type: ignore[arg-type]
    return study


# -- the report ----------------------------------------------------------------------------------------


def test_right_answers_and_auc_stand_three_ways_for_every_model(report: Report) -> None:
    rows = rows_of(report, "Means over all months")
    assert rows["LSTM: right answers"][0] == "58.57%" and rows["GRU: AUC"][0] == "0.5576"
    everything = report.found["facts"]["fit"]["all"]
    assert rows["LSTM: AUC"][1:] == [f"{everything[f'lstm-{p}']['auc']:.4f}" for p in ("paper", "honest")]
    assert rows["XGBoost: right answers"][0] == ""  # the paper tells none
    assert all("skipped" not in row for row in rows.values())


def test_the_figures_of_a_stage_are_means_of_its_months(report: Report) -> None:
    months = report.found["facts"]["fit"]["months"]["rnn-honest"]
    assert [day[:4] for day in months["days"]] == ["2013"] * 6 + ["2014"] * 5  # the last month has no outcome
    stage = np.mean(months["accuracy"][:6])
    assert rows_of(report, "Right answers by stage")["RNN, honest"][0] == f"{stage:.2%}"


def test_the_weights_of_both_layers_are_there_by_iteration(report: Report) -> None:
    rows = rows_of(report, "Chart 20: mean size of the weights of ln_capital")
    assert rows["Iteration 100"][0] == "0.0233" and rows["Iteration 1000"][0] == "0.0557"
    second = rows_of(report, "Chart 23, ours (paper)")
    assert list(second) == ["0", "1", "2", "3"] and len(second["0"]) == 8  # three epochs of a batch, eight units
    assert second["0"] != second["3"]


def test_layers_stand_as_the_paper_prints_them_with_ours_below(report: Report) -> None:
    table = table_of(report, "Chart 26")
    assert [row[0] for row in table["rows"][:4]] == ["Layer 1", "", "", "Layer 2"]
    assert [row[1] for row in table["rows"][:3]] == [PUBLISHED, SIDES["paper"], SIDES["honest"]]
    assert table["rows"][0][2:6] == ["22.95%", "26.97%", "0.85", "44.37%"]
    assert len(table["rows"]) == 3 * 7
    ranks = rows_of(report, "Chart 31: mean rank")
    assert [ranks[f"Layer {k}"][0] for k in (1, 10)] == ["1.58", "9.92"]
    for side in (1, 2):
        assert sum(float(row[side]) for row in ranks.values()) == pytest.approx(55.0)


def test_every_industry_has_a_line(report: Report) -> None:
    rows = table_of(report, "Chart 33: layer 1, and the layers by return")["rows"]
    assert [row[0] for row in rows[: len(published.INDUSTRIES)]] == list(published.INDUSTRIES)
    own = {row[1]: row for row in rows}
    assert own["银行"][2] == "6.40%" and any(row[5] for row in rows)


def test_stock_picking_stands_for_every_size_and_benchmark(report: Report) -> None:
    table = table_of(report, "Chart 34: Excess return a year (industry-neutral)")
    assert len(table["head"]) == 2 + 15 and len(table["rows"]) == 4 * 3
    assert table["rows"][0][2:7] == ["19.71%", "19.57%", "17.92%", "16.39%", "14.81%"]
    last = table_of(report, "Chart 35: Calmar ratio (equal weights)")["rows"][9]
    assert last[0] == "Linear" and last[-5:] == ["1.56", "1.38", "1.26", "1.20", "1.23"]
    main = report.found["facts"]["picks"]["rows"]["lstm-honest"]
    row = table_of(report, "Chart 38")["rows"][5]
    assert row[2] == SIDES["honest"] and row[3] == f"{main['annual_return']:.2%}" and row[-1].endswith("%")


def test_a_portfolio_among_many_is_the_run_of_its_own_that_the_conclusion_stands_on(report: Report) -> None:
    picks = report.found["facts"]["picks"]
    for model, own in picks["runs"].items():
        assert own["annual_return"] == pytest.approx(picks["rows"][f"{model}-honest"]["annual_return"], rel=1e-12)


def test_the_conclusion_counts_the_models_tried_and_sets_the_paper_beside_ours(report: Report) -> None:
    text = report.found["conclusion"]
    assert "6 settings of industry-neutral" in text and "control linear" in text
    assert "24.00%" in text and "58.57%" in text


def test_what_differs_names_the_factors_that_the_data_lack(report: Report) -> None:
    rows = rows_of(report, "What differs")
    assert rows["Factors"][0] == "70" and rows["Factors"][1].endswith(" of 70")
    assert "rating_targetprice" in rows["Factors that the data lack"][2]
    assert rows["Fill"][1:] == ["close of the month's first day", "open of the month's first day"]


# -- the plan ------------------------------------------------------------------------------------------


def test_a_model_that_is_too_dear_is_stood_in_for_by_its_first_stage() -> None:
    study = planned(840.0)
    whole, stand_in = model_of(study, "lstm", "honest"), model_of(study, "lstm", "paper")
    assert whole is not None and not whole.stand_in and "refit" not in whole.signal and whole.mark == ""
    assert stand_in is not None and stand_in.stand_in and stand_in.signal["refit"] == "once" and stand_in.mark == MARK
    assert model_of(study, "mlp", "paper") is None
    assert "lstm-paper" in [one.name for one in study.plan.skipped]


def test_there_is_no_stand_in_beside_the_model_itself() -> None:
    chosen = [one.name for one in planned(1e9).plan.chosen]
    assert len(chosen) == 12 and not [name for name in chosen if name.endswith("once")]


# -- by hand and by another route ----------------------------------------------------------------------


def test_months_are_counted_in_bins_of_a_per_cent_around_zero() -> None:
    middles, counts = month_bins(np.array([-0.0151, -0.0149, 0.0049, -0.0049, 0.0251]))
    assert middles.tolist() == pytest.approx([-0.02, -0.01, 0.0, 0.01, 0.02, 0.03])
    assert counts.tolist() == [1, 1, 2, 0, 0, 1]


def test_each_portfolio_of_the_one_pass_is_that_of_a_run_of_its_own(own_cache: Any, tmp_path: Any) -> None:
    conditions = {
        "data": "synthetic:stocks=60,seed=3,start=2012-01-04,end=2012-12-31", "start": "2012-07-02", "cash": 1e7,
        "signal": "reversal-20d",
    }  # fmt: skip
    picks = {"name": "reproduction.top_bottom_strategy:StockPicks", "each": [2], "more": [3], "hold": [20, 10]}
    done = run_portfolios({**conditions, "strategy": picks}, out=tmp_path)
    dates, values = done.series()
    assert list(values) == ["csi300/2", "csi500/2", "csi500/3", "all/2", "equal/20", "equal/10"]
    for name, strategy in (
        ("csi500/3", {"name": "industry-neutral", "each": 3, "index": "csi500"}),
        ("all/2", {"name": "industry-neutral", "each": 2, "index": "all"}),
        ("equal/10", {"name": "equal-weight", "hold": 10}),
    ):
        alone = run({**conditions, "strategy": strategy}, out=tmp_path)
        assert values[name].tolist() == alone.equity["value"].tolist(), name
        assert dates.tolist() == alone.equity["date"].to_numpy().astype("datetime64[D]").tolist()
