"""``data.py calibrate``: the synthetic market beside a real one, fact by fact."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import _cli
import typer

EXAMPLES = """\b
Examples:
  python scripts/data.py calibrate --data ../shared/data
  python scripts/data.py calibrate --data ../shared/data --fitted --stocks 500 --seeds 1,2
"""


def calibrate(
    data: Annotated[
        str | None, typer.Option(help="Folder of real tables. Default: the folder that HUICE_DATA names.")
    ] = None,
    stocks: Annotated[int, typer.Option(help="Stocks of each synthetic market.")] = 1000,
    seeds: Annotated[str, typer.Option(metavar="LIST", help="Seeds, separated by commas.")] = "1,2,3,4,5",
    fitted: Annotated[
        bool, typer.Option("--fitted", help="The half and the years of the fit instead of those kept apart.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
) -> None:
    """Print stylised facts of real stocks against those of the synthetic market.

    Parameters were fitted on the stocks with an even hash in 2011-2016; the table is of the odd ones from 2017 on.
    """
    with _cli.output(as_json) as output:
        from engine.errors import ConfigError
        from feeds.calibration import FITTED, JUDGED, compare, measure_real, measure_synthetic
        from feeds.synthetic_feed import SyntheticConfig, is_spec

        chosen = data or os.environ.get("HUICE_DATA") or ""
        if not chosen or is_spec(chosen):
            raise ConfigError("calibrate needs real data to compare with; give --data FOLDER")
        numbers = _numbers(seeds)
        for seed in numbers:
            SyntheticConfig(stocks=stocks, seed=seed)  # refuses what is out of range before the work begins
        sample = FITTED if fitted else JUDGED
        real, first, last = measure_real(chosen, sample)
        before = None if fitted else _of_the_fit(chosen)
        rows = compare(real, {seed: measure_synthetic(seed, stocks, sample, last) for seed in numbers}, before)
        known = [row for row in rows if row["inside"] is not None]
        print(
            f"Real: the {sample.half} half of {chosen}, {first} .. {last}. "
            f"Synthetic: {stocks} stocks, seeds {', '.join(map(str, numbers))}."
        )
        output.table(table(rows, numbers))
        print(f"{sum(row['inside'] for row in known)} of {len(known)} facts inside their tolerance")
        moved = sum(bool(row["moved"]) and not row["inside"] for row in known)
        if moved:
            print(
                f"moved: {moved} facts outside had real figures in the sample of the fit ({FITTED.half} half, "
                f"{FITTED.first} .. {FITTED.last}) that are outside too"
            )
        span = {"first": str(first), "last": str(last)}
        output.result({"data": chosen, "half": sample.half, "stocks": stocks, "facts": rows} | span)


def _of_the_fit(chosen: str) -> dict[str, float] | None:
    """Real figures of the sample of the fit; None where the folder does not reach back so far."""
    from engine.errors import DataError
    from feeds.calibration import FITTED, measure_real

    try:
        return measure_real(chosen, FITTED)[0]
    except DataError:
        return None


def _numbers(seeds: str) -> list[int]:
    from engine.errors import ConfigError

    try:
        found = [int(word) for word in seeds.split(",") if word.strip()]
    except ValueError:
        found = []
    if not found or len(set(found)) < len(found):
        raise ConfigError(f"--seeds '{seeds}' is no list of different whole numbers; write it like 1,2,3")
    return found


def table(rows: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[tuple[str, str]]:
    """Lines of the table: real figure, that of the fit's sample, mean of the seeds, whether inside, each seed's."""
    fit = any(row["fitted"] is not None for row in rows)
    heads = "".join(f"{f'seed {seed}':>11}" for seed in seeds)
    head = f"{'real':>11}{'fit' if fit else '':>{11 if fit else 0}}{'synthetic':>11}  {'inside':<9}{heads}"
    lines = [("fact", head)]
    for row in rows:
        word = {None: "-", True: "yes", False: "NO, moved" if row["moved"] else "NO"}[row["inside"]]
        before = f"{_short(row['fitted']):>11}" if fit else ""
        figures = "".join(f"{_short(row['seeds'][seed]):>11}" for seed in seeds)
        text = f"{_short(row['real']):>11}{before}{_short(row['synthetic']):>11}  {word:<9}{figures}"
        lines.append((row["fact"], text))
    return lines


def _short(figure: float) -> str:
    """Four significant digits; large ones in units of 10^9."""
    if math.isnan(figure):
        return "-"
    if abs(figure) >= 1e8:
        return f"{figure / 1e9:.2f}e9"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.4f}"
