"""Paper 2's next close by other means than its defaults: a straight line, in sample, for some stocks, searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.market import Market
from feeds.store import open_market
from signals.lstm_price import LinearPrice, LstmPrice
from signals.protocols import hand_over

DATA = "synthetic:stocks=8,seed=5,start=2013-01-01,end=2014-12-31"


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUICE_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return open_market(DATA, universe="all", cache=tmp_path_factory.mktemp("market"))


def line(**more: Any) -> Any:
    return LinearPrice(**{"window": "6M", "steps": 2, "min_samples": 50, **more})


def test_the_straight_line_is_the_least_squares_of_one_stocks_days(market: Market) -> None:
    t = len(market.sessions) - 30
    view = market.view(t)
    fitted = line(validation=0.0, ridge=0.0).fit(view)
    frame = fitted.predict(view)
    symbol = str(frame.index[0])
    column = market.index[symbol]
    samples = fitted.samples(view)
    clean = fitted.cleaned(samples)[:, column]
    rows = np.flatnonzero(fitted.split(view, samples).train[:, column])
    x = np.stack([clean[rows - 1], clean[rows]], axis=1)
    middle, spread = np.nanmean(x.reshape(-1, x.shape[2]), axis=0), np.nanstd(x.reshape(-1, x.shape[2]), axis=0)

    def inputs(part: np.ndarray) -> np.ndarray:
        return np.c_[np.nan_to_num((part - middle) / spread).reshape(len(part), -1), np.ones(len(part))]

    assert samples.target is not None
    y = samples.target.values[rows, column]
    weights = np.linalg.lstsq(inputs(x), y, rcond=None)[0]
    now = inputs(np.stack([clean[-2:]]))
    assert frame.loc[symbol, "predicted"] == pytest.approx(float((now @ weights)[0]), rel=1e-4)


def test_a_model_in_sample_has_learnt_from_the_days_after_the_decision(market: Market) -> None:
    early = market.view(len(market.sessions) - 200)
    honest = line(validation=0.0).fit(early)
    seen = hand_over(line(validation=0.0, protocol="paper", in_sample=True, window="20M"), market).fit(early)
    assert seen.needs().facts["day"] == str(market.sessions[-1]) and honest.needs().facts["day"] == str(early.date)
    last = market.view(len(market.sessions) - 2)
    actual = market.close[-1] * market.adj_factor[-1]
    errors = []
    for fitted in (honest, seen):
        frame = fitted.predict(last)
        places = [market.index[symbol] for symbol in frame.index]
        errors.append(np.nanmedian(np.abs(frame["predicted"].to_numpy() / actual[places] - 1.0)))
    assert errors[1] < errors[0]


def test_in_sample_is_refused_without_the_paper_protocol() -> None:
    with pytest.raises(ConfigError, match="learns from the days that it scores: it needs protocol=paper"):
        line(in_sample=True)


def test_only_the_stocks_asked_for_get_a_model(market: Market) -> None:
    view = market.view(len(market.sessions) - 30)
    all_of_them = line().fit(view).predict(view)
    chosen = str(all_of_them.index[2])
    alone = line(stocks=(chosen,)).fit(view)
    assert list(alone.needs().facts["chosen"]) == [chosen]
    frame = alone.predict(view)
    assert list(frame.index) == [chosen]
    assert frame.loc[chosen, "predicted"] == all_of_them.loc[chosen, "predicted"]


def test_what_a_search_tried_stays_with_its_losses(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinearPrice, "space", {"steps": (2, 3), "ridge": (0.01, 10.0)})
    view = market.view(len(market.sessions) - 30)
    symbol = str(line().fit(view).predict(view).index[0])
    fitted = line(search="grid", validation=0.2, stocks=(symbol,)).fit(view)
    tried = fitted.needs().facts["tried"][symbol]
    assert [(point["steps"], point["ridge"]) for point, _, _ in tried] == [(2, 0.01), (2, 10.0), (3, 0.01), (3, 10.0)]
    assert all(share == 1.0 for _, share, _ in tried)
    point, _, loss = min(tried, key=lambda one: one[2])
    assert fitted.needs().facts["chosen"][symbol] == point
    assert fitted.needs().facts["losses"][f"{symbol} 1"] == loss


def test_a_forecast_does_not_depend_on_how_many_are_asked_at_once(market: Market) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install -r locks/torch-py311.txt")
    view = market.view(len(market.sessions) - 30)
    signal: Any = LstmPrice(window="6M", steps=2, min_samples=50, epochs=1, units=4, dense_units=4)  # type: ignore[call-arg]
    fitted = signal.fit(view)
    _, one, model = fitted.models()[0]
    x = np.random.default_rng(1).normal(size=(40, 2, len(fitted.factors))).astype(np.float32)
    alone = np.concatenate([one.output(model, x[k : k + 1]) for k in range(len(x))])
    assert (one.output(model, x) == alone).all()
