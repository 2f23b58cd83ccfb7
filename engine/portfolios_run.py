"""``run_portfolios(config)``: all portfolios of a strategy in one pass, from a configuration to a run folder.

The folder holds ``values.parquet`` (date, portfolio, value, cash, bought, sold, fees; the first date is the base day),
``refusals.parquet``, ``decisions.parquet``, ``scores.parquet``, ``config.toml`` and ``result.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine.backtest import prepare
from engine.config import RunConfig
from engine.errors import ConfigError, DataError
from engine.layers import BENCHMARK
from engine.net_value_measures import row
from engine.portfolios_broker import PortfoliosBroker
from engine.run_folder import write_folder
from engine.simulation import Progress, Simulation

if TYPE_CHECKING:
    import pandas as pd

    from engine.ledger import Ledger
    from engine.portfolio_ledger import PortfolioLedger

KIND = "portfolios"
"""What ``result.json`` says of such a folder under ``kind``."""

TABLES = ("values", "refusals", "decisions", "scores")

@dataclass(frozen=True)
class PortfoliosRun:
    """A finished run of many portfolios.

    Attributes
    ----------
    folder : Path
    result : dict
        ``result.json``: what was run, ``portfolios`` (figures of each), ``warnings``.
    reused : bool
        The folder was there before; nothing ran.
    """

    folder: Path
    result: dict[str, Any]
    reused: bool = False

    def table(self, name: str) -> pd.DataFrame:
        """One of :data:`TABLES`."""
        import pandas as pd

        path = self.folder / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({str(error).splitlines()[0]}); run it again") from error

    def series(self, column: str = "value") -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Dates (T,) and a column of ``values.parquet`` by portfolio, each (T,) float64, yuan."""
        frame = self.table("values")
        names = frame["portfolio"].tolist()[: len(self.result["portfolios"])]  # the keys of result.json are sorted
        dates = frame["date"].to_numpy()[:: len(names)].astype("datetime64[D]")
        block = frame[column].to_numpy().reshape(len(dates), len(names))
        return dates, {name: block[:, k].copy() for k, name in enumerate(names)}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a folder.

        Raises
        ------
        DataError
            If it is no complete run of portfolios.
        """
        try:
            result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            result = {}
        if result.get("kind") != KIND or not all((folder / f"{name}.parquet").is_file() for name in TABLES):
            raise DataError(f"'{folder}' is no complete run of portfolios; make one with scripts/portfolios.py")
        return cls(folder, result)


def run_portfolios(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    out: str | Path = "runs",
    force: bool = False,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    protocol: str = "honest",
) -> PortfoliosRun:
    """Run all portfolios of a strategy and return the run; its folder is ``out``/portfolios-<id>.

    Parameters are those of :func:`engine.backtest.run`; ``cash`` is what each portfolio begins with.

    Raises
    ------
    HuiceError
        One sentence about what is wrong with the configuration, the data or a plug-in.
    """
    ready = prepare(config, cache=cache, protocol=protocol)
    if not hasattr(ready.strategy, "portfolios"):
        raise ConfigError(
            f"strategy {ready.config.strategy.name} holds one portfolio; run it with scripts/backtest.py, or name one "
            "that forms several, as layered"
        )
    folder = Path(out) / f"{KIND}-{ready.identity}"
    if not force and (folder / "result.json").is_file():
        return replace(PortfoliosRun.load(folder), reused=True)
    done = ready.simulate(broker=PortfoliosBroker, progress=progress)
    frames = _frames(done)
    config = ready.config
    result: dict[str, Any] = {
        "kind": KIND,
        "id": ready.identity,
        "leaks": ready.leaks,
        "strategy": {"name": config.strategy.name, **config.strategy.params},
        "signal": {"name": config.signal.name, **config.signal.params},
        "universe": config.universe if isinstance(config.universe, str) else list(config.universe),
        "data": {"source": Path(config.data).name, "fingerprint": ready.market.fingerprint},
        "cash": config.cash,
        "fill": config.fill,
        "rebalance": config.rebalance,
        "fees_text": done.broker.fees.describe(),
        "slippage_text": done.broker.slippage.describe(),
        **_figures(done, frames["values"], frames["refusals"]),
    }
    write_folder(folder, config, result, frames)
    return PortfoliosRun.load(folder)


# -- tables ------------------------------------------------------------------------------------------


def traded_by_session(
    ledger: PortfolioLedger | Ledger, sessions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yuan bought, sold and charged on each of ``sessions`` (T,), ascending indices; three (T,) float64."""
    fills = ledger.fill_columns()
    place = np.searchsorted(sessions, fills["t"])
    worth = np.abs(fills["shares"]) * fills["price"]
    is_buy = fills["shares"] > 0
    fees = (fills["commission"] + fills["stamp_duty"] + fills["transfer_fee"] + fills["other_fees"]) / 100.0
    counted = (worth * is_buy, worth * ~is_buy, fees)
    bought, sold, charged = (np.round(np.bincount(place, w, len(sessions)), 2) for w in counted)
    return bought, sold, charged


def _frames(done: Simulation) -> dict[str, pd.DataFrame]:
    import pandas as pd

    ledgers, market = done.broker.ledgers(), done.market
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("value", "cash", "bought", "sold", "fees")}
    refusals = []
    sessions = np.zeros(0, dtype=np.int64)
    for name, ledger in ledgers.items():
        sessions, value, cash, _ = ledger.equity_arrays()
        found = (value, cash, *traded_by_session(ledger, sessions))
        for column, values in zip(columns.values(), found, strict=True):
            column.append(values)
        refusals.append(ledger.refusals_frame().assign(portfolio=name))
    dates = market.sessions[sessions].astype("datetime64[ms]")
    names = np.array(list(ledgers), dtype=object)
    values = pd.DataFrame(
        {"date": np.repeat(dates, len(names)), "portfolio": np.tile(names, len(dates))}
        | {name: np.stack(column, axis=1).ravel() for name, column in columns.items()}
    )
    return {
        "values": values,
        "refusals": pd.concat(refusals, ignore_index=True),
        "decisions": _decisions(done),
        "scores": _scores(done),
    }


def _decisions(done: Simulation) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (market_day(done, d.made), market_day(done, d.known), market_day(done, d.execution), name, count)
        for d in done.broker.decisions
        for name, count in d.targets.items()
    ]
    names = ("decision", "data_until", "execution", "portfolio", "targets")
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    kinds = ["datetime64[ms]"] * 3 + [object, np.int64]
    return pd.DataFrame({n: np.array(c, dtype=k) for n, c, k in zip(names, columns, kinds, strict=True)})


def market_day(done: Simulation, t: int) -> np.datetime64:
    """Date of session ``t``; missing where the market ends before it."""
    sessions = done.market.sessions
    return sessions[t].astype("datetime64[ms]") if t < len(sessions) else np.datetime64("NaT", "ms")


def _scores(done: Simulation) -> pd.DataFrame:
    import pandas as pd

    parts = [
        d.scores.rename_axis("symbol").reset_index().assign(date=market_day(done, d.made))
        for d in done.broker.decisions
        if d.scores is not None and len(d.scores)
    ]
    if not parts:
        none = {"date": np.array([], "datetime64[ms]"), "symbol": np.array([], object), "score": np.array([], float)}
        return pd.DataFrame(none)
    joined = pd.concat(parts, ignore_index=True)
    return joined[["date", "symbol", *(name for name in joined.columns if name not in ("date", "symbol"))]]


def _figures(done: Simulation, values: pd.DataFrame, refusals: pd.DataFrame) -> dict[str, Any]:
    """Span, and of each portfolio paper 3's figures beside its group's benchmark portfolio, if it has one."""
    names = done.broker.names
    orders = dict(zip(names, done.broker.books.counts.tolist(), strict=True))
    refused = refusals.groupby(["portfolio", "reason"], sort=True).size()
    columns = {n: values[n].to_numpy().reshape(-1, len(names)) for n in ("value", "bought", "sold", "fees")}
    days = values["date"].to_numpy()[:: len(names)].astype("datetime64[D]")
    found: dict[str, Any] = {}
    for k, name in enumerate(names):
        value, bought, sold, fees = (column[:, k] for column in columns.values())
        group = f"{name.rpartition('/')[0]}/{BENCHMARK}"
        beside = columns["value"][:, names.index(group)] if group in orders else None
        found[name] = {
            **row(days, value, beside, bought + sold)._asdict(),
            "final_value": float(value[-1]),
            "orders": orders[name],
            "fees": round(float(fees.sum()), 2),
            "refusals": refused[name].to_dict() if name in refused else {},
        }
    start = days[min(1, len(days) - 1)]
    return {"portfolios": found, "start": str(start), "end": str(days[-1]), "base_date": str(days[0])}
