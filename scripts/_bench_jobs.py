"""The bench's job, and the processes in which it is measured.

The job: the top 50 by score every 20 sessions, decided on the close, filled at the next open; 2 % of the
stock-days are suspended. It is written to a folder once (``make``) and every measurement opens it in a process of
its own (``ours``, ``plain``), so that neither the random numbers nor a side that ran before count in the CPU
seconds or in the memory. Both sides read the same bytes.

As a script it prints one JSON object: ``python _bench_jobs.py ours FOLDER``.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # NumPy too is imported where it is needed: its import counts as Backtrader's and pandas'
    import numpy as np

    from engine.market import Market
    from engine.simulation import Simulation

HOLD, EVERY, CASH = 50, 20, 10_000_000.0


# -- the data ---------------------------------------------------------------------------------------


def arrays(
    stocks: int, sessions: int, seed: int = 1
) -> tuple[np.ndarray, list[str], dict[str, np.ndarray], np.ndarray]:
    """Sessions, symbols, raw fields (T, N) with 2 % suspended stock-days, and scores (decisions, N)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    shape = (sessions, stocks)
    steps = np.clip(rng.normal(0.0003, 0.02, shape), -0.09, 0.09)
    close = np.maximum(np.round(15.0 * np.exp(np.cumsum(steps, axis=0) * 0.5), 2), 1.0)
    opened = np.round(close * (1 + rng.normal(0, 0.004, shape)), 2)
    fields = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": rng.integers(100_000, 10_000_000, shape).astype(float),
    }
    suspended = rng.random(shape) < 0.02
    suspended[0] = False
    for values in fields.values():
        values[suspended] = np.nan
    days = np.busday_offset(np.datetime64("2011-01-04"), np.arange(sessions)).astype("datetime64[D]")
    return days, codes(stocks), fields, rng.random(shape)[::EVERY].copy()


def codes(stocks: int) -> list[str]:
    """Sorted symbols of the main boards, a thousand a prefix."""
    prefixes = ("600", "601", "603", "605", "000", "001", "002", "003")
    return sorted(f"{prefixes[k // 1000]}{k % 1000:03d}.{'SH' if k < 4000 else 'SZ'}" for k in range(stocks))


def make(folder: Path, stocks: int, sessions: int) -> dict[str, Any]:
    """Write the job: a saved market as the cache holds it, and the scores of the decision days."""
    import numpy as np

    from engine.market import Market

    days, symbols, fields, scores = arrays(stocks, sessions)
    Market.build(days, symbols, fields).save(folder / "market")
    np.save(folder / "scores.npy", scores)
    return {"stocks": stocks, "sessions": sessions}


# -- the strategies ---------------------------------------------------------------------------------


def counting_strategy() -> Any:
    """A strategy that counts what it is told and calls ``decide`` every :data:`EVERY` sessions."""
    import backtrader as bt

    class Counting(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.orders = self.trades = 0

        def notify_order(self, order: Any) -> None:
            self.orders += 1

        def notify_trade(self, trade: Any) -> None:
            self.trades += 1

        def next(self) -> None:
            t = len(self) - 1
            if not t % EVERY:
                self.decide(t)

    return Counting


def best(scores: np.ndarray) -> list[int]:
    """The stocks of the :data:`HOLD` highest scores, best first."""
    import numpy as np

    if len(scores) <= HOLD:
        return np.argsort(-scores, kind="stable").tolist()  # type: ignore[no-any-return]
    chosen = np.argpartition(-scores, HOLD)[:HOLD]
    return chosen[np.argsort(-scores[chosen], kind="stable")].tolist()  # type: ignore[no-any-return]


def with_dividends(market: Market) -> Market:
    """The job's market with a dividend of 0.10 yuan a stock about every 240 sessions, half of them taxed later."""
    import numpy as np

    from engine.market import Market

    sessions, stocks = market.shape
    t = np.concatenate([np.arange(1 + i % 240, sessions, 240) for i in range(stocks)])
    i = np.concatenate([np.full(len(range(1 + i % 240, sessions, 240)), i) for i in range(stocks)])
    order = np.lexsort((i, t))
    t, i = t[order], i[order]
    before = market.mark[t - 1, i]
    reference = np.round(before - 0.1, 2)
    raw = {name: np.array(getattr(market, name)) for name in ("open", "high", "low", "close", "preclose", "volume")}
    traded = market.traded[t, i] > 0
    raw["preclose"][t[traded], i[traded]] = reference[traded]
    events = {
        "t": t, "i": i, "prev_close": before, "preclose": reference, "factor_ratio": before / reference,
        "share_ratio": np.ones(len(t)), "cash": np.full(len(t), 0.1), "pay_t": t + t % 3,
    }  # fmt: skip
    return Market.build(market.sessions, market.symbols, raw, events=events)


def our_job(
    folder: Path, events: bool = False, tables: bool = True, **options: Any
) -> Callable[[], tuple[Simulation, list[Any]]]:
    """Open the job on Huice, by default with every A-share rule on; what is returned runs it and makes the tables.

    ``events`` adds dividends, ``tables=False`` leaves the tables out; ``options`` are those of
    :func:`engine.simulation.simulate`.
    """
    import numpy as np

    from engine.market import Market
    from engine.simulation import simulate

    market = Market.load(folder / "market")
    if events:
        market = with_dividends(market)
    scores, symbols = np.load(folder / "scores.npy", mmap_mode="r"), market.symbols

    class Job(counting_strategy()):  # type: ignore[misc]
        def decide(self, t: int) -> None:
            view = self.broker.market.view(t)
            chosen = best(np.where(view.traded[-1] > 0, scores[t // EVERY], -1.0))
            self.broker.target_weights({symbols[i]: 1.0 / HOLD for i in chosen}, owner=self)

    def timed() -> tuple[Simulation, list[Any]]:
        done = simulate(market, Job, cash=CASH, **options)
        ledger = done.broker.ledger
        frames = (ledger.equity_frame, ledger.fills_frame, ledger.positions_frame, ledger.refusals_frame)
        return done, [frame() for frame in frames] if tables else []

    return timed


def run_ours(folder: Path) -> dict[str, Any]:
    """The job on Huice: CPU seconds from an open market until the ledger's tables exist, and the counts."""
    timed = our_job(folder)
    began = time.process_time()
    done, frames = timed()
    cpu = time.process_time() - began
    return {
        "cpu": cpu,
        "orders": len(done.broker.orders),
        "order_notices": done.strategy.orders,
        "trade_notices": done.strategy.trades,
        "fills": len(frames[1]),
        "value": done.broker.getvalue(),
    }


def run_rules(folder: Path, on: int, events: int) -> dict[str, Any]:
    """The job with every rule on or (0) off, with dividends or (0) none: CPU seconds of the event loop."""
    from engine.fees import ZeroFees
    from engine.rules import Rules

    bare = Rules(t_plus_one=False, lots=False, price_limits=False, corporate_actions=False)
    options: dict[str, Any] = {} if on else {"rules": bare, "fees": ZeroFees()}
    timed = our_job(folder, events=bool(events), tables=False, **options)
    began = time.process_time()
    done, _ = timed()
    cpu = time.process_time() - began
    ledger = done.broker.ledger
    return {"cpu": cpu, "fills": len(ledger.fills_frame()), "booked": len(ledger.corporate_frame())}


def run_plain(folder: Path) -> dict[str, Any]:
    """The job on plain Backtrader: one PandasData a stock, suspended days filled forward, a percentage charged."""
    import backtrader as bt
    import numpy as np
    import pandas as pd

    from engine.market import Market

    market = Market.load(folder / "market")
    scores = np.load(folder / "scores.npy")
    names = ("open", "high", "low", "close", "volume")
    frame = {name: pd.DataFrame(np.array(getattr(market, name))).ffill().to_numpy() for name in names}
    index = pd.DatetimeIndex(market.sessions.astype("datetime64[ns]"))

    class Job(counting_strategy()):  # type: ignore[misc]
        def decide(self, t: int) -> None:
            chosen = set(best(scores[t // EVERY]))
            for k, data in enumerate(self.datas):
                if k not in chosen and self.getposition(data).size:
                    self.close(data)
            for k in sorted(chosen):
                self.order_target_percent(self.datas[k], 1.0 / HOLD)

    began = time.process_time()
    cerebro = bt.Cerebro(stdstats=False)
    for k, symbol in enumerate(market.symbols):
        table = pd.DataFrame({name: values[:, k] for name, values in frame.items()}, index=index)
        cerebro.adddata(bt.feeds.PandasData(dataname=table), name=symbol)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(commission=0.0003)
    cerebro.addstrategy(Job)
    job = cerebro.run()[0]
    return {"cpu": time.process_time() - began, "order_notices": job.orders, "value": cerebro.broker.getvalue()}


def open_real(data: Path) -> dict[str, Any]:
    """CPU seconds of opening one index over ten years of real data, through the cache that HUICE_CACHE names."""
    began = time.process_time()
    from feeds.store import open_market

    market = open_market(str(data), universe="csi500", start="2011-01-05", end="2020-12-31", benchmark="000905")
    return {"cpu": time.process_time() - began, "sessions": market.shape[0], "stocks": market.shape[1]}


# -- one process ------------------------------------------------------------------------------------


def memory() -> dict[str, float]:
    """MB of this process: ``peak`` with every page of a mapped file that was touched, ``own`` now without them.

    Where the system does not tell the peak of this program alone, it is that of the process and so at least that
    of the program that started it.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        told = {name: float(rest.split()[0]) / 1024.0 for name, rest in (x.split(":", 1) for x in lines if "kB" in x)}
        return {"peak": told["VmHWM"], "own": told["RssAnon"]}
    except (OSError, KeyError):
        unit = 1024.0**2 if sys.platform == "darwin" else 1024.0
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, "own": float("nan")}


def main(what: str, folder: Path, *numbers: str) -> None:
    """Measure in this fresh process; everything before the first clock is the interpreter's own start."""
    import backtrader  # noqa: F401
    import pandas  # noqa: F401

    imported, held = time.process_time(), memory()
    import _cli  # noqa: F401  (puts the project's packages first on the path)

    jobs: dict[str, Callable[..., dict[str, Any]]] = {
        "make": make, "ours": run_ours, "plain": run_plain, "open": open_real, "rules": run_rules
    }  # fmt: skip
    figures = jobs[what](folder, *map(int, numbers))
    figures |= {"process_cpu": time.process_time() - imported, "peak_mb": memory()["peak"], "own_mb": memory()["own"]}
    figures |= {"import_cpu": imported, "import_mb": held["peak"]}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
