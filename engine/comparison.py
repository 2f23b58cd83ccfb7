"""Finished runs side by side on the sessions that they share: figures, differences with intervals, overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.bootstrap import Interval, interval, resamples
from engine.conclusions import Against
from engine.errors import ConfigError
from engine.intervals import FEWEST, annual_returns, headline_intervals, sharpe_ratios
from engine.measures import annual_return, headline, net_value, per_session, sessions_per_year, sharpe

if TYPE_CHECKING:
    import pandas as pd

    from engine.run_folder import Run

Array = np.ndarray

LONGEST = 60
"""Letters of a label."""

_UNNAMED = ("data", "start", "end", "version", "seed")
"""Settings that make no label."""


class Difference(NamedTuple):
    """A figure of one run less that of another on the same sessions; no interval for a short span."""

    value: float | None
    interval: Interval | None


class Comparison(NamedTuple):
    """Runs side by side.

    Attributes
    ----------
    runs : list of Run
    labels : list of str
        What tells them apart, one each, none twice.
    dates : ndarray of datetime64[D], shape (T,)
        Sessions that all have, the first one the base day.
    net : ndarray of float, shape (T, R)
        Net values, 1 on the base day.
    benchmark : ndarray of float, shape (T,), or None
        The benchmark's net value where all runs have the same one.
    figures : list of dict
        ``headline`` and ``intervals`` of each on these sessions, as in ``result.json``.
    settings : dict of str to list
        The settings that are not the same in all, by name, a value a run.
    """

    runs: list[Run]
    labels: list[str]
    dates: Array
    net: Array
    benchmark: Array | None
    figures: list[dict[str, Any]]
    settings: dict[str, list[Any]]

    @property
    def returns(self) -> Array:
        """Returns of the sessions, (T-1, R)."""
        return self.net[1:] / self.net[:-1] - 1.0

    @property
    def per_year(self) -> float:
        """Sessions a year on these sessions."""
        return sessions_per_year(self.dates) or 1.0


def compare(runs: Sequence[Run]) -> Comparison:
    """Put runs side by side.

    Raises
    ------
    ConfigError
        If there are fewer than two, one stands twice, or they share fewer than two sessions.
    """
    runs = list(runs)
    if len(runs) < 2:
        raise ConfigError("one run is no comparison; give two run folders or more")
    places = [run.folder.resolve() for run in runs]
    twice = next((run.folder for k, run in enumerate(runs) if places[k] in places[:k]), None)
    if twice is not None:
        raise ConfigError(f"the run {twice} is given twice; give each run once")
    days = [run.equity["date"].to_numpy().astype("datetime64[D]") for run in runs]
    dates = days[0]
    for other in days[1:]:
        dates = np.intersect1d(dates, other, assume_unique=True)
    if dates.size < 2:
        spans = ", ".join(f"{run.folder.name} {span[0]} to {span[-1]}" for run, span in zip(runs, days, strict=True))
        raise ConfigError(f"these runs share no two sessions to compare ({spans}); give runs whose spans overlap")
    net = np.stack([_net(run, dates) for run in runs], axis=1)
    settings = _settings(runs)
    return Comparison(
        runs, _labels(runs, settings), dates, net, _benchmark(runs, dates), [_figures(run, dates) for run in runs],
        settings,
    )  # fmt: skip


def against(run: Run, control: Run, name: str) -> Against:
    """The annual return of a run less that of its control, for :func:`engine.conclusions.conclude`."""
    both = compare([run, control])
    found = difference(both.returns[:, 0], both.returns[:, 1], both.per_year)
    return Against(name, found.value if found.value is not None else float("nan"), found.interval)


def difference(own: Array, other: Array, per_year: float) -> Difference:
    """Annual return of one less that of the other, both (n,); the interval draws both alike."""
    rates = annual_return(own, per_year), annual_return(other, per_year)
    value = None if rates[0] is None or rates[1] is None else rates[0] - rates[1]
    if own.size < FEWEST or min(own.min(), other.min()) <= -1.0:
        return Difference(value, None)
    drawn = resamples(own.size)
    return Difference(value, interval(annual_returns(own, drawn, per_year) - annual_returns(other, drawn, per_year)))


def sharpe_difference(own: Array, other: Array, per_year: float) -> Difference:
    """Sharpe ratio of one less that of the other; the parameters are returns over the risk-free rate, (n,)."""
    ratios = sharpe(own, 0.0, per_year), sharpe(other, 0.0, per_year)
    if ratios[0] is None or ratios[1] is None:
        return Difference(None, None)
    value = ratios[0] - ratios[1]
    if own.size < FEWEST:
        return Difference(value, None)
    drawn = resamples(own.size)
    return Difference(value, interval(sharpe_ratios(own, drawn, per_year) - sharpe_ratios(other, drawn, per_year)))


def risk_free(run: Run, per_year: float) -> float:
    """Mean risk-free rate of a session of a run, a fraction."""
    return float(per_session((run.result.get("risk_free") or {}).get("annual") or 0.0, per_year))


def shared_weight(one: pd.DataFrame, other: pd.DataFrame, dates: Array) -> Array:
    """Share of the two books that is the same: the sum over stocks of the smaller of the two weights, shape (T,).

    Parameters
    ----------
    one, other : DataFrame
        ``positions.parquet`` of two runs; weights are shares of the value in stocks, so that cash does not count.
    dates : ndarray of datetime64[D], shape (T,)

    Returns
    -------
    ndarray of float
        1 for the same book, 0 for no stock in common, NaN on a session on which a run holds nothing.
    """
    import pandas as pd

    weights = []
    for table in (one, other):
        day = table["date"].astype("datetime64[ms]")
        yuan = table["value"].astype(float)
        share = yuan / yuan.groupby(day).transform("sum")
        weights.append(pd.Series(share.to_numpy(), index=pd.MultiIndex.from_arrays([day, table["symbol"].astype(str)])))
    both = pd.concat(weights, axis=1, join="inner").min(axis=1)
    index = pd.DatetimeIndex(dates).as_unit("ms")
    held = [index.isin(weight.index.get_level_values(0)) for weight in weights]
    found = both.groupby(level=0).sum().reindex(index).fillna(0.0).to_numpy()
    return np.where(held[0] & held[1], found, np.nan)


def _net(run: Run, dates: Array) -> Array:
    equity = run.equity
    level = net_value(equity["value"].to_numpy(dtype=float), equity.get("deposit"))
    level = level[np.isin(equity["date"].to_numpy().astype("datetime64[D]"), dates)]
    return level / level[0]


def _benchmark(runs: Sequence[Run], dates: Array) -> Array | None:
    """The net value of the one benchmark of all runs; None where they have none or several."""
    named = {tuple((run.result.get("benchmark") or {}).get(key) for key in ("code", "kind")) for run in runs}
    if len(named) > 1 or named == {(None, None)}:
        return None
    equity = runs[0].equity
    inside = np.isin(equity["date"].to_numpy().astype("datetime64[D]"), dates)
    level = equity["benchmark"].ffill().to_numpy(dtype=float)[inside]
    return level / level[0] if np.isfinite(level).all() else None


def _figures(run: Run, dates: Array) -> dict[str, Any]:
    """The stored headline where the run has just these sessions, else that of the part it shares."""
    equity = run.equity
    days = equity["date"].to_numpy().astype("datetime64[D]")
    if days.size == dates.size:
        return {"headline": run.result["headline"], "intervals": run.result.get("intervals") or {}}
    part = equity[np.isin(days, dates)]
    fills = run.fills[(run.fills["date"] > part["date"].iloc[0]) & (run.fills["date"] <= part["date"].iloc[-1])]
    yuan = (fills["shares"] * fills["price"]).groupby(fills["side"].astype(str)).sum()
    level = part["benchmark"].to_numpy(dtype=float) if run.result.get("benchmark") else None
    price = part["benchmark_price"].to_numpy(dtype=float) if level is not None else None
    rate = (run.result.get("risk_free") or {}).get("annual") or 0.0
    value, deposits = part["value"].to_numpy(dtype=float), part["deposit"].to_numpy(dtype=float)
    bought, sold = float(yuan.get("buy", 0.0)), float(yuan.get("sell", 0.0))
    return {
        "headline": headline(dates, value, level, price, rate, bought, sold, deposits),
        "intervals": headline_intervals(dates, value, level, rate, deposits),
    }


def _settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    tables = [_flat(run.config.to_mapping()) for run in runs]
    for table, run in zip(tables, runs, strict=True):
        table["version"] = run.result.get("version")
        table["protocol"] = "paper (LEAKS)" if run.result.get("leaks") else "honest"
    keys = sorted(set().union(*tables), key=_importance)
    values = {key: [table.get(key) for table in tables] for key in keys}
    return {key: row for key, row in values.items() if any(x != row[0] for x in row)}


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _importance(key: str) -> tuple[int, str]:
    """Order of settings: what is traded first, the costs later."""
    heads = ("protocol", "strategy", "signal", "universe", "start", "end", "rebalance", "fill")
    head = key.partition(".")[0]
    return (heads.index(head) if head in heads else len(heads)), key.replace(".name", ".")


def _labels(runs: Sequence[Run], settings: Mapping[str, Sequence[Any]]) -> list[str]:
    """What tells runs apart, in as few settings as do; the run's id where they cannot.

    A setting that only some have goes with the name of their strategy or signal, which comes first.
    """
    common = [key for key, row in settings.items() if None not in row and key not in _UNNAMED]
    common.sort(key=lambda key: not (key.endswith(".name") or key == "protocol"))
    shown = [""] * len(runs)
    for key in common:
        longer = [f"{text}, {_words(key, settings[key][k])}".strip(", ") for k, text in enumerate(shown)]
        if len(set(longer)) > len(set(shown)):
            shown = longer
    return [
        text if 0 < len(text) <= LONGEST and shown.count(text) == 1 else f"{text[:LONGEST]} {run.folder.name}".strip()
        for text, run in zip(shown, runs, strict=True)
    ]


def _words(key: str, value: Any) -> str:
    table, _, name = key.partition(".")
    return _short(value) if name == "name" or key in ("universe", "protocol") else f"{name or table} {_short(value)}"


def _short(value: Any) -> str:
    return Path(value).name if isinstance(value, str) and value.endswith(".py") else str(value)
