"""How numbers are written: shared by the tearsheet and the tables printed on the console.

Fractions become per cent with two decimals, yuan get thousands separators, an undefined number is ``n/a``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    """``000905 (total return, coverage 83.0%)``, ``000905 (price)`` or ``none``."""
    if not benchmark:
        return "none"
    kind = benchmark_kind(benchmark)
    coverage = benchmark.get("coverage")
    covered = f", coverage {percent(coverage, 1) if known(coverage) else coverage}" if coverage is not None else ""
    return f"{benchmark.get('code', '')} ({kind}{covered})"


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


def drawdown_text(headline: Mapping[str, Any]) -> str:
    """``-51.2% (2015-06-12 to 2018-10-18, not recovered)``."""
    depth = percent(headline.get("max_drawdown"))
    if not headline.get("max_drawdown_peak"):
        return depth
    back = headline.get("max_drawdown_recovered")
    end = f"recovered {back}" if back else "not recovered"
    return f"{depth} ({headline['max_drawdown_peak']} to {headline['max_drawdown_trough']}, {end})"


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
    rows = [
        ("Span", f"{result.get('start', MISSING)} to {result.get('end', MISSING)}, "
                 f"{number(head.get('sessions'), 0)} sessions, {number(head.get('years'), 1)} years"),
        ("Final value", f"{yuan(head.get('final_value'))} yuan"),
        *_paid_in(result),
        ("Total return", percent(head.get("total_return"))),
        ("Annual return", percent(head.get("annual_return"))),
        ("Benchmark", benchmark_text(benchmark)),
    ]  # fmt: skip
    if benchmark:
        rows += [
            ("Benchmark annual return", percent(head.get("benchmark_annual_return"))),
            ("Price index annual return", percent(head.get("benchmark_price_annual_return"))),
            ("Excess a year (difference)", percent(head.get("excess_annual_return"), sign=True)),
            ("Excess a year (ratio)", percent(excess_ratio_rate(head), sign=True)),
            ("Excess of net values", f"{percent(head.get('excess_total_return'), sign=True)} (ratio - 1)"),
            ("Max drawdown of the ratio", percent(head.get("excess_max_drawdown"))),
        ]
    rows += [
        ("Volatility a year", percent(head.get("volatility"))),
        ("Sharpe ratio", number(head.get("sharpe"))),
        ("Sortino ratio", number(head.get("sortino"))),
        ("Calmar ratio", number(head.get("calmar"))),
    ]
    if benchmark:
        rows += [
            ("Information ratio", number(head.get("information_ratio"))),
            ("Tracking error a year", percent(head.get("tracking_error"))),
        ]
    over = "beat the benchmark" if benchmark else "were positive"
    rows += [
        ("Max drawdown", drawdown_text(head)),
        ("Win rate by month", f"{percent(head.get('monthly_win_rate'), 1)} of months {over}"),
        ("Turnover a year", turnover_text(head)),
        ("Annualised with", annualisation_text(head)),
        ("Risk-free rate", risk_free_text(result.get("risk_free"))),
    ]
    return rows + _account_rows(result)


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
