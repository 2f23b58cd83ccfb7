"""Random markets with everything that happens to A shares, for property tests."""

from __future__ import annotations

import numpy as np

from engine.market import EVENT_COLUMNS, Market

BOARDS = ("600", "000", "300", "688")


def random_ashares(
    rng: np.random.Generator, stocks: int = 6, sessions: int = 40, first_day: str = "2020-07-01"
) -> Market:
    """Suspensions, limit days, dividends, bonus shares, unresolved events, a listing and a delisting."""
    symbols = sorted(
        f"{prefix}{k:03d}.{'SH' if prefix[0] == '6' else 'SZ'}"
        for k, prefix in zip(range(1, stocks + 1), np.resize(BOARDS, stocks), strict=True)
    )
    shape = (sessions, stocks)
    fields = {name: np.full(shape, np.nan) for name in ("open", "high", "low", "close", "preclose", "volume")}
    events: list[tuple[float, ...]] = []
    starts = np.zeros(stocks, int)
    ends = np.full(stocks, sessions - 1)
    starts[0] = int(rng.integers(0, sessions // 2))
    ends[1] = int(rng.integers(sessions // 2, sessions))
    for i in range(stocks):
        last = 0.0
        for t in range(starts[i], ends[i] + 1):
            if t > starts[i] and rng.random() < 0.12:
                continue
            reference = last or round(float(rng.uniform(2, 60)), 2)
            if last and rng.random() < 0.1:
                ratio = float(rng.choice([1.0, 1.0, 1.3, 2.0, 0.9]))
                cash = float(rng.choice([0.0, 0.05, 0.31]))
                reference = max(0.5, round((last - cash) / ratio + 1e-9, 2))
                claimed = ratio * float(rng.choice([1.0, 1.0, 1.0, 7.0]))
                events.append((t, i, last, reference, last / reference, claimed, cash))
            jump = float(rng.choice([0.1, -0.1, 0.0, 0.0, 0.0])) + float(rng.normal(0, 0.01))
            width = 0.2 if symbols[i][:3] in ("688",) else 0.1
            jump = float(np.clip(jump, -width, width))
            fen, per_cent = round(reference * 100), round(width * 100)
            top, bottom = ((fen * (100 + sign * per_cent) + 50) // 100 / 100 for sign in (1, -1))
            close = float(np.clip(round(reference * (1 + jump), 2), bottom, top))
            opened = close if rng.random() < 0.3 else float(np.clip(round(reference * (1 + jump / 2), 2), bottom, top))
            fields["open"][t, i], fields["close"][t, i], fields["preclose"][t, i] = opened, close, reference
            fields["high"][t, i], fields["low"][t, i] = max(opened, close), min(opened, close)
            fields["volume"][t, i] = float(rng.integers(1_000, 200_000))
            last = close
    columns = list(zip(*sorted(events), strict=True)) if events else [()] * len(EVENT_COLUMNS)
    days = np.busday_offset(first_day, np.arange(sessions), roll="forward").astype("datetime64[D]")
    return Market.build(
        days,
        symbols,
        fields,
        list_age=np.where(starts > 0, 0, 10_000).astype(np.int32),
        last_session=ends.astype(np.int32),
        delisted=ends < sessions - 1,
        events={name: np.array(column) for name, column in zip(EVENT_COLUMNS, columns, strict=True)},
    )
