"""A user's factors are held to what they declare wherever their values are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import HuiceError, LookAheadError, SignalError
from engine.market import Market
from feeds.store import open_market
from signals.factors import registry
from signals.factors.cache import FactorCache
from signals.factors.panel import month_ends
from signals.screening import honesty
from signals.screening.market import factor_values, schedule_rows, screen_market, study

FILE = """
import numpy as np
from signals.factors.registry import factor


@factor("own", chinese="自己", family="mine", direction=1, unit="ratio", inputs={inputs}, lookback={lookback},
        source="me")
def own(panel):
    close = panel.bars("close")
    {body}
"""
SUM = "sums = np.cumsum(close); sums[3:] = sums[3:] - sums[:-3]; return panel.spread(sums / panel.bars('preclose'))"


@pytest.fixture(scope="module")
def market() -> Market:
    return open_market("synthetic:stocks=100,seed=2", universe="all", start="2014-01-02", end="2014-12-31")


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORS", dict(registry.registered()))


def own(folder: Path, body: str, inputs: str = '("close",)', lookback: int | None = 1) -> list[registry.Factor]:
    file = folder / "own.py"
    file.write_text(FILE.format(body=body, inputs=inputs, lookback=lookback), encoding="utf-8")
    return registry.load_file(file)


def test_a_factor_that_keeps_to_what_it_declares_is_taken(market: Market, tmp_path: Path) -> None:
    body = "return panel.spread(close / panel.bars('preclose') - 1.0)"
    chosen = own(tmp_path, body, '("close", "preclose")')
    rows = month_ends(market.sessions)
    values = factor_values(market, chosen, rows, schedule="monthly", cache=FactorCache(tmp_path / "cache"))["own"]
    expected = np.where(market.traded[rows], market.close[rows] / market.preclose[rows] - 1.0, np.nan)
    assert np.array_equal(values, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("body", "lookback", "error", "words"),
    [
        ("return panel.spread(np.append(close[1:], np.nan))", 1, LookAheadError, "it reads the future"),
        ("return panel.spread(close - close.mean())", None, LookAheadError, "it reads the future"),
        (
            "late = close.copy(); late[5:] = close[5:] / close[:-5]; return panel.spread(late)", 3, SignalError,
            "reads more of the stock's bars than its lookback of 3 tells; declare more, or None for all",
        ),
        ("return panel.spread(panel.bars('volume'))", 1, SignalError, "'own' reads 'volume', not among its inputs"),
        ("return np.sqrt(panel.at('amount'))", 1, SignalError, "'own' reads 'amount', not among its inputs; add it"),
    ],
)  # fmt: skip
def test_a_factor_that_reads_more_than_it_declares_is_refused_in_a_screening(
    market: Market, tmp_path: Path, body: str, lookback: int | None, error: type[HuiceError], words: str
) -> None:
    chosen, cache = own(tmp_path, body, lookback=lookback), FactorCache(tmp_path / "cache")
    what = study(market, periods=(1,))
    for _ in range(2):  # also when its values lie in the cache
        with pytest.raises(error, match=words):
            screen_market(market, chosen, what, cache=cache)


def test_sums_that_begin_elsewhere_may_differ_in_their_last_digits(market: Market, tmp_path: Path) -> None:
    (one,) = own(tmp_path, SUM, '("close", "preclose")', lookback=None)
    rows = month_ends(market.sessions)
    honesty.check_factor(market, one, one.compute(honesty.FactorPanel(market, rows)) * (1 + 1e-9), rows)
    with pytest.raises(LookAheadError, match="factor 'own' of"):
        honesty.check_factor(market, one, one.compute(honesty.FactorPanel(market, rows)) * (1 + 1e-5), rows)


def test_a_span_without_a_session_asked_for_is_nothing_to_check(market: Market) -> None:
    honesty.check_factor(market, registry.get("ln_price"), np.empty((0, len(market.symbols))), np.empty(0, np.int64))


def test_ours_are_told_from_a_users(tmp_path: Path) -> None:
    ours = [one for one in registry.registered().values() if one.family in registry.FAMILIES]
    assert len(ours) > 400 and all(map(honesty.is_own, ours))
    assert not honesty.is_own(own(tmp_path, "return panel.spread(close)")[0])


def test_dates_are_taken_in_both_ways_of_writing_and_others_are_refused(market: Market) -> None:
    plain = schedule_rows(market.sessions, "monthly", "2014-03-01", "2014-06-30")
    assert plain.tolist() == schedule_rows(market.sessions, "monthly", "20140301", "20140630").tolist()
    assert [str(day) for day in market.sessions[plain]] == ["2014-03-31", "2014-04-30", "2014-05-30", "2014-06-30"]
    with pytest.raises(HuiceError, match="option 'start' is 'march', which is no date; write it like 2012-01-31"):
        schedule_rows(market.sessions, "weekly", "march")


def test_a_span_in_which_no_return_ends_is_refused(market: Market) -> None:
    with pytest.raises(HuiceError, match="no return over 1 month ends within 1 date from 2014-12-31 to 2014-12-31"):
        study(market, start="2014-12-15", periods=(1,))
