"""The locks install anywhere: exact pins, no place they came from, and what each is meant to hold."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9]+(?:-[a-z0-9]+)*)==([0-9][0-9a-z.]*)$")


def pins(path: Path) -> dict[str, str]:
    """Return {normalised name: version} of one lock; any other kind of line fails."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        match = PIN.match(line)
        assert match, f"{path.name}: {line!r} is no plain 'name==version'"
        assert match[1] not in found, f"{path.name}: {match[1]} stands twice"
        found[match[1]] = match[2]
    return found


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def rules(requirements: list[str]) -> dict[str, SpecifierSet]:
    """Return {normalised name: allowed versions} of requirement strings."""
    parsed = [Requirement(r) for r in requirements]
    return {canonicalize_name(r.name): r.specifier for r in parsed}


def check(path: Path, requirements: list[str]) -> None:
    have = pins(path)
    for name, rule in rules(requirements).items():
        assert name in have, f"{path.name} lacks {name}"
        assert rule.contains(have[name]), f"{path.name}: {name} {have[name]} is outside {rule}"


def test_there_is_a_core_and_a_test_lock_for_each_python_and_a_lock_for_each_extra() -> None:
    expected = {f"{kind}-py{v}.txt" for kind in ("core", "test", "torch") for v in (311, 312, 313)}
    expected |= {f"{extra}-py311.txt" for extra in project()["optional-dependencies"] if extra != "test"}
    assert {p.name for p in LOCKS} == expected


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_a_lock_names_no_host_no_path_and_no_local_version(path: Path) -> None:
    assert len(pins(path)) > 50  # which refuses every other line: an address, a path, `+cpu`, an option
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            assert not re.search(r"[/\\+]|\.(?:org|com|net|io|cn)\b", line), line


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_every_lock_pins_every_core_dependency_within_its_range(path: Path) -> None:
    check(path, project()["dependencies"])
    check(path, ["setuptools>=77"])  # the editable install is built without isolation


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_a_lock_holds_the_dependencies_of_its_own_extra(path: Path) -> None:
    kind = path.name.split("-")[0]
    extra = project()["optional-dependencies"].get(kind, [])
    assert extra or kind == "core"
    check(path, extra)


@pytest.mark.parametrize("python", [311, 312, 313])
def test_the_core_lock_needs_neither_torch_nor_the_downloader_nor_the_test_tools(python: int) -> None:
    have = pins(ROOT / "locks" / f"core-py{python}.txt")
    extras = project()["optional-dependencies"]
    for extra in extras:
        # joblib comes with scikit-learn, which pyfolio needs.
        assert not (set(rules(extras[extra])) - {"joblib"}) & set(have), extra
    assert "empyrical" not in have, "it overwrites empyrical-reloaded"


def test_a_lock_built_on_the_core_keeps_the_cores_versions() -> None:
    for path in LOCKS:
        tag = path.stem.split("-")[1]
        have = pins(path)
        for name, version in pins(ROOT / "locks" / f"core-{tag}.txt").items():
            assert have.get(name) == version, f"{path.name} and core-{tag}.txt disagree on {name}"


def test_the_torch_lock_leaves_the_gpu_packages_out() -> None:
    have = pins(ROOT / "locks" / "torch-py311.txt")
    assert not [n for n in have if n.startswith(("nvidia", "cuda", "triton"))]
    assert "pip install torch==2.13.0" in (ROOT / "locks" / "torch-py311.txt").read_text()


def test_empyrical_comes_from_the_maintained_package_alone() -> None:
    """Both distributions install the module `empyrical`, and the later one wins without a word."""
    from importlib import metadata

    assert metadata.version("empyrical-reloaded")
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.distribution("empyrical")
