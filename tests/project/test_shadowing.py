"""The packages have common names; a user's folder of the same name is named, never taken for ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["engine", "feeds", "signals", "strategies"]


def python(folder: Path, *arguments: str, path: Path | None = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python in ``folder``, which comes first on the path as ever, with ``path`` after it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A user's folder with its own `strategies/`, `engine/` and `tests/`, each an ordinary package."""
    for name in ("strategies", "engine", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the package of the user ran')\n")
    return tmp_path


def test_the_version_is_the_projects() -> None:
    import huice

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert huice.__version__ == version


def test_importing_huice_loads_neither_numpy_nor_the_engine(tmp_path: Path) -> None:
    heavy = "('numpy', 'pandas', 'engine', 'backtrader')"
    code = f"import sys, huice; print([m for m in {heavy} if m in sys.modules])"
    done = python(tmp_path, "-c", code)
    assert done.stdout == "[]\n", done.stderr


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    import huice

    with pytest.raises(AttributeError, match="no attribute 'Markt'; it has Market, RunConfig, run"):
        huice.Markt  # noqa: B018


def test_the_exported_names_are_the_engines_own() -> None:
    import huice
    from engine.backtest import run
    from engine.config import RunConfig
    from engine.market import Market

    assert (huice.run, huice.RunConfig, huice.Market) == (run, RunConfig, Market)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_the_users_that_comes_first_is_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = python(tmp_path, "-c", "import huice")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: {tmp_path.resolve() / name} shadows Huice's own package '{name}'; rename it, or start "
        "Python from another folder or with -P so that it does not come first on the path."
    )


def test_a_single_file_of_that_name_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "signals.py").touch()
    done = python(tmp_path, "-c", "import huice")
    shadow = tmp_path.resolve() / "signals.py"
    assert f"ImportError: {shadow} shadows Huice's own package 'signals'" in done.stderr


def test_the_advice_to_use_dash_p_works(crowded: Path) -> None:
    done = python(crowded, "-P", "-c", "import huice; print(huice.__file__)")
    assert done.stdout.strip() == str(ROOT / "huice.py"), done.stderr


def test_a_plain_folder_without_init_shadows_nothing(tmp_path: Path) -> None:
    """A folder of the user's plug-in files need not be a package; ours, a real one, is found behind it."""
    (tmp_path / "strategies").mkdir()
    done = python(tmp_path, "-c", "import huice, strategies; print(strategies.__file__)")
    assert done.stdout.strip() == str(ROOT / "strategies" / "__init__.py"), done.stderr


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "huice.py").write_text((ROOT / "huice.py").read_text())
    done = python(tmp_path, "-S", "-c", "import huice", path=None)
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: Huice's package 'engine' is missing from {tmp_path.resolve()}; install Huice again."
    )


@pytest.mark.parametrize("script", ["backtest.py", "tearsheet.py", "bench.py"])
def test_our_scripts_run_from_a_folder_with_packages_of_the_same_names(crowded: Path, script: str) -> None:
    done = python(crowded, str(ROOT / "scripts" / script), "--help", path=None)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def test_our_scripts_win_over_the_users_folder_even_on_pythonpath(crowded: Path) -> None:
    done = python(crowded, str(ROOT / "scripts" / "backtest.py"), "--help", path=crowded)
    assert done.returncode == 0, done.stderr


def test_the_tests_run_from_a_folder_with_packages_of_the_same_names(crowded: Path) -> None:
    chosen = f"{ROOT / 'tests' / 'project' / 'test_shadowing.py'}::test_the_version_is_the_projects"
    done = python(crowded, "-m", "pytest", "-q", "-p", "no:cacheprovider", chosen, path=None)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
