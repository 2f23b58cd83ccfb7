"""Screening: many factors through one laboratory, into one table, with a verdict on each.

Every factor is evaluated on the same dates and forward returns (:mod:`signals.screening.evaluation`), compared with the
others (``correlation``), judged against thresholds for the number of factors tried (``significance``), kept or dropped
with a reason (``selection``); once on all names and, when a mask is given, once more on those that could be bought.
:func:`signals.screening.page.write_page` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.errors import SignalError
from signals.screening.correlation import hierarchical_order, rank_correlation, sample_dates
from signals.screening.evaluation import Evaluation, ICSummary, Targets, evaluate_with_ranks, prepare
from signals.screening.selection import Verdict, select
from signals.screening.significance import Thresholds, discoveries, thresholds

if TYPE_CHECKING:
    import pandas as pd

Criterion = Literal["abs-mean", "mean-abs"]

CRITERIA: dict[str, str] = {"abs-mean": "|mean Rank IC|", "mean-abs": "mean |Rank IC|"}


@dataclass(frozen=True)
class Sample:
    """One pass over all factors: on all names, or on those that could be bought.

    Attributes
    ----------
    evaluations : dict of str to Evaluation
    summaries : dict of str to dict of int to ICSummary
        By factor and horizon.
    correlation : ndarray, shape (F, F)
    verdicts : list of Verdict
        The strongest first.
    thresholds : Thresholds
    passing : dict of str to bool
        Whether the factor passes Benjamini, Hochberg and Yekutieli's procedure.
    """

    evaluations: dict[str, Evaluation]
    summaries: dict[str, dict[int, ICSummary]]
    correlation: np.ndarray
    verdicts: list[Verdict]
    thresholds: Thresholds
    passing: dict[str, bool]

    @property
    def kept(self) -> list[str]:
        """Names of the factors kept, the strongest first."""
        return [v.name for v in self.verdicts if v.kept]


@dataclass(frozen=True)
class Options:
    """How a screening was made, as given to :func:`screen`; ``criterion`` in words."""

    criterion: str
    min_rank_ic: float
    max_correlation: float
    min_coverage: float
    by_family: bool
    quantiles: int
    lags: tuple[int, ...]
    min_names: int
    correlation_dates: int


@dataclass(frozen=True)
class Screening:
    """Everything that a screening found; of :func:`screen`.

    Attributes
    ----------
    names : list of str
        As given.
    dates : ndarray of datetime64[D], shape (D,)
    horizon, every : int
        Length of the return that decides; distance of the dates; both in ``unit``.
    unit : str
        "session", "week" or "month".
    everything : Sample
        On all names of the universe.
    bought : Sample or None
        On those that could be bought, where a mask was given.
    order : ndarray of int, shape (F,)
        Hierarchical order of the correlation matrix.
    years : ndarray of int
    coverage : ndarray, shape (F, years)
        Share of the universe with the factor, NaN in a year without a universe.
    unbuyable : float
        Share of the universe that the mask takes away; NaN without one.
    families, titles : dict of str to str
        Family and readable name by factor, where given.
    options : Options
    unavailable : dict of str to str
        Factors asked for that have no values, and why; they count as not tried.
    """

    names: list[str]
    dates: np.ndarray
    horizon: int
    every: int
    unit: str
    everything: Sample
    bought: Sample | None
    order: np.ndarray
    years: np.ndarray
    coverage: np.ndarray
    unbuyable: float
    options: Options
    families: dict[str, str]
    titles: dict[str, str]
    unavailable: dict[str, str]

    def table(self, bought: bool = False) -> pd.DataFrame:
        """One row a factor, the strongest first: the figures at :attr:`horizon`, coverage by year, verdict.

        Columns: ``factor``, ``name``, ``family``, ``rank_ic`` (mean), ``t``, ``passes``, ``mean_abs_rank_ic``,
        ``abs_mean_rank_ic``, ``noise``, ``noise_of_mean``, ``ir``, ``share_positive``, ``ic`` (Pearson's mean),
        ``long_short`` (mean a period), ``long_short_t``, ``autocorrelation`` and ``turnover`` (mean of top and bottom
        quantile) at the first lag, ``names`` (mean in the IC), ``dates``, ``coverage``, one column a year, ``kept``
        and ``reason``.

        Parameters
        ----------
        bought : bool
            The figures on the names that could be bought.

        Raises
        ------
        SignalError
            If that is asked for without a mask having been given.
        """
        import pandas as pd

        sample = self.bought if bought else self.everything
        if sample is None:
            raise SignalError("the screening had no mask of names that could be bought; give buyable=")
        rows = []
        for verdict in sample.verdicts:
            one, place = sample.evaluations[verdict.name], self.names.index(verdict.name)
            figures = sample.summaries[verdict.name][self.horizon]
            ends = one.turnover[0][:, [0, -1]]
            row = {
                "factor": verdict.name,
                "name": self.titles.get(verdict.name, ""),
                "family": self.families.get(verdict.name, ""),
                "rank_ic": figures.rank_ic.mean,
                "t": figures.rank_ic.t,
                "passes": sample.passing[verdict.name],
                "mean_abs_rank_ic": figures.mean_abs_rank_ic,
                "abs_mean_rank_ic": abs(figures.rank_ic.mean),
                "noise": figures.noise,
                "noise_of_mean": figures.noise_of_mean,
                "ir": figures.ir,
                "share_positive": figures.share_positive,
                "ic": figures.ic.mean,
                "long_short": figures.long_short.mean,
                "long_short_t": figures.long_short.t,
                "autocorrelation": _mean(one.autocorrelation[0]),
                "turnover": _mean(ends),
                "names": figures.names,
                "dates": figures.rank_ic.dates,
                "coverage": _coverage(one),
            }
            row |= {str(year): self.coverage[place, y] for y, year in enumerate(self.years)}
            rows.append(row | {"kept": verdict.kept, "reason": verdict.reason})
        return pd.DataFrame(rows)

    def decay(self, bought: bool = False) -> pd.DataFrame:
        """Mean Rank IC (F, H) by factor, in the table's order, and horizon."""
        import pandas as pd

        sample = self.bought if bought and self.bought is not None else self.everything
        names = [v.name for v in sample.verdicts]
        horizons = sample.evaluations[names[0]].horizons
        data = [[sample.summaries[name][h].rank_ic.mean for h in horizons] for name in names]
        return pd.DataFrame(data, index=pd.Index(names, name="factor"), columns=list(horizons))


def screen(
    factors: Mapping[str, np.ndarray | Callable[[], np.ndarray]],
    forward_returns: Mapping[int, np.ndarray] | Targets,
    dates: np.ndarray,
    *,
    horizon: int | None = None,
    every: int = 1,
    unit: str = "session",
    quantiles: int = 5,
    lags: Sequence[int] = (1,),
    min_names: int = 10,
    universe: np.ndarray | None = None,
    buyable: np.ndarray | None = None,
    criterion: Criterion = "abs-mean",
    min_rank_ic: float = 0.02,
    max_correlation: float = 0.7,
    min_coverage: float = 0.0,
    by_family: bool = False,
    families: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    alpha: float = 0.05,
    tried: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Screening:
    """Evaluate, compare, test and select.

    Parameters
    ----------
    factors : mapping of str to ndarray (D, N), or to a function that returns one
        One at a time is looked at, so functions keep memory small; it is called once.
    forward_returns : mapping of int to ndarray (D, N), or Targets
    dates : ndarray of datetime64, shape (D,)
    horizon : int, optional
        The return that decides; the shortest by default.
    every : int
        Distance of the dates in the unit of the horizons, for the Newey-West lags.
    unit : str
        What horizons and ``every`` count, for the page: "session", "week" or "month".
    quantiles, lags, min_names
        As for :func:`signals.screening.evaluation.evaluate`.
    universe, buyable : ndarray of bool, shape (D, N), optional
        Members of the cross-section (ignored when ``forward_returns`` are Targets); names that could be bought at the
        start of the return.
    criterion : {"abs-mean", "mean-abs"}
        Strength of a factor: |mean(Rank IC)|, or mean(|Rank IC|), which noise alone raises to the noise level.
    min_rank_ic, max_correlation, min_coverage, by_family
        As for :func:`signals.screening.selection.select`.
    families, titles, unavailable : mapping of str to str, optional
        Family and readable name by factor; factors without values, and why.
    alpha, tried
        As for :func:`signals.screening.significance.thresholds`.
    progress : callable, optional
        Called with the name of each factor before its turn.

    Raises
    ------
    SignalError
        If there is no factor, or a shape or option makes no sense.
    """
    if not factors:
        raise SignalError("there is no factor to screen; give at least one with values")
    check_options(min_rank_ic, max_correlation, min_coverage, tried)
    if criterion not in CRITERIA:
        raise SignalError(f"criterion must be one of {sorted(CRITERIA)}, not '{criterion}'")
    targets = forward_returns if isinstance(forward_returns, Targets) else prepare(forward_returns, universe=universe)
    horizon = targets.horizons[0] if horizon is None else horizon
    if horizon not in targets.horizons:
        raise SignalError(f"horizon {horizon} is not among the forward returns {list(targets.horizons)}")
    dates = np.asarray(dates).astype("datetime64[D]")
    if len(dates) != len(targets.base):
        raise SignalError(f"{len(dates)} dates were given for forward returns on {len(targets.base)}")
    names, rows = list(factors), sample_dates(len(dates))
    samples = [targets] if buyable is None else [targets, targets.only(buyable)]
    found: list[tuple[dict[str, Evaluation], list[np.ndarray]]] = [({}, []) for _ in samples]
    for name in names:
        if progress is not None:
            progress(name)
        given = factors[name]
        values = given() if callable(given) else given
        for one, (evaluations, ranks) in zip(samples, found, strict=True):
            evaluations[name], sampled = evaluate_with_ranks(values, one, quantiles, lags, min_names, rows=rows)
            ranks.append(sampled)
    families = dict(families or {})
    made = []
    for evaluations, ranks in found:
        summaries = {n: {h: e.summary(h, every) for h in targets.horizons} for n, e in evaluations.items()}
        figures = [summaries[name][horizon] for name in names]
        correlation = rank_correlation(ranks, min_names)
        t = np.array([f.rank_ic.t for f in figures])
        scores = [abs(f.rank_ic.mean) if criterion == "abs-mean" else f.mean_abs_rank_ic for f in figures]
        verdicts = select(
            names, np.array(scores), correlation, min_score=min_rank_ic, max_correlation=max_correlation,
            coverage=np.array([_coverage(evaluations[name]) for name in names]), min_coverage=min_coverage,
            families=families if by_family else None, score_name=CRITERIA[criterion], min_names=min_names,
        )  # fmt: skip
        passing = dict(zip(names, discoveries(t, tried, alpha).tolist(), strict=True))
        made.append(Sample(evaluations, summaries, correlation, verdicts, thresholds(t, tried, alpha), passing))
    years, coverage = coverage_by_year(found[0][0], dates)
    members = targets.universe != 0
    unbuyable = float((members & (buyable == 0)).sum() / max(members.sum(), 1)) if buyable is not None else float("nan")
    options = Options(
        CRITERIA[criterion], min_rank_ic, max_correlation, min_coverage, by_family, quantiles,
        tuple(int(lag) for lag in lags), min_names, len(rows),
    )  # fmt: skip
    return Screening(
        names, dates, horizon, every, unit, made[0], made[1] if len(made) > 1 else None,
        hierarchical_order(made[0].correlation), years, coverage, unbuyable, options, families, dict(titles or {}),
        dict(unavailable or {}),
    )  # fmt: skip


def check_options(min_rank_ic: float, max_correlation: float, min_coverage: float, tried: int | None) -> None:
    """Refuse bars that make no sense, as :func:`screen` does.

    Raises
    ------
    SignalError
        Naming the option.
    """
    if not 0.0 <= min_rank_ic < 1.0:
        raise SignalError(f"min_rank_ic is {min_rank_ic:g}; give a strength from 0 to below 1")
    if not 0.0 < max_correlation <= 1.0:
        raise SignalError(f"max_correlation is {max_correlation:g}; give a correlation above 0 and at most 1")
    if not 0.0 <= min_coverage <= 1.0:
        raise SignalError(f"min_coverage is {min_coverage:g}; give a share of the universe from 0 to 1")
    if tried is not None and tried < 1:
        raise SignalError(f"tried is {tried}; give the number of factors that were tried, at least 1")


def coverage_by_year(evaluations: Mapping[str, Evaluation], dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Years (Y,) and share of the universe's stock-dates with a factor, (F, Y)."""
    year = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    years = np.unique(year)
    table = np.full((len(evaluations), len(years)), np.nan)
    for f, one in enumerate(evaluations.values()):
        for y, each in enumerate(years):
            total = one.universe[year == each].sum()
            if total:
                table[f, y] = one.covered[year == each].sum() / total
    return years, table


def _coverage(one: Evaluation) -> float:
    total = one.universe.sum()
    return float(one.covered.sum() / total) if total else float("nan")


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
