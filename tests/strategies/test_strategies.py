"""What strategies may return, and what the two built-in ones choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import NAN, market_of

from engine.errors import ConfigError, LookAheadError, SignalError, StrategyError
from engine.fees import ZeroFees
from engine.simulation import simulate
from signals.base import Signal
from strategies.base import RebalanceStrategy, best
from strategies.equal_weight import EqualWeight
from strategies.top_n import TopN

A, B, C = "600000.SH", "600001.SH", "600002.SH"


class Fixed(Signal):
    """Scores given by hand."""

    scores: dict[str, float] = {}

    def predict(self, view: Any) -> pd.DataFrame:
        return pd.DataFrame({"score": pd.Series(self.scores, dtype=float)})


def market() -> Any:
    return market_of({A: [10.0] * 8, B: [20.0] * 8, C: [5.0] * 8})


def test_top_n_holds_the_best_in_equal_weights_and_leaves_the_rest_in_cash() -> None:
    done = simulate(
        market(), TopN, {"hold": 2}, signal=Fixed(scores={A: 1.0, B: 3.0, C: 2.0}), rebalance="5D", cash=100_000.0
    )
    assert done.broker.shares.tolist() == [0, 2500, 9900]  # 50,000 each; the first one's fees leave 49,987
    few = simulate(market(), TopN, {"hold": 4}, signal=Fixed(scores={A: 1.0}), rebalance="5D", cash=100_000.0)
    assert few.broker.shares.tolist() == [2500, 0, 0]


def test_ties_go_by_symbol() -> None:
    frame = pd.DataFrame({"score": [1.0, 1.0, 2.0]}, index=[C, A, B])
    assert best(frame, 2) == [B, A]


def test_equal_weight_holds_what_traded_on_the_decision_session() -> None:
    suspended = market_of({A: [10.0, 10.0], B: [NAN, 20.0], C: [5.0, 5.0]})
    done = simulate(suspended, EqualWeight, rebalance="5D", cash=100_000.0)
    assert done.broker.shares.tolist() == [5000, 0, 9900]


def test_equal_weight_over_n_holds_the_best_and_invests_all_of_the_account() -> None:
    options: dict[str, Any] = {"rebalance": "5D", "cash": 100_000.0, "fees": ZeroFees()}
    scores = Fixed(scores={A: 1.0, B: 3.0, C: 2.0})
    two = simulate(market(), EqualWeight, {"hold": 2}, signal=scores, **options)
    assert two.broker.shares.tolist() == [0, 2500, 10000]
    one = simulate(market(), EqualWeight, {"hold": 5}, signal=Fixed(scores={A: 1.0}), **options)
    assert one.broker.shares.tolist() == [10000, 0, 0]
    with pytest.raises(ConfigError, match="chooses the 2 best by a signal"):
        simulate(market(), EqualWeight, {"hold": 2}, **options)
    with pytest.raises(ConfigError, match="hold -1 names"):
        simulate(market(), EqualWeight, {"hold": -1}, **options)


@pytest.mark.parametrize("hold", [0, -3])
def test_top_n_refuses_to_hold_nothing(hold: int) -> None:
    with pytest.raises(ConfigError, match=f"hold {hold} names"):
        simulate(market(), TopN, {"hold": hold}, signal=Fixed())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({A: 0.6, B: 0.6}, "sum to 1.2"),
        ({A: -0.1}, "600000.SH the weight -0.1"),
        ({A: float("nan")}, "600000.SH the weight nan"),
        ({"600009.SH": 0.5}, "'600009.SH'"),
        ([A, B], "returned a list"),
    ],
)
def test_bad_weights_are_refused_with_strategy_date_and_symbol(weights: Any, message: str) -> None:
    class Odd(RebalanceStrategy):
        def allocate(self, scores: Any, portfolio: Any, view: Any) -> Any:
            return weights

    with pytest.raises(StrategyError, match=f"Odd.*{message}|{message}.*Odd") as error:
        simulate(market(), Odd, rebalance="5D")
    assert "2019-03-04" in str(error.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (pd.DataFrame({"score": [1.0, np.nan]}, index=[A, B]), "600001.SH the score nan"),
        (pd.DataFrame({"score": [1.0]}, index=["600009.SH"]), "'600009.SH'"),
        (pd.DataFrame({"score": [1.0, 2.0]}, index=[A, A]), "600000.SH twice"),
        (pd.DataFrame({"rank": [1.0]}, index=[A]), "column 'score'"),
        (pd.Series([1.0], index=[A]), "returned a Series"),
    ],
)
def test_bad_scores_are_refused_with_signal_date_and_symbol(answer: Any, message: str) -> None:
    class Odd(Signal):
        def predict(self, view: Any) -> Any:
            return answer

    with pytest.raises(SignalError, match=message) as error:
        simulate(market(), TopN, {"hold": 1}, signal=Odd(), rebalance="5D")
    assert "Odd" in str(error.value) and "2019-03-04" in str(error.value)


def test_a_signal_that_asks_for_tomorrow_is_refused() -> None:
    class Curious(Signal):
        def predict(self, view: Any) -> Any:
            return view.scores(view.upto(view.t + 1).close[-1])

    with pytest.raises(LookAheadError, match="ends at 2019-03-04"):
        simulate(market(), TopN, {"hold": 1}, signal=Curious(), rebalance="5D")


def test_unknown_parameter_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no parameter 'hodl'; did you mean 'hold'"):
        simulate(market(), TopN, {"hodl": 3}, signal=Fixed())


def test_a_signal_is_fitted_as_often_as_it_declares() -> None:
    class Learner(Signal):
        def fit(self, history: Any) -> Any:
            seen.append(str(history.date))
            return self

        def predict(self, view: Any) -> Any:
            return view.scores(np.arange(len(view.symbols), dtype=float))

    for refit, times in (("never", 0), ("once", 1), ("every", 3)):
        seen: list[str] = []
        Learner.refit = refit
        simulate(market(), TopN, {"hold": 1}, signal=Learner(), rebalance="3D")
        assert len(seen) == times


def test_decisions_know_when_they_were_made_on_what_and_executed() -> None:
    done = simulate(market(), TopN, {"hold": 1}, signal=Fixed(scores={A: 1.0}), rebalance="7D")
    table = done.broker.ledger.decisions_frame()
    assert table["decision"].astype(str).tolist() == ["2019-03-04", "2019-03-13"]
    assert str(table["execution"][0].date()) == "2019-03-05" and table["execution"].isna().tolist() == [False, True]
    assert table["status"].tolist() == ["executed", "pending"]
    before = simulate(market(), TopN, {"hold": 1}, signal=Fixed(scores={A: 1.0}), rebalance="3D", fill="same_close")
    table = before.broker.ledger.decisions_frame()
    assert table["decision"].astype(str).tolist() == ["2019-03-07", "2019-03-12"]
    assert table["data_until"].astype(str).tolist() == ["2019-03-06", "2019-03-11"]
    assert table["execution"].astype(str).tolist() == ["2019-03-07", "2019-03-12"]
