"""CPU seconds of Huice and of plain Backtrader on the same job, measured in one run.

The job: T = 2,430 sessions, the top 50 by score every 20 sessions, decided on the close, filled at the
next open. Ours runs with every A-share rule on (lots, T+1, price limits, suspensions, dated fees with a
minimum); plain Backtrader holds one PandasData per stock and charges a percentage.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _cli  # noqa: F401  (puts the project's packages first on the path)
import numpy as np
import typer

from engine.errors import ConfigError

SESSIONS, HOLD, EVERY = 2430, 50, 20
BASELINE = Path(__file__).with_name("bench_baseline.json")
app = typer.Typer(add_completion=False, rich_markup_mode=None)


def arrays(
    stocks: int, sessions: int, seed: int = 1
) -> tuple[np.ndarray, list[str], dict[str, np.ndarray], np.ndarray]:
    """Sessions, symbols, raw fields (T, N) with 2 % suspended stock-days, and scores (T, N)."""
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
    return days, codes(stocks), fields, rng.random(shape)


def codes(stocks: int) -> list[str]:
    """Sorted symbols of the main boards, a thousand a prefix."""
    prefixes = ("600", "601", "603", "605", "000", "001", "002", "003")
    return sorted(f"{prefixes[k // 1000]}{k % 1000:03d}.{'SH' if k < 4000 else 'SZ'}" for k in range(stocks))


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
            if not (len(self) - 1) % EVERY:
                self.decide()

    return Counting


def run_ours(stocks: int, sessions: int) -> dict[str, Any]:
    """The job on Huice, from a ready market until the ledger's tables exist."""
    import pandas  # noqa: F401  (both sides' clocks start after the imports)

    from engine.market import Market
    from engine.simulation import simulate

    days, symbols, fields, scores = arrays(stocks, sessions)
    market = Market.build(days, symbols, fields)

    class Job(counting_strategy()):  # type: ignore[misc]
        def decide(self) -> None:
            t = len(self) - 1
            view = self.broker.market.view(t)
            usable = np.where(view.traded[-1] > 0, scores[t], -1.0)
            best = np.argsort(-usable, kind="stable")[:HOLD]
            self.broker.target_weights({symbols[i]: 1.0 / HOLD for i in best.tolist()}, owner=self)

    gc.collect()
    began = time.process_time()
    done = simulate(market, Job, cash=10_000_000.0)
    job, broker = done.strategy, done.broker
    ledger = broker.ledger
    frames = (ledger.equity_frame(), ledger.fills_frame(), ledger.positions_frame(), ledger.refusals_frame())
    cpu = time.process_time() - began
    return {
        "cpu": cpu,
        "orders": len(broker.orders),
        "order_notices": job.orders,
        "trade_notices": job.trades,
        "fills": len(frames[1]),
        "value": broker.getvalue(),
    }


def run_plain(stocks: int, sessions: int) -> dict[str, Any]:
    """The job on plain Backtrader, one PandasData per stock."""
    import backtrader as bt
    import pandas as pd

    days, symbols, fields, scores = arrays(stocks, sessions)
    frame = {name: pd.DataFrame(values).ffill().to_numpy() for name, values in fields.items()}
    index = pd.DatetimeIndex(days.astype("datetime64[ns]"))

    class Job(counting_strategy()):  # type: ignore[misc]
        def decide(self) -> None:
            best = set(np.argsort(-scores[len(self) - 1], kind="stable")[:HOLD].tolist())
            for k, data in enumerate(self.datas):
                if k not in best and self.getposition(data).size:
                    self.close(data)
            for k in sorted(best):
                self.order_target_percent(self.datas[k], 1.0 / HOLD)

    gc.collect()
    began = time.process_time()
    cerebro = bt.Cerebro(stdstats=False)
    for k, symbol in enumerate(symbols):
        table = pd.DataFrame({name: values[:, k] for name, values in frame.items()}, index=index)
        cerebro.adddata(bt.feeds.PandasData(dataname=table), name=symbol)
    cerebro.broker.setcash(10_000_000.0)
    cerebro.broker.setcommission(commission=0.0003)
    cerebro.addstrategy(Job)
    job = cerebro.run()[0]
    return {"cpu": time.process_time() - began, "order_notices": job.orders, "value": cerebro.broker.getvalue()}


def measured(side: str, stocks: int, sessions: int) -> dict[str, Any]:
    """One side in a process of its own, so that neither warms the other."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", f"{side}:{stocks}:{sessions}"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def compared(part: int, sessions: int, repeat: int) -> dict[str, Any]:
    """Both sides on the cut-down job: median of ours, one run of plain Backtrader."""
    ours = sorted((measured("ours", part, sessions) for _ in range(max(1, repeat))), key=lambda row: row["cpu"])
    mine = ours[len(ours) // 2]
    plain = measured("plain", part, sessions)
    return row_of(part, sessions, mine, plain)


def baseline(job: str) -> float:
    """The committed ratio of ``job`` ("60x2430").

    Raises
    ------
    ConfigError
        If there is none.
    """
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    if job not in known:
        raise ConfigError(f"{BASELINE.name} has no baseline for the job {job}; it has {', '.join(known)}")
    return float(known[job])


def check_ratio(ratio: float, job: str) -> None:
    """Hold ``ratio`` against the committed baseline of ``job``.

    Raises
    ------
    ConfigError
        If the ratio has fallen by more than a quarter.
    """
    known = baseline(job)
    if ratio < known / 1.25:
        raise ConfigError(
            f"ours was {ratio} times as fast as plain Backtrader on the job {job}; the baseline is {known:g} and "
            f"{known / 1.25:.1f} the least that passes"
        )
    print(f"{ratio} times as fast; the baseline is {known:g}", file=sys.stderr)


def row_of(stocks: int, sessions: int, mine: dict[str, Any], plain: dict[str, Any] | None) -> dict[str, Any]:
    """One line of the table."""
    return {
        "stocks": stocks,
        "sessions": sessions,
        "ours_cpu_s": round(mine["cpu"], 3),
        "backtrader_cpu_s": None if plain is None else round(plain["cpu"], 2),
        "times_as_fast": None if plain is None else round(plain["cpu"] / mine["cpu"], 1),
        "orders": mine["orders"],
        "fills": mine["fills"],
        "order_notices": mine["order_notices"],
        "trade_notices": mine["trade_notices"],
        "ours_peak_mb": round(mine["peak_mb"]),
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Right-aligned columns."""
    heads = list(rows[0])
    cells = [[("-" if row[head] is None else str(row[head])) for head in heads] for row in rows]
    widths = [max(len(head), *(len(line[k]) for line in cells)) for k, head in enumerate(heads)]
    print("  ".join(head.rjust(width) for head, width in zip(heads, widths, strict=True)))
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def where_time_goes(stocks: int, sessions: int) -> list[dict[str, Any]]:
    """CPU seconds of our side by part, as a profiler sees them (it slows everything down alike)."""
    import cProfile
    import pstats

    run_ours(min(stocks, 50), 250)  # imports and first calls are not what is asked for
    profile = cProfile.Profile()
    profile.runcall(run_ours, stocks, sessions)
    spent: dict[str, float] = {}
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[part_of(file, name)] = spent.get(part_of(file, name), 0.0) + own
    spent.pop("job", None)
    total = sum(spent.values())
    return [
        {"part": part, "share": f"{100 * own / total:.1f} %", "profiled_cpu_s": round(own, 3)}
        for part, own in sorted(spent.items(), key=lambda item: -item[1])
    ]


PARTS = {
    "handles.py": "clock", "matching.py": "matching", "order_book.py": "matching", "order_ends.py": "matching",
    "rules.py": "rules and fees", "fees.py": "rules and fees", "orders.py": "orders", "basket.py": "orders",
    "broker.py": "orders", "trades.py": "account", "account.py": "account", "ledger.py": "ledger",
    "market.py": "job", "price_limits.py": "job",
}  # fmt: skip
"""Part of the event loop by file; building the market is not part of it."""


def part_of(file: str, name: str) -> str:
    """Which part of the job a profiled function belongs to."""
    place = Path(file)
    if place.parent.name == "engine":
        return PARTS.get(place.name, "other")
    if place.name == "bench.py":
        return "job" if name in ("arrays", "codes", "run_ours") else "strategy"
    if "backtrader" in place.parts:
        return "Backtrader"
    return "job" if name in ("<built-in method gc.collect>",) else "built-in functions, NumPy, pandas"


@app.command(epilog="Example: python scripts/bench.py --stocks 500 --full")
def main(
    stocks: int = typer.Option(500, help="Stocks of the full job."),
    sessions: int = typer.Option(SESSIONS, help="Sessions of the job."),
    part: int = typer.Option(60, help="Stocks of the cut-down job on which both sides run."),
    full: bool = typer.Option(False, help="Run plain Backtrader on the full job too (about a minute at 500 stocks)."),
    repeat: int = typer.Option(3, help="Runs of our side; the median counts."),
    check: bool = typer.Option(False, help="Compare the cut-down job with the committed baseline; beyond 25 % fails."),
    profile: bool = typer.Option(False, help="Print where our side spends its time."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object instead of the table."),
    one: str = typer.Option("", hidden=True),
) -> None:
    """Measure ours against plain Backtrader on the same job."""
    if one:
        side, count, length = one.split(":")
        figures = (run_ours if side == "ours" else run_plain)(int(count), int(length))
        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        print(json.dumps(figures))
        return
    if profile:
        rows = where_time_goes(stocks, sessions)
    elif check:
        baseline(f"{part}x{sessions}")  # an unknown job is told before anything runs
        rows = [compared(part, sessions, repeat)]
    else:
        mine = sorted((measured("ours", stocks, sessions) for _ in range(max(1, repeat))), key=lambda row: row["cpu"])
        plain = measured("plain", stocks, sessions) if full else None
        rows = [compared(part, sessions, repeat), row_of(stocks, sessions, mine[len(mine) // 2], plain)]
    if as_json:
        print(json.dumps({"rows": rows}))
    else:
        print_table(rows)
    if check:
        check_ratio(rows[0]["times_as_fast"], f"{part}x{sessions}")
    elif not full and not profile and not as_json:
        print(f"plain Backtrader ran on the cut-down job of {part} stocks only; --full runs it on {stocks} too")


if __name__ == "__main__":
    _cli.main_guard(app)
