"""Where our side of the bench spends its time, by part of the event loop."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = {
    "clock": "handles handle_lines sessions",
    "matching": "matching order_book order_ends linked_orders slippage",
    "rules": "rules boards price_limits dated_tables fees fee_table day_fees undated_fees",
    "corporate actions": "corporate dividend_tax entitlements holding_lots successors",
    "orders": "orders basket lots basket_orders small_account broker surface positions guards",
    "account": "account trades",
    "ledger": "ledger ledger_tables refusals tracking",
    "strategy": "view",
    "many portfolios": (
        "portfolio_actions portfolio_book portfolio_books portfolio_day portfolio_fills portfolio_ledger "
        "portfolio_lots portfolio_matching portfolio_tables portfolios_broker"
    ),
    "set-up": "simulation market market_fields errors",
    "outside the loop": (
        "analyzers attribution backtest bootstrap comparison comparison_charts comparison_page conclusions config "
        "config_values corporate_proof drawdowns fee_options fee_usage files holdings_file intervals layers luck "
        "measures net_value_measures next_decision next_session plugin_files plugins portfolios_page "
        "portfolios_run presentation pyfolio_sheets round_trips run_folder run_store significance sweep "
        "sweep_backends sweep_page sweep_point tearsheet "
        "tearsheet_charts tearsheet_costs tearsheet_tables tearsheet_tracking tearsheet_trading"
    ),
}
"""Files of ``engine/`` by part; a test holds that each is named once."""

PART_OF = {name: part for part, names in PARTS.items() for name in names.split()}
ROOT = Path(__file__).resolve().parent.parent

Place = tuple[str, int, str]
"""A function as a profiler names it: file, line, name."""


def part_of(place: Place) -> str | None:
    """The part that a function belongs to; None for libraries and built-ins, whose time is their callers'."""
    file = Path(place[0])
    if file.parent == ROOT / "engine":
        return PART_OF.get(file.stem, "unmapped")
    if file.parent.parent == ROOT:
        return "strategy"  # the job's own, and whatever a strategy or signal of ours adds
    return "Backtrader" if "backtrader" in file.parts else None


def spread(stats: dict[Place, Any]) -> dict[str, float]:
    """Own time by part; that of a library's function goes to whoever called it, in proportion."""
    owners = {place: part_of(place) for place in stats}
    spent: dict[str, float] = {}
    waiting = {place: float(row[2]) for place, row in stats.items()}
    for _ in range(60):
        moved: dict[Place, float] = {}
        for place, own in waiting.items():
            owner = owners[place]
            callers = {caller: edge[3] for caller, edge in stats[place][4].items() if caller != place}
            total = sum(callers.values())
            if owner is not None or total <= 0.0:
                spent[owner or "other"] = spent.get(owner or "other", 0.0) + own
                continue
            for caller, weight in callers.items():
                moved[caller] = moved.get(caller, 0.0) + own * weight / total
        waiting = moved
    for own in waiting.values():  # what still goes round in circles between libraries
        spent["other"] = spent.get("other", 0.0) + own
    return spent


def where_time_goes(job: Callable[[], Any]) -> list[dict[str, Any]]:
    """CPU seconds of our side by part, as a profiler sees them (it slows everything down alike).

    The job runs twice: imports and first calls are not what is asked for.
    """
    job()
    profile = cProfile.Profile()
    profile.runcall(job)
    spent = spread(pstats.Stats(profile).stats)  # type: ignore[attr-defined]
    total = sum(spent.values())
    return [
        {"part": part, "share": f"{100 * own / total:.1f} %", "profiled_cpu_s": round(own, 3)}
        for part, own in sorted(spent.items(), key=lambda item: -item[1])
    ]
