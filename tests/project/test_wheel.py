"""The wheel holds the four packages, `huice.py` and nothing else, and works where only it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["engine", "feeds", "signals", "strategies"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that nothing is left in the repository and no earlier build leaks in."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend is not installed")
    copy = tmp_path_factory.mktemp("source") / "huice"
    unwanted = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=unwanted)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "-w", str(out), str(copy)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


def test_the_wheel_is_pure_and_carries_name_and_version(wheel: Path) -> None:
    import huice

    assert wheel.name == f"huice-{huice.__version__}-py3-none-any.whl"


def test_the_wheel_holds_exactly_the_four_packages_and_huice(wheel: Path) -> None:
    sources = {
        p.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for p in (ROOT / name).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    metadata = {f"{info}/{n}" for n in ("METADATA", "WHEEL", "RECORD", "top_level.txt", "licenses/LICENSE")}
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert held == sources | {"huice.py"} | metadata


def test_the_wheel_says_its_licence_and_needs_no_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
        text = archive.read(path).decode()
    header = text.split("\n\n")[0].splitlines()
    assert "License-Expression: GPL-3.0-or-later" in header
    assert "Requires-Python: <3.14,>=3.11" in header
    required = [line.split(": ")[1] for line in header if line.startswith("Requires-Dist: ")]
    always = [r for r in required if "extra ==" not in r]
    assert any(r.startswith("backtrader==") for r in always)
    assert not any(r.startswith(("torch", "akshare", "ray", "dask", "pytest")) for r in always)


DEMO = """
import json
from pathlib import Path

import huice

config = huice.RunConfig(
    data="synthetic:stocks=60,seed=3", universe="all", strategy={"name": "top-n", "hold": 10},
    signal={"name": "reversal-20d"}, rebalance="1M",
)
run = huice.run(config)
print(json.dumps({"file": huice.__file__, "days": len(run.equity), "fills": len(run.fills)}))
"""


@pytest.mark.slow
def test_the_installed_wheel_runs_a_backtest_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    where = sysconfig.get_paths("venv", vars={"base": str(home), "platbase": str(home)})
    site, python = Path(where["purelib"]), Path(where["scripts"]) / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-index", str(wheel)], check=True, timeout=120)
    # The dependencies come from this environment. A path line does not process the .pth files that stand
    # there, so an editable install of the repository stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(python), "-c", DEMO], cwd=empty, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert Path(shown["file"]).parent == site, "the wheel's own copy must be the one that ran"
    assert shown["days"] > 200 and shown["fills"] > 50
