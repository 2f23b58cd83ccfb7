"""Blends of signals against examples worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_market import market_of

from engine.config import PluginConfig
from engine.errors import ConfigError
from engine.plugins import build
from signals.base import Signal
from signals.blend import Blend, ranks_of
from signals.saved import Learnt

A, B, C, D = "600000.SH", "600001.SH", "600002.SH", "600003.SH"


class Fixed(Signal):
    scores: dict[str, float] = {}

    def predict(self, view: Any) -> pd.DataFrame:
        return pd.DataFrame({"score": pd.Series(self.scores, dtype=float)})


class Learner(Signal):
    """Scores that are known only after a fit; keeps the sessions of its fits."""

    refit = "yearly"

    def fit(self, history: Any) -> Any:
        FITS.append(str(history.date))
        return self.having_learnt(Learnt({"sign": np.array([1.0])}))

    def predict(self, view: Any) -> pd.DataFrame:
        return view.scores(self.needs().arrays["sign"][0] * np.arange(len(view.symbols), dtype=float))


FITS: list[str] = []


def got(blend: Blend, view: Any) -> dict[str, float]:
    return blend.predict(view)["score"].round(9).to_dict()


def test_ranks_reach_from_minus_to_plus_one_half_and_ties_share_theirs() -> None:
    assert ranks_of(np.array([3.0, 1.0, 2.0])).tolist() == [0.5, -0.5, 0.0]
    assert ranks_of(np.array([1.0, 2.0, 2.0])).tolist() == [-0.5, 0.25, 0.25]
    assert ranks_of(np.array([7.0])).tolist() == [0.0]


def test_ranks_are_averaged_over_the_stocks_that_every_signal_scores() -> None:
    view = market_of({A: [1.0], B: [1.0], C: [1.0], D: [1.0]}).view(0)
    one, two = Fixed(scores={A: 1.0, B: 2.0, C: 900.0, D: 4.0}), Fixed(scores={A: 5.0, B: 9.0, C: 7.0})
    # D is scored once; ranks of A, B, C are -0.5, 0, 0.5 and -0.5, 0.5, 0
    assert got(Blend(signals=(one, two)), view) == {A: -0.5, B: 0.25, C: 0.25}
    assert got(Blend(signals=(one, two), weights=(0.8, 0.2)), view) == {A: -0.5, B: 0.1, C: 0.4}


def months() -> Any:
    """Ten months of two sessions; from each month end to the next A gains 20 %, B 10 %, C nothing."""
    days = [np.datetime64(f"2019-{month:02d}-{day}") for month in range(1, 11) for day in (10, 20)]
    grow = {A: 1.2, B: 1.1, C: 1.0}
    closes = {symbol: [10.0 * rate ** (k // 2) for k in range(20)] for symbol, rate in grow.items()}
    market = market_of(closes)
    market.sessions = np.array(days, dtype="datetime64[D]")
    return market


GOOD = Fixed(scores={A: 3.0, B: 2.0, C: 1.0})  # Rank IC 1
HALF = Fixed(scores={A: 2.0, B: 3.0, C: 1.0})  # ranks 0, 0.5, -0.5 against 0.5, 0, -0.5: Rank IC 0.5
BAD = Fixed(scores={A: 1.0, B: 2.0, C: 3.0})  # Rank IC -1


def test_weights_by_information_coefficient_are_in_proportion_and_never_negative() -> None:
    view = months().view(19)
    fitted = Blend(signals=(GOOD, HALF, BAD), method="ic", at_least=6).fit(view)
    # both sets of scores count at 9 month ends; min one more common stock than signals is needed: three are not
    assert fitted.needs().arrays["weights"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    two = Blend(signals=(GOOD, HALF), method="ic", at_least=6).fit(view)
    assert two.needs().arrays["weights"].tolist() == pytest.approx([2 / 3, 1 / 3])
    bad = Blend(signals=(GOOD, BAD), method="ic", at_least=6).fit(view)
    assert bad.needs().arrays["weights"].tolist() == [1.0, 0.0]
    assert got(two, view) == {A: round(2 / 3 * 0.5, 9), B: round(1 / 3 * 0.5, 9), C: -0.5}


def test_with_too_few_months_weights_are_equal() -> None:
    early = months().view(11)  # five pairs of month ends
    six, five = (Blend(signals=(GOOD, HALF), method="ic", at_least=n).fit(early).needs().arrays for n in (6, 5))
    assert six["weights"].tolist() == [0.5, 0.5] and five["weights"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_stacking_finds_the_signal_that_tells_the_return() -> None:
    fitted = Blend(signals=(GOOD, HALF), method="stack").fit(months().view(19))
    assert fitted.needs().arrays["weights"].tolist() == pytest.approx([1.0, 0.0])


def test_what_a_fit_knows_does_not_change_with_what_comes_later() -> None:
    market = months()
    blend = Blend(signals=(GOOD, HALF), method="ic", at_least=2)
    steps, walked = [9, 13, 17], blend
    for t in steps:
        walked = walked.fit(market.view(t))
    anew = blend.fit(market.view(17))
    assert walked.needs().arrays["weights"].tolist() == anew.needs().arrays["weights"].tolist()


def test_a_signal_that_learns_is_fitted_as_it_declares_and_saved_with_the_blend(tmp_path: Any) -> None:
    FITS.clear()
    market = months()
    blend = Blend(signals=(Learner(), GOOD))
    assert blend.refit == "every" and Blend(signals=(GOOD, BAD)).refit == "never"
    fitted = blend.fit(market.view(3)).fit(market.view(5))
    assert FITS == ["2019-02-20"]
    assert got(fitted, market.view(5)) == {A: 0.0, B: 0.0, C: 0.0}  # ranks up and ranks down


def test_the_past_of_a_learner_is_predicted_by_what_it_had_learnt_by_then() -> None:
    FITS.clear()
    Blend(signals=(Learner(), GOOD), method="ic", at_least=1).fit(months().view(19))
    assert FITS == ["2019-01-20"]  # before the first month end that counts, not at the decision


def test_signals_are_named_as_in_a_configuration() -> None:
    plugin = PluginConfig(name="blend", params={"signals": ["reversal-20d", {"name": "low-turnover", "window": 5}]})
    blend = build("signal", plugin)
    assert [type(one).__module__ for one in blend.signals] == ["signals.reversal", "signals.low_turnover"]
    assert blend.signals[1].window == 5 and blend.lookback == max(one.lookback for one in blend.signals)
    assert blend.model_copy(update={"method": "ic"}).lookback == blend.lookback + 25 * 23
    other = build("signal", PluginConfig(name="blend", params={"signals": ["small-cap", "low-turnover"]}))
    assert blend.code_digest != other.code_digest


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"signals": ["reversal-20d"]}, "two signals or more"),
        ({"signals": ["reversal-20d", "low-turnovr"]}, "did you mean 'low-turnover'"),
        ({"signals": ["reversal-20d", 3]}, "3 is no signal of a blend"),
        ({"signals": ["reversal-20d", "small-cap"], "weights": [1.0]}, "of 2 signals was given 1 weights"),
        ({"signals": ["reversal-20d", "small-cap"], "weights": [0.5, 0.5], "method": "ic"}, "a blend by ic"),
    ],
)
def test_a_blend_that_cannot_be_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("signal", PluginConfig(name="blend", params=params))
