"""How numbers are written: shared by the tearsheet and the tables printed on the console.

Fractions become per cent with two decimals, yuan get thousands separators, an undefined number is ``n/a``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

MISSING = "n/a"

FEE_NAMES = {
    "commission": "Commission",
    "stamp_duty": "Stamp duty",
    "transfer_fee": "Transfer fee",
    "other_fees": "Other fees",
    "slippage": "Slippage (inside the prices)",
    "total": "Total",
}

COST_NAMES = FEE_NAMES | {
    "cash_drag": "Cash drag, less interest",
    "refusals": "Refusals (trades missed)",
    "slippage": "Slippage",
    "dividend_tax": "Tax on dividends",
}

SOURCE_NAMES = {
    "price_gains": "Gains in price, before slippage",
    "dividends": "Dividends, before tax",
    "other_corporate": "Other cash of corporate actions",
    "interest": "Interest on cash",
}


def known(x: Any) -> TypeGuard[float]:
    """Whether ``x`` is a finite number."""
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)


def percent(x: Any, digits: int = 2, sign: bool = False) -> str:
    """A fraction as per cent, ``0.1234`` -> ``12.34%``."""
    if not known(x):
        return MISSING
    x = round(x, digits + 2) + 0.0  # never "-0.0%"
    return f"{x:{'+' if sign and x else ''}.{digits}%}"


def number(x: Any, digits: int = 2) -> str:
    """A plain number with thousands separators; rounding never leaves a minus zero."""
    return f"{round(x, digits) + 0.0:,.{digits}f}" if known(x) else MISSING


def bounds(result: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    """The bootstrap interval of a headline number in the content of ``result.json``; None where it has none."""
    found = (result.get("intervals") or {}).get(key)
    return (float(found[0]), float(found[1])) if found else None


def bracket(result: Mapping[str, Any], key: str, write: Callable[[Any], str]) -> str:
    """``[-0.69%, 48.55%]``, or nothing; ``write`` writes a number."""
    span = bounds(result, key)
    return f"[{write(span[0])}, {write(span[1])}]" if span else ""


def intervals_text(result: Mapping[str, Any]) -> str:
    """``95% intervals by stationary bootstrap, 1,000 draws of runs of 20 sessions``; "" without any."""
    how = result.get("intervals")
    if not how:
        return ""
    draws, block = number(how.get("draws"), 0), number(how.get("mean_block"), 0)
    level = percent(how.get("level"), 0)
    return f"{level} intervals by stationary bootstrap, {draws} draws of runs of {block} sessions"


def yuan(x: Any, digits: int = 2) -> str:
    """Yuan, ``1234.5`` -> ``1,234.50``."""
    return number(x, digits)


def plugin_name(part: Any) -> str:
    """The name in a ``strategy`` or ``signal`` entry of ``result.json`` (a dict, or just the name)."""
    return str(part.get("name", MISSING)) if isinstance(part, Mapping) else str(part or MISSING)


def plugin_text(part: Any) -> str:
    """Name and parameters of such an entry: ``top-n (hold=50)``."""
    name = plugin_name(part)
    if not isinstance(part, Mapping):
        return name
    extra = ", ".join(f"{key}={part[key]}" for key in part if key != "name" and not isinstance(part[key], Mapping))
    return f"{name} ({extra})" if extra else name


def benchmark_kind(benchmark: Mapping[str, Any] | None) -> str:
    """``total return`` or ``price``: whether the benchmark receives dividends as the account does."""
    return "total return" if str((benchmark or {}).get("kind", "")).startswith("total") else "price"


def benchmark_text(benchmark: Mapping[str, Any] | None) -> str:
    """``000905 (total return, coverage 83.0%)``, ``000984 (total return, built from members)`` or ``none``."""
    if not benchmark:
        return "none"
    kind = benchmark_kind(benchmark)
    coverage = benchmark.get("coverage")
    covered = f", coverage {percent(coverage, 1) if known(coverage) else coverage}" if coverage is not None else ""
    built = f"{benchmark['built']}, built from members, " if benchmark.get("built") else ""
    return f"{benchmark.get('code', '')} ({built}{kind}{covered})"


def risk_free_text(risk_free: Mapping[str, Any] | None) -> str:
    """``0``, ``2.00% a year`` or ``cgb10y, mean 3.32% a year``."""
    if not risk_free or str(risk_free.get("kind", "0")) == "0":
        return "0"
    rate = percent(risk_free.get("annual"))
    kind = str(risk_free["kind"])
    return f"{rate} a year" if kind == "rate" else f"{kind} (10-year government bond), mean {rate} a year"


def annualisation_text(headline: Mapping[str, Any]) -> str:
    """``243.1 A-share sessions a year, measured over the run``."""
    pace = headline.get("sessions_per_year")
    return f"{number(pace, 1)} A-share sessions a year, measured" if known(pace) else MISSING


def turnover_text(headline: Mapping[str, Any]) -> str:
    """``3.41 times (buys + sells), one-sided 1.71``: yuan traded over the mean account value."""
    both = headline.get("turnover")
    half = number(both / 2) if known(both) else MISSING
    return f"{number(both)} times (buys + sells), one-sided {half}"


def _fall_dates(headline: Mapping[str, Any]) -> str:
    """`` (2015-06-12 to 2018-10-18, not recovered)``; nothing where the account never fell."""
    if not headline.get("max_drawdown_peak"):
        return ""
    back = headline.get("max_drawdown_recovered")
    end = f"recovered {back}" if back else "not recovered"
    return f" ({headline['max_drawdown_peak']} to {headline['max_drawdown_trough']}, {end})"


def is_synthetic(result: Mapping[str, Any]) -> bool:
    """Whether the data of a run are the embedded synthetic market, of which nothing ever happened."""
    return data_source(result).partition(":")[0] == "synthetic"


def data_source(result: Mapping[str, Any]) -> str:
    """The data of a run as the configuration names them, a folder by its name alone; "" if unknown."""
    data = result.get("data")
    return str(data.get("source") or "").strip() if isinstance(data, Mapping) else ""


def data_text(result: Mapping[str, Any]) -> str:
    """``embedded synthetic market (stocks=40)``, or the name of the folder."""
    source = data_source(result)
    if not is_synthetic(result):
        return source
    spec = ", ".join(part.strip() for part in source.partition(":")[2].split(",") if part.strip())
    return f"embedded synthetic market ({spec})" if spec else "embedded synthetic market"


def account_facts(result: Mapping[str, Any]) -> list[str]:
    """Cash, rebalance rule, fill, costs and cash rate, a short text each; none for what is missing or a rate of 0."""
    rate = result.get("cash_rate")
    facts = [
        f"Cash {yuan(result['cash'], 0)} yuan" if known(result.get("cash")) else "",
        f"Rebalance {result['rebalance']}" if result.get("rebalance") else "",
        f"Fill {str(result['fill']).replace('_', ' ')}" if result.get("fill") else "",
        str(result.get("fees_text") or ""),
        str(result.get("slippage_text") or ""),
        f"Cash earns {percent(rate)} a year" if known(rate) and rate else "",
    ]
    return [text for text in facts if text]


def excess_ratio_rate(headline: Mapping[str, Any]) -> float | None:
    """Excess return a year of the ratio of net values: ``(1 + its total return)^(1 / years) - 1``, a fraction."""
    total, span = headline.get("excess_total_return"), headline.get("years")
    if not known(total) or not known(span) or span <= 0 or total <= -1:
        return None
    return float((1.0 + total) ** (1.0 / span) - 1.0)


def headline_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headline table of a run as (label, text), for HTML and console alike.

    Parameters
    ----------
    result : mapping
        The content of ``result.json``. Keys that are missing give ``n/a`` or leave their row out.
    """
    head = result.get("headline") or {}
    benchmark = result.get("benchmark")
    rate = _row_writer(result, percent)
    excess = _row_writer(result, functools.partial(percent, sign=True))
    plain = _row_writer(result, number)
    rows = [
        ("Span", f"{result.get('start', MISSING)} to {result.get('end', MISSING)}, "
                 f"{number(head.get('sessions'), 0)} sessions, {number(head.get('years'), 1)} years"),
        ("Final value", f"{yuan(head.get('final_value'))} yuan"),
        *_paid_in(result),
        rate("Total return", "total_return"),
        rate("Annual return", "annual_return"),
        ("Benchmark", benchmark_text(benchmark)),
    ]  # fmt: skip
    if benchmark:
        rows += [
            ("Benchmark annual return", percent(head.get("benchmark_annual_return"))),
            ("Price index annual return", percent(head.get("benchmark_price_annual_return"))),
            excess("Excess a year (difference)", "excess_annual_return"),
            excess("Excess a year (ratio)", "excess_annual_ratio", excess_ratio_rate(head)),
            excess("Excess of net values", "excess_total_return", more=" (ratio - 1)"),
            rate("Max drawdown of the ratio", "excess_max_drawdown"),
        ]
    rows += [
        rate("Volatility a year", "volatility"),
        plain("Sharpe ratio", "sharpe"),
        plain("Sortino ratio", "sortino"),
        plain("Calmar ratio", "calmar"),
    ]
    if benchmark:
        rows += [
            plain("Information ratio", "information_ratio"),
            rate("Tracking error a year", "tracking_error"),
            excess("CAPM alpha a year", "alpha"),
            plain("CAPM beta", "beta"),
        ]
    over = "beat the benchmark" if benchmark else "were positive"
    rows += [
        rate("Max drawdown", "max_drawdown", more=_fall_dates(head)),
        _row_writer(result, functools.partial(percent, digits=1))(
            "Win rate by month", "monthly_win_rate", more=f" of months {over}"
        ),
        ("Turnover a year", turnover_text(head)),
        ("Annualised with", annualisation_text(head)),
        ("Risk-free rate", risk_free_text(result.get("risk_free"))),
    ]
    if intervals_text(result):
        rows.append(("In brackets", intervals_text(result)))
    return rows + _account_rows(result)


def _row_writer(result: Mapping[str, Any], write: Callable[[Any], str]) -> Callable[..., tuple[str, str]]:
    """Writes a row of the headline: label, number, what ``more`` says of it, and its interval in brackets."""
    head = result.get("headline") or {}

    def row(label: str, key: str, x: float | None = None, more: str = "") -> tuple[str, str]:
        span = bracket(result, key, write)
        return label, write(head.get(key) if x is None else x) + (f"  {span}" if span else "") + more

    return row


def deposits(result: Mapping[str, Any]) -> float:
    """Yuan paid in during the run, less what was taken out."""
    found = (result.get("attribution") or {}).get("deposits")
    return float(found) if known(found) else 0.0


def _paid_in(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was paid in or taken out; no row where nothing was, on balance."""
    amount = deposits(result)
    words = "Paid in" if amount > 0 else "Taken out"
    return [(f"{words} during the run", f"{yuan(abs(amount))} yuan, left out of all returns")] if amount else []


def _account_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fees, interest, trades and refusals in one line each."""
    rows = []
    fees = result.get("fees") or {}
    if fees:
        shown = [key for key in ("commission", "stamp_duty", "transfer_fee") if key in fees]
        parts = ", ".join(f"{FEE_NAMES[key].lower()} {yuan(fees[key], 0)}" for key in shown)
        rows.append(("Fees", f"{yuan(fees.get('total'))} yuan ({parts})"))
    corporate = result.get("corporate") or {}
    if "DIVIDEND" in corporate:
        tax = sum(of.get("tax", 0.0) for of in corporate.values())
        rows.append(("Dividends", f"{yuan(corporate['DIVIDEND'].get('cash'))} yuan, tax on them {yuan(tax)}"))
    if "interest" in result:
        rows.append(("Interest on cash", f"{yuan(result['interest'])} yuan"))
    if "orders" in result or "fills" in result:
        orders, fills = number(result.get("orders"), 0), number(result.get("fills"), 0)
        rows.append(("Orders, fills", f"{orders} orders, {fills} fills"))
    refusals = result.get("refusals") or {}
    if refusals:
        by_count = sorted(refusals.items(), key=lambda item: (-item[1].get("count", 0), item[0]))
        rows.append(("Refusals", ", ".join(f"{reason} {number(of.get('count'), 0)}" for reason, of in by_count)))
    elif "refusals" in result:
        rows.append(("Refusals", "none"))
    return rows
