"""Asks a module of ours something in a process of its own, as a contract does that must hold there too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signals.contract.checks import Broken

ROOT = Path(__file__).resolve().parents[2]


def answer(module: str, asked: Mapping[str, Any], complaint: str, **environment: str) -> Any:
    """What ``python -m module request.json`` prints last, read as JSON.

    Parameters
    ----------
    module : str
    asked : mapping
        The request, what JSON can hold.
    complaint : str
        What to say if it fails; its last word is added.
    environment : str
        Variables beside those of this process.

    Raises
    ------
    Broken
    """
    with tempfile.TemporaryDirectory() as place:
        request = Path(place) / "request.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", module, str(request)], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": paths, **environment},
        )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise Broken(f"{complaint}: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])
