"""The bench's figures of training: the trainer beside a bare torch loop, epoch by epoch in one process.

The loop is what one writes by hand on tensors in memory: shuffled index batches, ``nn.LSTM`` and a dense head, loss,
backward, optimizer step, and a validation loss each epoch. Both see the same rows; one thread, float32. CPU seconds of
an epoch, the two by turns, so that a busy machine is busy for both. As a script it prints one JSON object.

Beside them the whole process of a backtest over ten years with a network, first and again from the cache, and of one
that learns nothing.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import _bench_targets

CASES: dict[str, dict[str, Any]] = {
    "batch_1000": {
        "sizes": (4000, 5, 70), "layers": 2, "units": 100, "dropout": 0.2, "batch": 1000, "optimizer": "rmsprop",
        "rounds": 16,
    },
    "batch_20": {
        "sizes": (2000, 6, 17), "layers": 1, "units": 64, "dropout": 0.0, "batch": 20, "optimizer": "adam",
        "rounds": 24,
    },
}  # fmt: skip
"""Papers 3 and 1: samples, steps and features; network; batch; epochs that are timed."""

MOST = {"batch_1000": 1.05, "batch_20": 1.10}
"""CPU seconds of the trainer over those of the bare loop, at most."""
HELD = 0.1
"""Share of the samples that validates."""
AGAIN = 3.0
"""CPU seconds of a second run from the cache, at most."""
TEN_YEARS = "--data synthetic:start=2008-01-01 --start 2011-01-04 --universe csi500 --hold 50 --benchmark 000905"
NETWORK, PLAIN = "lstm-residual-value", "reversal-20d"


# -- in a process of its own ------------------------------------------------------------------------


def bare(case: dict[str, Any], x: Any, y: Any, held: int) -> Callable[[], float]:
    """An epoch of the loop written by hand; each call trains on."""
    import torch
    from torch import nn

    steps, features = x.shape[1:]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            between = case["dropout"] if case["layers"] > 1 else 0.0
            self.lstm = nn.LSTM(features, case["units"], case["layers"], batch_first=True, dropout=between)
            self.drop, self.head = nn.Dropout(case["dropout"]), nn.Linear(case["units"], 1)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.head(self.drop(self.lstm(rows)[0][:, -1]))[:, 0]  # type: ignore[no-any-return]

    torch.manual_seed(1)
    net, loss_of, batch = Net(), nn.MSELoss(), case["batch"]
    optimizer: Any = (torch.optim.Adam if case["optimizer"] == "adam" else torch.optim.RMSprop)(net.parameters(), 1e-3)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    learns = len(x) - held

    def epoch() -> float:
        net.train()
        order = torch.randperm(learns)
        for begin in range(0, learns, batch):
            rows = order[begin : begin + batch]
            optimizer.zero_grad()
            loss_of(net(inputs[rows]), labels[rows]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            return float(loss_of(net(inputs[learns:]), labels[learns:]))

    return epoch


def ours(case: dict[str, Any], x: Any, y: Any, held: int, precision: Any = "float32") -> Callable[[], float]:
    """An epoch of the trainer; each call trains on."""
    import numpy as np

    from signals.neural.configs import TrainingConfig
    from signals.neural.networks import network
    from signals.neural.training import Training

    net = network("lstm", **{key: case[key] for key in ("layers", "units", "dropout")})
    config = TrainingConfig(
        batch=case["batch"],
        optimizer=case["optimizer"],
        epochs=100_000,
        patience=None,
        precision=precision,
        device="cpu",
    )
    rows = np.arange(len(x))
    training = Training(net, config, x, y, train=rows[:-held], validation=rows[-held:])
    return lambda: float(training.run(len(training.curves) + 1).curves.validation_loss[-1])


def by_turns(one: Callable[[], Any], other: Callable[[], Any], rounds: int) -> dict[str, float]:
    """CPU seconds of a call of each, medians, and the median of their ratios, after one call of each."""
    one(), other()
    pairs = []
    for number in range(rounds):
        took = {}
        for which in ("one", "other") if number % 2 else ("other", "one"):
            began = time.process_time()
            (one if which == "one" else other)()
            took[which] = time.process_time() - began
        pairs.append((took["one"], took["other"]))
    first, second = zip(*pairs, strict=True)
    return {
        "ours": statistics.median(first),
        "bare": statistics.median(second),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def figures() -> dict[str, Any]:
    """Every case, and the trainer in bfloat16 over itself in float32 at batch 1000."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        random = np.random.default_rng(1)
        x = random.normal(size=case["sizes"]).astype(np.float32)
        y = (x[:, -1, 0] * x[:, -2, 1]).astype(np.float32)
        held = int(HELD * len(x))
        found[name] = by_turns(ours(case, x, y, held), bare(case, x, y, held), case["rounds"])
        if name == "batch_1000":
            half = by_turns(ours(case, x, y, held, "bfloat16"), ours(case, x, y, held), case["rounds"] // 2)
            found["bfloat16_over_float32"] = half["ratio"]
    return found


# -- the bench's side -------------------------------------------------------------------------------


def measure() -> dict[str, Any]:
    """CPU seconds of an epoch by the trainer and by a bare loop, and of whole backtests; fresh processes.

    Returns
    -------
    dict
        ``batch_1000`` and ``batch_20``, each with ``ours``, ``bare`` (medians) and ``ratio`` (the median of the pairs'
        ratios); ``bfloat16_over_float32``; ``run`` with ``first``, ``again`` and ``plain``.

    Raises
    ------
    ConfigError
        If torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        from engine.errors import ConfigError

        raise ConfigError(
            "--training needs torch, which is not installed; run pip install -r locks/torch-py311.txt (the README says "
            "how to get the CPU build first)"
        )
    _, printed = _bench_targets.run([__file__], {"OMP_NUM_THREADS": "1"})
    return {**json.loads(printed.splitlines()[-1]), "run": whole_runs()}


def whole_runs(options: str = TEN_YEARS) -> dict[str, float]:
    """CPU seconds of a backtest's process: with a network, the same again, without one.

    The models train for one epoch: what the second run reads does not depend on how long they did.
    """
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        # A user's Python keeps its bytecode.
        kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{place}/bytecode"}

        def backtest(signal: str, *more: str) -> float:
            words = [str(_bench_targets.SCRIPTS / "backtest.py"), *options.split(), "--signal", signal, *more]
            words += ["--out", f"{place}/runs", "--no-tearsheet", "--json", "--force"]
            return _bench_targets.run(words, {"HUICE_CACHE": f"{place}/cache", "OMP_NUM_THREADS": "1", **kept})[0]

        backtest(PLAIN)  # makes the market
        short = ("-p", "signal.epochs=1")
        return {"first": backtest(NETWORK, *short), "again": backtest(NETWORK, *short), "plain": backtest(PLAIN)}


def rows_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The table."""
    rows = []
    for name in MOST:
        for side, what in (("ours", "the trainer"), ("bare", "a bare torch loop")):
            rows.append(_row(f"an epoch, {name.replace('_', ' ')}: {what}", found[name][side], "CPU s"))
    rows.append(_row("an epoch, batch 1000: bfloat16 over float32", found["bfloat16_over_float32"], "times"))
    run = found["run"]
    rows.append(_row(f"ten years, {NETWORK}, one epoch a model: the first run", run["first"], "CPU s"))
    rows.append(_row(f"ten years, {NETWORK}: again, from the cache", run["again"], "CPU s"))
    rows.append(_row(f"ten years, {PLAIN}, which learns nothing", run["plain"], "CPU s"))
    return rows


def _row(figure: str, measured: float, unit: str) -> dict[str, Any]:
    return {"figure": figure, "measured": round(measured, 4), "unit": unit}


def targets(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures beside what they may be."""
    lines: Sequence[tuple[str, float, float, str]] = [
        *(
            (f"training, {name.replace('_', ' ')}, over a bare loop", found[name]["ratio"], most, "times")
            for name, most in MOST.items()
        ),
        ("ten years with a network, again from the cache", found["run"]["again"], AGAIN, "CPU s"),
    ]
    return [_bench_targets.line(*one) for one in lines]


def main() -> None:
    """Measure in this fresh process."""
    import _cli  # noqa: F401  (puts the project's packages first on the path)

    print(json.dumps(figures()))


if __name__ == "__main__":
    main()
