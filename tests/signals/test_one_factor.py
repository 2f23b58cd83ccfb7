"""A registered factor as a signal, and the top quantile of it as a strategy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.backtest import run
from engine.errors import ConfigError, LookAheadError
from engine.market import Market
from feeds.store import open_market
from signals.factors.panel import FactorPanel
from signals.factors.registry import get, load_file
from signals.one_factor import OneFactor

CONFIG = {
    "data": "synthetic:stocks=100,seed=2", "universe": "csi300", "start": "2014-01-02", "end": "2015-12-31",
    "cash": 1e8, "strategy": {"name": "top-quantile", "share": 0.1},
    "signal": {"name": "factor", "factor": "return_1m"},
}  # fmt: skip


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return open_market("synthetic:stocks=100,seed=2", universe="all", start="2014-01-02", end="2015-12-31")


@pytest.mark.parametrize(("direction", "sign"), [(0, -1.0), (1, 1.0), (-1, -1.0)])
def test_scores_are_the_factor_turned_so_that_high_is_good(market: Market, direction: int, sign: float) -> None:
    t = market.position_of("2015-06-30")
    scores = OneFactor(factor="return_1m", direction=direction).predict(market.view(t))["score"]
    values = get("return_1m")(FactorPanel(market, [t]))[0]
    known = np.isfinite(values) & (market.member[t] > 0)
    assert scores.index.tolist() == [market.symbols[i] for i in np.flatnonzero(known)]
    assert np.array_equal(scores.to_numpy(), sign * values[known])


def test_its_lookback_leaves_room_for_halts_and_an_endless_one_is_five_years() -> None:
    assert OneFactor(factor="return_12m").lookback == 253 + 126
    assert OneFactor(factor="beta_60m").lookback == 1_300


FUTURE = """
import numpy as np
from signals.factors.registry import factor


@factor("tomorrow", chinese="明日收益", family="mine", direction=1, unit="fraction", inputs=("close",), lookback=1,
        source="a leak")
def tomorrow(panel):
    later = np.append(panel.bars("close")[1:], np.nan)
    return panel.spread(later / panel.bars("close") - 1.0)
"""


def test_a_factor_that_reads_the_future_is_caught_at_the_first_decision(market: Market, tmp_path: Path) -> None:
    path = tmp_path / "leak.py"
    path.write_text(FUTURE, encoding="utf-8")
    signal = OneFactor(factor="tomorrow", file=str(path))
    with pytest.raises(LookAheadError, match="factor 'tomorrow' of .* on 2014-01-02 changes when later sessions"):
        signal.predict(market.view(market.position_of("2014-01-02")))


def test_a_backtest_holds_the_top_share_of_the_scored_stocks(tmp_path: Path) -> None:
    done = run(CONFIG, out=tmp_path)
    scores, decisions = done.scores, done.decisions
    first = decisions[decisions["status"] == "executed"].iloc[0]
    own = scores[scores["date"] == first["decision"]]
    assert first["targets"] == max(1, int(len(own) * 0.1))
    best = set(own.sort_values("score", ascending=False)["symbol"].head(int(first["targets"])))
    bought = done.fills[done.fills["date"] == first["execution"]]
    assert set(bought["symbol"]) <= best and len(bought) > 0


def test_the_code_of_the_factor_is_part_of_the_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    head = FUTURE.replace("tomorrow", "yesterday").replace(
        'panel.bars("close")[1:], np.nan', 'np.nan, panel.bars("close")[:-1]'
    ).replace("lookback=1", "lookback=2")

    def once(text: str) -> str:
        file.write_text(text, encoding="utf-8")
        signal = {"name": "factor", "factor": "yesterday", "file": str(file)}
        return run({**CONFIG, "end": "2014-03-31", "signal": signal}, out=tmp_path / "runs").result["id"]

    one = once(head)
    assert once(head.replace("- 1.0", "- 2.0")) != one and once(head) == one


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"signal": {"name": "factor", "factor": "retrun_1m"}},
            "there is no factor 'retrun_1m'; did you mean 'return_1m'",
        ),
        ({"signal": {"name": "factor", "factor": "rating_average"}}, "rating_average.*analyst"),
        ({"strategy": {"name": "top-quantile", "share": 1.5}}, "top-quantile was asked for share=1.5"),
        ({"signal": {"name": "factor", "factor": "x", "file": "nowhere.py"}}, "no file 'nowhere.py' of factors"),
    ],
)
def test_bad_input_is_one_sentence(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    from engine.errors import HuiceError

    with pytest.raises(HuiceError, match=words):
        run({**CONFIG, **changes}, out=tmp_path)
    assert not list(tmp_path.glob("*/result.json"))


def test_two_files_cannot_declare_the_same_factor(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(FUTURE.replace("tomorrow", "twice_told"), encoding="utf-8")
    load_file(tmp_path / "one.py")
    assert [one.name for one in load_file(tmp_path / "one.py")] == ["twice_told"]
    with pytest.raises(ConfigError, match=r"factor 'twice_told' of two.py is already declared by one.py; rename it"):
        load_file(tmp_path / "two.py")


def test_a_file_without_a_factor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    with pytest.raises(ConfigError, match=r"empty.py' declares no factor; put @factor"):
        _ = OneFactor(factor="x", file=str(path)).lookback


def test_the_first_decision_of_a_run_is_checked_however_late_in_the_year_it_comes(tmp_path: Path) -> None:
    """The market of a quarterly run begins in January and decides in March."""
    path = tmp_path / "leak.py"
    path.write_text(FUTURE.replace("tomorrow", "the_next_day"), encoding="utf-8")
    market = open_market("synthetic:stocks=100,seed=2", universe="all", start="2014-01-02", end="2015-12-31")
    signal = OneFactor(factor="the_next_day", file=str(path))
    with pytest.raises(LookAheadError, match="on 2014-03-31 changes when later sessions are taken away"):
        signal.predict(market.view(market.position_of("2014-03-31")))
