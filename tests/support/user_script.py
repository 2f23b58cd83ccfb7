"""Runs a script of ours as a user does: in a process of its own, in a folder of his."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


class Done(NamedTuple):
    """Exit status, and what was printed."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """The environment without Python's own variables, and ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def command(script: str, *arguments: object) -> list[str]:
    """The command line of ``scripts/<script>.py``."""
    return [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]


def run_script(script: str, folder: Path | None, *arguments: object, **env: str) -> Done:
    """Run it to its end; here where no folder is given."""
    done = subprocess.run(
        command(script, *arguments), cwd=folder, env=environment(**env), capture_output=True, encoding="utf-8",
        timeout=600, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)
