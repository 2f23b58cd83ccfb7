"""Layers as paper 3 cuts them, and what a run of them says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from random_markets import random_world

from engine.errors import ConfigError
from engine.layers import by_year, groups_of
from engine.portfolios_broker import PortfoliosBroker
from engine.portfolios_run import PortfoliosRun, run_portfolios
from engine.simulation import simulate
from engine.view import View
from signals.base import Signal
from strategies.layered import Layered, parts
from strategies.portfolios import Weights

SYNTHETIC = {
    "data": "synthetic:stocks=60,start=2018-01-02,end=2019-06-28", "cash": 1e8, "signal": {"name": "reversal-20d"},
    "strategy": {"name": "layered", "layers": 3, "by": "size"},
}  # fmt: skip


def test_five_stocks_in_three_layers_are_split_as_in_chart_25() -> None:
    found = parts(np.arange(5), np.full(5, 5), 3)
    assert found.T.tolist() == [[3, 2, 0, 0, 0], [0, 1, 3, 1, 0], [0, 0, 0, 2, 3]]


def test_every_layer_of_an_industry_weighs_the_same_and_a_stock_is_fully_used() -> None:
    places = np.concatenate([np.arange(n) for n in (1, 2, 7, 30)])
    counts = np.repeat([1, 2, 7, 30], [1, 2, 7, 30])
    found = parts(places, counts, 10)
    assert (found.sum(axis=1) == 10).all()
    for n in (1, 2, 7, 30):
        assert found[counts == n].sum(axis=0).tolist() == [n] * 10


class _ByNumber(Signal):
    """The first column has the highest score."""

    def predict(self, view: View) -> pd.DataFrame:
        return view.scores(-np.arange(len(view.symbols), dtype=float))


def _weights(by: str, index: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, float]]:
    from strategies import layered

    market = random_world(2).market
    kinds = np.array(["bank"] * 5 + ["steel"] * 3, dtype=object)
    worth = np.array([8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0])
    monkeypatch.setattr(layered, "industry_names", lambda view: kinds)
    monkeypatch.setattr(layered, "total_values", lambda view: worth)
    heavy = type("Weights", (), {"weights": {"bank": 0.75, "steel": 0.25}})
    monkeypatch.setattr(layered, "industry_weights", lambda view, index: heavy)
    seen: list[Weights] = []

    class Seen(Layered):
        def portfolios(self, scores: pd.DataFrame, view: View) -> Weights:  # of all stocks, listed or not
            every = pd.DataFrame({"score": -np.arange(len(view.symbols), dtype=float)}, index=view.symbols)
            seen.append(super().portfolios(every, view))
            return seen[-1]

    params = {"layers": 3, "by": by, "index": index}
    simulate(market, Seen, params, signal=_ByNumber(), rebalance="1W", broker=PortfoliosBroker)
    columns = {symbol: str(k) for k, symbol in enumerate(market.symbols)}
    return {name: {columns[s]: w for s, w in weights.items()} for name, weights in seen[0].items()}


def test_industries_weigh_what_they_weigh_in_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _weights("all", "csi300", monkeypatch)
    # Bank: five stocks in three layers, 3:2 of 0.75. Steel: three stocks, one a layer, 0.25.
    assert found["all/1"] == pytest.approx({"0": 0.45, "1": 0.30, "5": 0.25})
    assert found["all/2"] == pytest.approx({"1": 0.15, "2": 0.45, "3": 0.15, "6": 0.25})
    assert found["all/3"] == pytest.approx({"3": 0.30, "4": 0.45, "7": 0.25})
    assert found["all/benchmark"] == pytest.approx(dict.fromkeys("01234", 0.15) | dict.fromkeys("567", 0.25 / 3))


def test_without_an_index_all_stocks_are_cut_as_one_industry(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _weights("all", "", monkeypatch)
    assert found["all/1"] == pytest.approx({"0": 3 / 8, "1": 3 / 8, "2": 2 / 8})
    assert found["all/2"] == pytest.approx({"2": 1 / 8, "3": 3 / 8, "4": 3 / 8, "5": 1 / 8})


def test_thirds_by_market_value_are_layered_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _weights("size", "", monkeypatch)
    assert set(found["large/benchmark"]) == {"0", "2", "4"}  # worth 8, 7, 6
    assert set(found["middle/benchmark"]) == {"5", "6", "7"}  # 3, 5, 4
    assert set(found["small/benchmark"]) == {"1", "3"}
    assert found["large/1"] == pytest.approx({"0": 1.0})


def test_each_industry_is_layered_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _weights("industry", "csi300", monkeypatch)
    assert found["bank/2"] == pytest.approx({"1": 0.2, "2": 0.6, "3": 0.2})
    assert found["steel/3"] == pytest.approx({"7": 1.0})


def test_years_rank_layers_and_average_the_ranks() -> None:
    dates = np.array(["2018-12-28", "2019-12-31", "2020-12-31"], dtype="datetime64[D]")
    value = {"all/1": [100.0, 120.0, 126.0], "all/2": [100.0, 110.0, 143.0], "all/benchmark": [100.0, 115.0, 130.0]}
    arrays = {name: np.array(levels) for name, levels in value.items()}
    nothing = {name: np.zeros(3) for name in value}
    (group,) = groups_of(dates, arrays, nothing, nothing)
    years = by_year(group)
    assert years.returns == pytest.approx(np.array([[0.2, 0.1], [0.05, 0.3]]))
    assert years.ranks.tolist() == [[1, 2], [2, 1]]
    assert years.mean_rank.tolist() == [1.5, 1.5]
    assert group.long_short() == pytest.approx([1.0, 120 / 110, 126 / 143])
    assert group.order() == [2, 1]


def test_parameters_that_make_no_sense_are_refused() -> None:
    market = random_world(2).market
    for params, sentence in (({"layers": 1}, "1 layers"), ({"by": "sise"}, "by 'sise'"), ({}, "give it a signal")):
        signal = None if not params else _ByNumber()
        with pytest.raises(ConfigError, match=sentence):
            simulate(market, Layered, params, signal=signal, broker=PortfoliosBroker)


def test_a_run_of_layers_leaves_a_folder_a_page_and_is_not_repeated(tmp_path: Path) -> None:
    from engine.portfolios_page import write_page

    run = run_portfolios(SYNTHETIC, out=tmp_path)
    dates, value = run.series()
    assert list(value) == [f"{g}/{k}" for g in ("large", "middle", "small") for k in ("1", "2", "3", "benchmark")]
    assert all(len(levels) == len(dates) and levels[0] == 1e8 for levels in value.values())
    bought = run.series("bought")[1]["small/1"]
    one = run.result["portfolios"]["small/1"]
    assert bought.sum() > 1e8 and one["fees"] > 0 and one["final_value"] == value["small/1"][-1]
    page = write_page(run).read_text(encoding="utf-8")
    assert "By year, with rank" in page and "Long-short" in page and "Groups side by side" in page
    again = run_portfolios(SYNTHETIC, out=tmp_path)
    assert again.reused and again.result == PortfoliosRun.load(run.folder).result

    with pytest.raises(ConfigError, match="strategy top-n holds one portfolio"):
        run_portfolios(SYNTHETIC | {"strategy": {"name": "top-n"}}, out=tmp_path)


def test_ten_layers_come_back_in_their_order_each_with_its_own_values(tmp_path: Path) -> None:
    run = run_portfolios(SYNTHETIC | {"strategy": {"name": "layered", "layers": 10, "index": ""}}, out=tmp_path)
    _, value = run.series()
    assert list(value) == [*(f"all/{k}" for k in range(1, 11)), "all/benchmark"]
    assert {name: levels[-1] for name, levels in value.items()} == {
        name: one["final_value"] for name, one in run.result["portfolios"].items()
    }
