"""``scripts/tearsheet.py``: the tearsheet again, from the run folder alone."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stored import stored

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "tearsheet.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run without a tearsheet."""
    from engine.backtest import run as backtest
    from engine.config import RunConfig

    home = tmp_path_factory.mktemp("home")
    config = RunConfig(
        data="synthetic:stocks=30,start=2019-06-03,end=2020-06-30", start="2020-01-02", strategy={"hold": 5}
    )
    return backtest(config, out=home / "runs", cache=home / "cache").folder


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    monkeypatch.delitem(sys.modules, "_cli", raising=False)
    spec = importlib.util.spec_from_file_location("tearsheet_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tearsheet_script", module)
    spec.loader.exec_module(module)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tearsheet.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            module._cli.main_guard(module.app)
        shown = capsys.readouterr()
        return int(left.value.code or 0), shown.out, shown.err

    return call


def test_the_tearsheet_is_written_from_the_folder_without_running_again(
    script: Callable[..., tuple[int, str, str]], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import engine.backtest

    monkeypatch.setattr(engine.backtest, "simulate", lambda *_, **__: pytest.fail("it ran again"))
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    code, out, err = script(run)
    sheet = run / "tearsheet.html"
    assert (code, out) == (0, f"Tearsheet: {sheet}\n"), err
    assert "<html" in sheet.read_text(encoding="utf-8")
    assert {p.name: p.read_bytes() for p in run.iterdir() if p != sheet} == before


def test_json_names_the_file(
    script: Callable[..., tuple[int, str, str]], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import tearsheet

    monkeypatch.setattr(tearsheet, "write_tearsheet", lambda folder: Path(folder) / "tearsheet.html")
    code, out, err = script(run, "--json")
    assert (code, json.loads(out)) == (
        0,
        {"folder": str(run), "id": run.name, "tearsheet": str(run / "tearsheet.html")},
    )
    assert err == f"Tearsheet: {run / 'tearsheet.html'}\n"


def test_a_folder_that_is_no_run_is_refused_in_one_sentence(
    script: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert script(tmp_path / "none") == (
        2, "", f"error: there is no run folder '{tmp_path / 'none'}'; give the path that scripts/backtest.py printed\n",
    )  # fmt: skip
    (tmp_path / "result.json").write_text("{}")
    code, out, err = script(tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: the run in '{tmp_path}' is incomplete: it lacks config.toml, equity.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.json"]


def test_no_folder_at_all_is_a_usage_error(script: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = script()
    assert (code, out) == (2, "")
    assert err.startswith("error: Missing argument")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(1)
    market = rng.normal(0.0002, 0.012, 300)
    first = stored(tmp_path / "runs" / "first", market + 0.001, market, hold=10)
    return first.folder, stored(tmp_path / "runs" / "second", market, market, hold=20).folder


def test_several_runs_are_put_side_by_side_on_one_page(
    script: Callable[..., tuple[int, str, str]], two: tuple[Path, Path]
) -> None:
    code, out, err = script(*two)
    page = two[0].parent / "comparison.html"
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["hold 10", "hold 20", "Comparison"]
    assert out.splitlines()[-1] == f"Comparison: {page}"
    assert "2 runs side by side" in page.read_text(encoding="utf-8")
    assert not (two[0] / "tearsheet.html").exists()


def test_the_page_goes_where_it_is_asked_for_and_json_gives_the_figures(
    script: Callable[..., tuple[int, str, str]], two: tuple[Path, Path], tmp_path: Path
) -> None:
    code, out, err = script(*two, "--out", tmp_path / "mine.html", "--json")
    assert code == 0, err
    shown = json.loads(out)
    assert shown["comparison"] == str(tmp_path / "mine.html") and (tmp_path / "mine.html").is_file()
    assert [run["label"] for run in shown["runs"]] == ["hold 10", "hold 20"]
    assert shown["runs"][0]["headline"]["sharpe"] > shown["runs"][1]["headline"]["sharpe"]


def test_what_makes_no_comparison_is_one_sentence(
    script: Callable[..., tuple[int, str, str]], two: tuple[Path, Path], tmp_path: Path
) -> None:
    nowhere = tmp_path / "no" / "x.html"
    for arguments, sentence in (
        ((two[0], two[0]), f"the run {two[0]} is given twice; give each run once"),
        ((two[0], "--out", nowhere), "--out is for several runs: the tearsheet of one lies in its folder"),
        ((*two, "--out", nowhere), f"{nowhere} cannot be written (No such file or directory); give another --out"),
    ):
        assert script(*arguments) == (2, "", f"error: {sentence}\n")
