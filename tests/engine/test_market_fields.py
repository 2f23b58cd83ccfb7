"""Derived fields of a random panel against one stock and one session at a time."""

from __future__ import annotations

import math

import numpy as np

from engine.market import Market

T = 40
SYMBOLS = ["000001.SZ", "300001.SZ", "600000.SH"]


def random_market() -> tuple[Market, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    shape = (T, len(SYMBOLS))
    bar = rng.random(shape) < 0.6
    raw = {
        name: np.where(bar, np.round(rng.uniform(5, 20, shape), 2), np.nan)
        for name in ("open", "high", "low", "close", "preclose", "volume", "adj_factor")
    }
    raw["volume"][bar & (rng.random(shape) < 0.2)] = 0.0
    raw["st"] = (bar & (rng.random(shape) < 0.3)).astype(np.uint8)
    t = int(np.flatnonzero(~bar[:, 1])[3])
    events = {"t": [t], "i": [1], "prev_close": [9.0], "preclose": [8.5], "factor_ratio": [1.06], "share_ratio": [1.0],
              "cash": [0.5]}  # fmt: skip
    days = np.busday_offset(np.datetime64("2015-01-05"), np.arange(T))
    market = Market.build(
        days, SYMBOLS, raw, list_age=np.array([0, 300, 7]), last_session=np.array([T - 1, T - 1, 30]),
        events={name: np.array(values) for name, values in events.items()},
    )  # fmt: skip
    return market, bar, raw


def test_what_is_carried_and_counted_agrees_with_one_stock_at_a_time() -> None:
    market, bar, raw = random_market()
    t_event = int(market.events["t"][0])
    for i, before in enumerate((0, 300, 7)):
        mark, factor, st, age = math.nan, math.nan, 0, before
        for t in range(T):
            if bar[t, i]:
                mark, factor, st, age = raw["close"][t, i], raw["adj_factor"][t, i], int(raw["st"][t, i]), age + 1
            elif (t, i) == (t_event, 1):
                mark = 8.5
            np.testing.assert_equal(float(market.mark[t, i]), mark)
            np.testing.assert_equal(float(market.adj_factor[t, i]), factor)
            assert (int(market.st[t, i]), int(market.age[t, i])) == (st, age)
            assert bool(market.listed[t, i]) == (age > 0 and t <= (30 if i == 2 else T - 1))
            assert bool(market.traded[t, i]) == bool(bar[t, i] and raw["volume"][t, i] > 0)


def test_limits_come_from_the_reference_price_in_whole_fen() -> None:
    market, bar, raw = random_market()
    for t in range(T):
        fen = round(float(raw["preclose"][t, 1]) * 100) if bar[t, 1] else 0
        rate = 5 if market.st[t, 1] else 10
        if fen:
            assert int(market.limit_up[t, 1]) == max((fen * (100 + rate) + 50) // 100, fen + 1)
            assert int(market.limit_down[t, 1]) == min((fen * (100 - rate) + 50) // 100, fen - 1)
        else:
            assert int(market.limit_down[t, 1]) == 0


def test_a_field_that_stands_on_disk_already_is_not_written_again(tmp_path: object) -> None:
    from pathlib import Path

    market, _, _ = random_market()
    folder = Path(str(tmp_path)) / "saved"
    folder.mkdir()
    np.save(folder / "open.npy", market.open)
    stamp = (folder / "open.npy").stat().st_mtime_ns
    market.save(folder, ("open",))
    assert (folder / "open.npy").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(Market.load(folder).open, market.open)
