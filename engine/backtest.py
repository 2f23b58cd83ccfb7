"""``run(config)``: from a configuration to a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import plugins
from engine.attribution import attribution
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.intervals import headline_intervals
from engine.measures import headline, per_session, sessions_per_year
from engine.rules import Rules
from engine.run_folder import Run, is_complete, run_id, write_folder, write_run
from engine.simulation import Progress, Simulation, simulate
from signals.protocols import check_protocol, hand_over

if TYPE_CHECKING:
    from engine.market import Market

__all__ = ["Prepared", "RunConfig", "prepare", "run"]

Opener = Callable[..., "Market"]
"""What opens a market: takes the arguments of :func:`feeds.store.open_market`, all hashable."""


def run(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    out: str | Path = "runs",
    force: bool = False,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    protocol: str = "honest",
    tables: bool = True,
    opener: Opener | None = None,
) -> Run:
    """Run a backtest and return it; its folder is ``out``/<id>.

    Parameters
    ----------
    config : RunConfig, mapping or path of a TOML file
    out : path
        Folder of runs.
    force : bool
        Run again although a complete run with the same id lies there. The id hashes the configuration,
        the data's fingerprint, Huice's version and the source of the plug-ins, so the outcome is the same.
    progress : callable, optional
        See :data:`engine.simulation.Progress`.
    cache : path, optional
        Folder of market caches; ``HUICE_CACHE`` or ``.huice/cache`` by default.
    protocol : {"honest", "paper"}
        ``paper`` hands the full history to a signal that declares this protocol; the run is marked LEAKS. A run
        whose signals follow the other protocol, or both, is refused.
    tables : bool
        Whether to write what the run did. Without, the folder has its configuration, its daily values and its
        figures (:data:`engine.run_folder.BRIEF_FILES`), in less time.
    opener : callable, optional
        Takes the place of :func:`feeds.store.open_market`, for a caller that keeps markets open.

    Returns
    -------
    Run
        With ``reused`` True when the stored run was taken.

    Raises
    ------
    HuiceError
        One sentence about what is wrong with the configuration, the data or a plug-in.
    """
    ready = prepare(config, cache=cache, protocol=protocol, opener=opener)
    folder = Path(out) / ready.identity
    if not force and is_complete(folder, tables):
        return Run.load(folder, tables).as_reused()
    done = ready.simulate(progress=progress)
    if tables:
        frames = _frames(done)
        result = _result(ready.config, done, frames, ready.identity, ready.leaks)
        write_run(folder, config=ready.config, result=result, frames=frames)
    else:
        equity = done.broker.ledger.equity_frame()
        result = _measured(ready.config, done, equity, ready.identity, ready.leaks)
        write_folder(folder, ready.config, result, {"equity": equity})
    return Run.load(folder, tables)


@dataclass(frozen=True)
class Prepared:
    """A run that could begin: plug-ins built, market open.

    Attributes
    ----------
    config : RunConfig
        Completed with the defaults of the plug-ins.
    strategy : type
    market : Market
    identity : str
        Name of the run.
    leaks : bool
        Whether the signal may read the whole history.
    options : dict
        For :func:`engine.simulation.simulate`.
    """

    config: RunConfig
    strategy: type
    market: Market
    identity: str
    leaks: bool
    options: dict[str, Any]

    def simulate(self, **more: Any) -> Simulation:
        """Run it in memory."""
        return simulate(self.market, self.strategy, self.config.strategy.params, **self.options, **more)


def prepare(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    cache: str | Path | None = None,
    protocol: str = "honest",
    opener: Opener | None = None,
) -> Prepared:
    """Build what a configuration names and open its market; parameters as of :func:`run`.

    Raises
    ------
    HuiceError
        One sentence about what is wrong with the configuration, the data or a plug-in.
    """
    from feeds.store import open_market

    opener = opener or open_market
    if isinstance(config, str | Path):
        config = RunConfig.from_toml(Path(config))
    elif not isinstance(config, RunConfig):
        config = RunConfig.from_mapping(config)
    config = config.completed()
    strategy = plugins.resolve("strategy", config.strategy.name)
    signal = plugins.build("signal", config.signal) if config.signal.name else None
    check_protocol(signal, protocol)
    fees = plugins.build("fees", config.fees)
    slippage = plugins.build("slippage", config.slippage)
    overlays = [plugins.build("overlay", overlay) for overlay in config.overlays]
    lookbacks = [getattr(one, "lookback", 0) for one in (signal, *overlays)]
    if hasattr(strategy, "lookback_of"):
        lookbacks.append(strategy.lookback_of(config.strategy.params))
    feeds = tuple(config.bar_feeds) or tuple(getattr(strategy, "bar_feeds", ()))
    market = opener(
        config.data,
        universe=config.universe,
        start=config.start,
        end=config.end,
        lookback=max(lookbacks),
        benchmark=config.benchmark,
        benchmark_kind=config.benchmark_kind,
        extra_symbols=feeds,
        exclude=config.exclude,
        protocol=protocol,
        cache=None if cache is None else Path(cache),
    )
    digests = [
        plugins.source_digest(cls)
        for cls in (strategy, type(signal), type(fees), type(slippage), *map(type, overlays))
        if cls is not type(None)
    ]
    digests.append(getattr(fees, "table_digest", ""))  # the rules are as much the model's source as its code
    digests.append(getattr(signal, "code_digest", ""))  # of what a signal picks by name, as a factor
    identity = run_id(config, market.fingerprint, _version(), digests)
    leaks = protocol == "paper"
    options = {
        "signal": hand_over(signal, market) if leaks else signal,
        "rebalance": config.rebalance,
        "anchor": config.anchor,
        "start": config.start,
        "end": config.end,
        "cash": config.cash,
        "rules": Rules(**config.rules.model_dump()),
        "fees": fees,
        "slippage": slippage,
        "fill": config.fill,
        "cash_rate": config.cash_rate,
        "bar_feeds": feeds,
        "overlays": overlays,
    }
    return Prepared(config, strategy, market, identity, leaks, options)


def _version() -> str:
    from huice import __version__

    return __version__


def _frames(done: Simulation) -> dict[str, Any]:
    import pandas as pd

    ledger, broker = done.broker.ledger, done.broker
    frames = {
        "equity": ledger.equity_frame(),
        "fills": ledger.fills_frame(),
        "positions": ledger.positions_frame(),
        "orders": ledger.orders_frame(broker.orders),
        "refusals": ledger.refusals_frame(),
        "corporate": ledger.corporate_frame(),
        "scores": ledger.scores_frame(),
        "decisions": ledger.decisions_frame(),
        "targets": broker.baskets.targets_frame(),
        "tracking": broker.baskets.tracking_frame(ledger),
    }
    seen = sorted(set().union(*(frames[name]["symbol"] for name in ("positions", "orders", "scores", "targets"))))
    names = done.market.names
    frames["symbols"] = pd.DataFrame(
        {
            "symbol": np.array(seen, dtype=object),
            "name": np.array([names.get(s, "") for s in seen], dtype=object),
        }
    )
    return frames


def _risk_free(config: RunConfig, market: Market, t: np.ndarray) -> tuple[str, float | np.ndarray]:
    """Kind of the risk-free asset, and its annual rate or rates (one a session)."""
    if str(config.risk_free) != "cgb10y":
        rate = float(config.risk_free)
        return ("rate" if rate else "0"), rate
    if "risk_free_10y" not in market.series:
        raise ConfigError("risk_free is 'cgb10y', but these data have no cn_gov_bond_10y table; give a rate, as 0.02")
    return "cgb10y", np.asarray(market.series["risk_free_10y"])[t]


def _measured(config: RunConfig, done: Simulation, equity: Any, identity: str, leaks: bool) -> dict[str, Any]:
    """What ``result.json`` says of a run without looking at its tables."""
    from feeds.survivorship import coverage_numbers
    from feeds.synthetic_feed import is_spec

    broker, market, ledger = done.broker, done.market, done.broker.ledger
    t, value, _, interest = ledger.equity_arrays()
    dates = market.sessions[t]
    kind, annual = _risk_free(config, market, t)
    rate = annual if isinstance(annual, float) else per_session(annual, sessions_per_year(dates) or 1.0)
    deposits = equity["deposit"].to_numpy()
    names = ("benchmark", "benchmark_price") if config.benchmark else ()
    level, price = (np.asarray(market.series[name])[t] for name in names) if names else (None, None)
    bought, sold = ledger.traded_yuan()
    return {
        "id": identity,
        "version": _version(),
        "data": {
            "source": config.data if is_spec(config.data) else f"folder {Path(config.data).name}",
            "fingerprint": market.fingerprint,
            "files": market.info.get("files", {}),
        },
        "strategy": {"name": config.strategy.name, **config.strategy.params},
        "signal": {"name": config.signal.name, **config.signal.params},
        "universe": config.universe if isinstance(config.universe, str) else list(config.universe),
        "exclude": market.info.get("exclude", []),
        "overlays": [overlay.flat() for overlay in config.overlays],
        "start": str(dates[min(1, len(dates) - 1)]),
        "end": str(dates[-1]),
        "base_date": str(dates[0]),
        "fill": config.fill,
        "rebalance": config.rebalance,
        "cash": config.cash,
        "cash_rate": config.cash_rate,
        "fees_text": broker.fees.describe(),
        "slippage_text": broker.slippage.describe(),
        "leaks": leaks,
        "headline": headline(dates, value, level, price, rate, bought, sold, deposits),
        "intervals": headline_intervals(dates, value, level, rate, deposits),
        "risk_free": {"kind": kind, "annual": float(np.mean(annual))},
        "benchmark": market.info.get("benchmark") if config.benchmark else None,
        "fees": ledger.fee_totals(),
        "interest": round(float(interest.sum()), 2),
        "refusals": ledger.refusal_totals(),
        "corporate": ledger.corporate_totals(),
        "fractions_dropped": round(ledger.fractions, 4),
        "coverage": market.info.get("coverage"),
        "coverage_numbers": coverage_numbers(market, dates[min(1, len(dates) - 1)], dates[-1]),
        "action_rules": broker.account.desk.rows_used(),
    }


def _result(
    config: RunConfig, done: Simulation, frames: Mapping[str, Any], identity: str, leaks: bool
) -> dict[str, Any]:
    from feeds.survivorship import data_warnings

    broker, market, decisions = done.broker, done.market, frames["decisions"]
    executed = int((decisions["status"] == "executed").sum())
    fee_rows, fee_warnings = broker.fees.usage(frames["fills"]) if hasattr(broker.fees, "usage") else ([], [])
    result = _measured(config, done, frames["equity"], identity, leaks) | {
        "attribution": attribution(frames),
        "decisions": {"executed": executed, "pending": len(decisions) - executed},
        "orders": len(frames["orders"]),
        "fills": len(frames["fills"]),
        "rules": fee_rows,
    }
    result["warnings"] = [
        *data_warnings(market), *_warnings(config, result, decisions), *fee_warnings,
        *_doubtful(result["action_rules"]),
    ]  # fmt: skip
    result["notes"] = [*_notes(result), *getattr(done.strategy, "run_notes", list)()]
    return result


def _warnings(config: RunConfig, result: Mapping[str, Any], decisions: Any) -> list[str]:
    """What a reader of the headline must know, one sentence each."""
    found = []
    coverage = result["coverage"]
    if isinstance(coverage, int | float) and coverage < 0.9995:
        found.append(
            f"{100 * (1 - coverage):.1f} % of the memberships of universe '{config.universe}' have no bars in these "
            "data and could not be chosen."
        )
    benchmark = result["benchmark"]
    if benchmark and benchmark.get("kind") == "total-return" and benchmark.get("coverage", 1.0) < 0.9995:
        found.append(
            f"The total-return benchmark is built from the {100 * benchmark['coverage']:.1f} % of the members of "
            f"{benchmark['code']} that have data."
        )
    unresolved = result["corporate"].get("UNRESOLVED", {}).get("count", 0)
    if unresolved:
        found.append(
            f"{unresolved} corporate actions on holdings could not be resolved into cash and shares and were booked "
            "value-neutral."
        )
    if len(decisions) and config.signal.name and (decisions["scored"] == 0).any():
        found.append(f"{int((decisions['scored'] == 0).sum())} of {len(decisions)} decisions had no scored stock.")
    return found


def _doubtful(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence on rows of corporate actions below high confidence that bookings went by."""
    flagged = [f"{row['table']} line {row['line']} (confidence {row['confidence']})" for row in rows if row["flagged"]]
    return [f"Rows below high confidence decided bookings: {', '.join(flagged)}."] if flagged else []


def _notes(result: Mapping[str, Any]) -> list[str]:
    """What may be good to know, one sentence each."""
    found = []
    if result["decisions"]["pending"]:
        found.append("The decision on the last session is pending: its orders would fill on the next one.")
    return found
