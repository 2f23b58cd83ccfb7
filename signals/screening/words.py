"""A screening in words, made from its numbers: the summary, the statement on many tests, how it was done."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.presentation import number, percent
from signals.screen import Sample, Screening
from signals.screening.significance import critical_t


def summary(found: Screening) -> list[str]:
    """Paragraphs: what passes the adjusted bar, the strongest, what is kept, what buying changes."""
    sample, bars = found.everything, found.everything.thresholds
    figures = {name: sample.summaries[name][found.horizon] for name in found.names}
    strict = [name for name in found.names if abs(figures[name].rank_ic.t) >= bars.bonferroni]
    mild = [name for name in found.names if sample.passing[name]]
    alone = [name for name in found.names if abs(figures[name].rank_ic.t) >= bars.single]
    sizes = [one.names for one in figures.values() if math.isfinite(one.names)]
    names = number(float(np.mean(sizes)), 0) if sizes else "no"
    more = listed([name for name in mild if name not in strict], "; besides the above: ")
    words = [
        f"{count(len(found.names), 'factor')} with values on {count(len(found.dates), 'date')}, {names} names a date "
        f"on average, judged by the return over {span(found, found.horizon)}. {len(strict) or 'None'} of {bars.tried} "
        f"tried {_pass(strict)} the bar for that many tries, |t| ≥ {bars.bonferroni:.2f} (Bonferroni){listed(strict)}. "
        f"{len(mild) or 'None'} {_pass(mild)} the procedure that allows {percent(bars.alpha, 0)} of false ones "
        f"among the discoveries (Benjamini, Hochberg and Yekutieli{more}). {len(alone) or 'None'} "
        f"{'reaches' if len(alone) < 2 else 'reach'} |t| ≥ {bars.single:.2f}, the bar of a single test; about "
        f"{number(bars.alpha * bars.tried, 1)} would by chance alone."
    ]
    ranked = [v for v in sample.verdicts if math.isfinite(v.score)]
    if ranked:
        best = figures[ranked[0].name]
        words.append(
            f"The strongest is {ranked[0].name}: mean Rank IC {best.rank_ic.mean:+.4f} with t "
            f"{number(best.rank_ic.t, 1)}, positive on {percent(best.share_positive, 0)} of the dates. Its mean "
            f"|Rank IC| is {best.mean_abs_rank_ic:.4f}, where a factor that knows nothing has {best.noise:.4f}."
        )
    like = sum(not v.kept and v.reason.startswith("correlation") for v in sample.verdicts)
    weak = len(sample.verdicts) - len(sample.kept) - like
    sure = [name for name in sample.kept if name in strict]
    words.append(
        f"Kept: {len(sample.kept)}{listed(sample.kept, ' (', end=')')}; {len(sure)} of them {_pass(sure)} Bonferroni's "
        f"bar. Dropped: {weak} as too weak or too sparse, {like} as too like a stronger one."
    )
    if found.bought is not None:
        words.append(_bought(found, found.bought))
    return words


def _bought(found: Screening, bought: Sample) -> str:
    gone = [name for name in found.everything.kept if name not in bought.kept]
    come = [name for name in bought.kept if name not in found.everything.kept]
    text = (
        f"{percent(found.unbuyable, 1)} of the names could not be bought when their return began (at the upper limit "
        f"or suspended). Without them {count(len(bought.kept), 'factor')} {'is' if len(bought.kept) == 1 else 'are'} "
        "kept"
    )
    if not gone and not come:
        return text + (", the same." if bought.kept else ".")
    parts = [f"{', '.join(gone)} {'falls' if len(gone) == 1 else 'fall'} out"] if gone else []
    parts += [f"{', '.join(come)} {'comes' if len(come) == 1 else 'come'} in"] if come else []
    return f"{text}: {'; '.join(parts)}."


def statement_on_tests(found: Screening) -> list[str]:
    """How many factors were tried, and what that asks of a t."""
    bars = found.everything.thresholds
    lags = found.everything.summaries[found.names[0]][found.horizon].rank_ic.lags
    alpha, more = percent(bars.alpha, 0), 10 * bars.tried
    return [
        f"{count(bars.tried, 'factor')} tried, two-sided tests of the mean Rank IC over {span(found, found.horizon)} "
        f"at {alpha}, p values of the normal distribution. One test alone asks for |t| ≥ {bars.single:.2f}; no false "
        f"discovery among {bars.tried}: {bars.bonferroni:.2f} (Bonferroni) or {bars.sidak:.2f} (Šidák, independent "
        f"tests); at most {alpha} false ones among the discoveries under any dependence: {bars.yekutieli:.2f} here "
        "(Benjamini, Hochberg and Yekutieli; the bar moves with what was found).",
        "t is the mean over its Newey-West error with Bartlett weights; the lags cover the overlap of the returns and "
        f"are at least 4 (T/100)^(2/9): {lags} here. Horizons, universes and variants that were looked at and are not "
        "shown are tries as well: give their number as the number tried. At "
        f"{more:,} tries Bonferroni's bar would be {critical_t(bars.alpha / more):.2f}.",
    ]


def method(found: Screening) -> list[str]:
    """How the figures were made."""
    o = found.options
    families = ", within families first." if o.by_family else "."
    return [
        "Rank IC is Spearman's correlation over the names that have both factor and return; IC is Pearson's. Missing "
        "values are left out, never filled; a stock halted at either end of a return has none.",
        "noise is the mean |IC| of a factor that knows nothing, √(2/(π(n−1))) for n names; noise of the mean is that "
        "of |mean Rank IC| were the dates independent. IR is mean over deviation a date, not annualised.",
        f"Quantiles: {o.quantiles} a date by the factor, 1 the lowest, on all names with a value, whether or not a "
        "return follows; dates count alike. Long-short is the highest less the lowest, before any cost. "
        "Autocorrelation and turnover (mean of the lowest and highest quantile) compare dates "
        f"{o.lags[0]} apart in the list of dates.",
        f"Correlation is the mean over {count(o.correlation_dates, 'evenly spaced date')} of that between the factors' "
        f"ranks. Selection: {o.criterion} at least {o.min_rank_ic:g}, coverage at least {percent(o.min_coverage, 0)}, "
        f"strongest first, none with a |correlation| of {o.max_correlation:g} or more to one kept{families}",
        "Coverage is the share of the universe's stock-dates that have the factor.",
    ]


def line(found: Screening, name: str) -> str:
    """One kept factor in a line."""
    figures = found.everything.summaries[name][found.horizon]
    reason = next(v.reason for v in found.everything.verdicts if v.name == name)
    family = f"{found.families[name]}; " if found.families.get(name) else ""
    return (
        f"{family}mean Rank IC {figures.rank_ic.mean:+.4f} (t {number(figures.rank_ic.t, 1)}), IR "
        f"{number(figures.ir)}, long-short {percent(figures.long_short.mean, 2, sign=True)} a period (t "
        f"{number(figures.long_short.t, 1)}). Kept: {reason}."
    )


def span(found: Screening, length: int) -> str:
    """``20 sessions``."""
    return count(length, found.unit)


def count(many: int, word: str) -> str:
    """``1 date``, ``1,200 dates``."""
    return f"{many:,} {word}" + ("" if many == 1 else "s")


def listed(names: Sequence[str], before: str = ": ", end: str = "", most: int = 12) -> str:
    """The names with what goes before and after them; nothing when there is none."""
    if not names:
        return ""
    return before + ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") + end


def _pass(names: Sequence[str]) -> str:
    return "passes" if len(names) < 2 else "pass"
