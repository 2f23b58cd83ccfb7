"""The tearsheet's tables about the attribution: from gross to net, where it came from, by year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.attribution import CHARGES, COSTS, SOURCES
from engine.presentation import COST_NAMES, SOURCE_NAMES, deposits, percent, yuan
from engine.tearsheet_tables import Cell, Table, table

_HEAD = ["Kind", "Yuan", "% of starting cash"]
_ENDS = {"gross": "Gross: all cash invested, no costs", "net": "Net: what the account gained"}
_SHORT = {"gross": "Gross", "cash_drag": "Cash drag", "refusals": "Refusals", "net": "Net"}


def where_it_went(result: Mapping[str, Any]) -> Table | None:
    """From the gross gain, by what each cost took, to the net; None where the run has no attribution."""
    of = result.get("attribution")
    if not of:
        return None
    rows = [_row(of, key, COST_NAMES | _ENDS) for key in ("gross", *COSTS, "net")]
    note = (
        "Gross less the costs is net. Cash drag: what cash would have earned in the stocks held, less its interest; "
        "refusals: what missed trades would have brought until they were done or given up. A negative cost is a gain."
    )
    return table("Where the return went", _HEAD, rows, kind="named", note=note)


def where_it_came_from(result: Mapping[str, Any]) -> Table | None:
    """What the account earned before charges, the charges in one line, and the net."""
    of = result.get("attribution")
    if not of:
        return None
    rows = [_row(of, key, SOURCE_NAMES) for key in SOURCES]
    charged = -sum(of["yuan"][name] for name in CHARGES)
    share = percent(charged / of["capital"]) if of["capital"] else percent(None)
    rows += [["Slippage, fees and taxes", yuan(charged), share], _row(of, "net", _ENDS)]
    paid_in = deposits(result)
    note = f"{yuan(paid_in)} yuan of cash paid in, on balance, are no gain and not in here." if paid_in else ""
    return table("Where the return came from", _HEAD, rows, kind="named", note=note)


def by_year(result: Mapping[str, Any]) -> Table | None:
    """Gross, each cost that there was, and net by calendar year; None for a single year or without attribution."""
    years = (result.get("attribution") or {}).get("years") or {}
    if len(years) < 2:
        return None
    ends = ("gross", "net")
    keys = [k for k in ("gross", *COSTS, "net") if k in ends or any(of["yuan"][k] for of in years.values())]
    rows = [[year, *(yuan(years[year]["yuan"][key], 0) for key in keys)] for year in sorted(years)]
    head = ["Year", *((COST_NAMES | _SHORT)[key] for key in keys)]
    return table("Return and costs by year, yuan", head, rows, kind="wide")


def _row(of: Mapping[str, Any], key: str, names: Mapping[str, str]) -> list[Any]:
    """Label, yuan and share of the starting cash of one term; the two ends in bold."""
    row = [names[key], yuan(of["yuan"][key]), percent(of["fraction"][key])]
    return [Cell(text, kind="strong") for text in row] if key in _ENDS else row
