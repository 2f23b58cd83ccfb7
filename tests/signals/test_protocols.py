"""Paper and honest: who is handed the full history, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ridge_signal import Ridge
from small_market import market_of

from engine.backtest import run
from engine.errors import ConfigError, SignalError
from signals.base import Signal
from signals.protocols import check_protocol, full_history, hand_over, protocol_of
from signals.reversal import Reversal

DATA = "synthetic:stocks=30,seed=5,start=2012-01-01,end=2013-12-31"


class Both(Signal):
    """Two signals in one."""

    parts: tuple[Any, ...] = ()

    def predict(self, view: Any) -> Any:
        return self.parts[0].predict(view)


def config(**signal: Any) -> dict[str, Any]:
    file = Path(__file__).resolve().parents[1] / "support" / "ridge_signal.py"
    return {
        "data": DATA, "start": "2013-10-01", "end": "2013-12-31", "cash": 1e6, "strategy": {"name": "top-n", "hold": 5},
        "signal": {"name": f"{file}:Ridge", "window": "6M", **signal},
    }  # fmt: skip


def test_only_a_run_of_protocol_paper_hands_over_the_full_history_and_its_result_says_leaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUICE_CACHE", str(tmp_path / "cache"))
    leaking = run(config(protocol="paper"), out=tmp_path / "runs", protocol="paper")
    honest = run(config(), out=tmp_path / "runs")
    assert leaking.result["leaks"] is True and honest.result["leaks"] is False
    assert leaking.folder != honest.folder
    with pytest.raises(ConfigError, match="ask for it with --protocol paper"):
        run(config(protocol="paper"), out=tmp_path / "runs")
    with pytest.raises(ConfigError, match="Ridge has no leaks to repeat"):
        run(config(), out=tmp_path / "runs", protocol="paper")


def test_signals_of_both_protocols_in_one_run_are_refused() -> None:
    mixed = Both(parts=(Ridge(protocol="paper"), Ridge()))
    assert protocol_of(mixed) == "paper"
    for protocol in ("honest", "paper"):
        with pytest.raises(ConfigError, match="Both mixes signals of protocol paper with honest ones"):
            check_protocol(mixed, protocol)
    check_protocol(Both(parts=(Ridge(), Reversal())), "honest")
    check_protocol(None, "honest")
    with pytest.raises(ConfigError, match="there is no protocol 'papr'"):
        check_protocol(Ridge(), "papr")


def test_the_full_history_is_there_only_for_who_was_handed_it() -> None:
    market = market_of({"600001.SH": [1.0, 2.0, 3.0]})
    assert full_history(hand_over(Ridge(protocol="paper"), market)).whole.close.shape == (3, 1)
    with pytest.raises(SignalError, match="was given no full history; run it with --protocol paper"):
        full_history(Ridge(protocol="paper"))
    with pytest.raises(SignalError, match="is honest and has no full history"):
        full_history(hand_over(Ridge(), market))
    inner = hand_over(Both(parts=(Ridge(protocol="paper"),)), market).parts[0]
    assert full_history(inner).market is market
