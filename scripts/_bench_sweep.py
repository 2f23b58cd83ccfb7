"""A sweep on the real data: 100 points of ``top-n`` on the CSI 500, monthly, ten years, from cached scores."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _bench_layered import END, START, write_scores

TARGET_S, JOBS = 30.0, 2
NOTE = (
    "a fresh process from the command to its table and page, workers included; the market's cache is warm; the target "
    "is seconds on two cores that nothing else uses"
)
EXPERIMENT = """
data = "{folder}"
universe = "csi500"
benchmark = "000905"
start = {start}
end = {end}
signal = {{name = "scores-file", file = "{scores}"}}
[grid]
hold = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
fees.commission = [0.0001, 0.00015, 0.0002, 0.00025, 0.0003, 0.0005, 0.0008, 0.001, 0.002, 0.003]
"""


def measure(folder: Path) -> list[dict[str, Any]]:
    """One row: the sweep by its command, after a first point has put the market into the cache."""
    with tempfile.TemporaryDirectory(prefix="huice-bench-") as place:
        scores = Path(place) / "scores.parquet"
        write_scores(folder, scores)
        text = EXPERIMENT.format(folder=folder, start=START, end=END, scores=scores)
        first = text[: text.index("[grid]")] + "[grid]\nhold = [60]\n"
        for name, content in (("first.toml", first), ("hundred.toml", text)):
            (Path(place) / name).write_text(content, encoding="utf-8")
            script = str(Path(__file__).with_name("sweep.py"))
            quiet = ["--jobs", str(JOBS), "--out", place, "--no-progress", "--json"]
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [sys.executable, script, str(Path(place) / name), *quiet]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(done.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        {
            "points": found["points"],
            "failed": len(found["failed"]),
            "jobs": JOBS,
            "cpu_s": round(cpu, 1),
            "wall_s": round(wall, 1),
            "target_s": TARGET_S,
            "met": "yes" if wall < TARGET_S else "no",
        }
    ]
