"""The README tells the truth: its files work, its commands run, its printed result is what is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from real_data import DATA, WHY
from small_data import small_tables, write_tables

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


NAMED = ("my_strategy.py", "my_signal.py", "my_ridge.py", "cross.py")
"""Files that the README's classes are saved as, in its order."""


def blocks(kind: str, text: str = README) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.S)


def commands() -> list[str]:
    return [line for block in blocks("bash") for line in block.splitlines() if line.startswith("python scripts/")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with every file that the README shows."""
    place = tmp_path_factory.mktemp("user")
    for name, code in zip(NAMED, named_python(), strict=True):
        (place / name).write_text(code, encoding="utf-8")
    (place / "my_factor.py").write_text(next(code for code in blocks("python") if "@factor(" in code), encoding="utf-8")
    (place / "run.toml").write_text(blocks("toml")[0], encoding="utf-8")
    (place / "experiment.toml").write_text(blocks("toml")[1], encoding="utf-8")
    (place / "my.toml").write_text(blocks("toml")[2], encoding="utf-8")
    (place / "downloads").mkdir()
    mine, quotes = blocks("csv")
    (place / "mine.csv").write_text(mine, encoding="utf-8")
    (place / "downloads" / "600519.csv").write_text(quotes, encoding="utf-8")
    write_tables(place / "data", small_tables())  # stands for what `fetch` would have written
    (place / "members.csv").write_text("symbol,in_date,out_date\n600000,2019-12-16,\n", encoding="utf-8")
    return place


def named_python() -> list[str]:
    return [code for code in blocks("python") if re.search(r"^class ", code, re.M)]


def call(command: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "python"
    environment = os.environ | {"HUICE_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, str(ROOT / words[1]), *words[2:], *more],
        cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def test_the_strategy_example_is_short_and_its_printed_result_is_what_is_printed(folder: Path) -> None:
    code = named_python()[0]
    assert len(code.splitlines()) <= 18
    done = call(next(c for c in commands() if "my_strategy.py" in c), folder)
    assert done.returncode == 0, done.stderr
    assert (folder / done.stdout.rsplit("Tearsheet: ", 1)[1].strip()).stat().st_size > 1_000_000
    shown, printed = blocks("text")[0].strip().splitlines(), done.stdout.strip().splitlines()
    # Identifiers and the last digits follow the machine's mathematical library; what is said does not.
    labels = [[line[:27] for line in lines if "runs/" not in line] for lines in (shown, printed)]
    assert labels[0] == labels[1]
    for label in ("Final value", "Annual return", "Volatility a year", "Max drawdown"):
        told, true = (figure(lines, label) for lines in (shown, printed))
        assert told == pytest.approx(true, rel=0.02), label


def figure(lines: list[str], label: str) -> float:
    """The first number behind ``label``."""
    text = next(line for line in lines if line.startswith(label))[len(label) :]
    found = re.search(r"-?[\d,.]+", text)
    assert found is not None
    return float(found[0].replace(",", ""))


LONG = re.compile(
    r"data\.py (check|calibrate) |factors\.py (screen|sheet|backtest) |(train|portfolios|reproduce)\.py "
)
"""Commands whose tests are slow; the tests of the scripts run each of them on small data."""


def marked(found: list[str]) -> list[object]:
    return [pytest.param(one, marks=pytest.mark.slow) if LONG.search(one) else one for one in found]


def data_commands() -> list[str]:
    """Commands of ``data.py``, those inside a sentence too, but ``check-limits``."""
    found = [*commands(), *re.findall(r"`(python scripts/data\.py [^`]+)`", README)]
    return [command for command in found if "data.py" in command and "check-limits" not in command]


def printed_by(command: str) -> list[str]:
    """The lines that the README shows under a block whose last command this is."""
    found = re.search(rf"^{re.escape(command)}\n```\n\n```text\n(.*?)```", README, re.S | re.M)
    return found[1].splitlines() if found else []


MORE = {" fetch ": ["--help"], " calibrate ": ["--stocks", "100", "--seeds", "1"]}
"""Options that make a command short, or keep it from the net: ``test_data_fetch_script.py`` holds what it fetches."""


@pytest.mark.parametrize("command", marked(data_commands()))
def test_every_data_command_of_the_readme_runs_and_prints_what_is_shown(command: str, folder: Path) -> None:
    if "../shared/data" in command and not DATA.is_dir():
        pytest.skip(WHY)
    more = [option for word, options in MORE.items() if word in command for option in options]
    done = call(command.replace("../shared/data", str(DATA)), folder, *more)
    assert done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())
    for shown in printed_by(command):
        assert shown in lines, f"{shown!r} is not printed, or not there"


def test_the_readme_shows_each_command_of_data_py() -> None:
    for text in (README, CHINESE):
        for name in ("fetch", "import", "describe", "info", "check", "check-limits", "sql", "calibrate"):
            assert f"python scripts/data.py {name} " in text, name
    assert sum(bool(printed_by(command)) for command in data_commands()) == 5


def test_the_mapping_of_the_readme_is_ten_lines_and_finds_the_dividend(folder: Path) -> None:
    assert len(blocks("toml")[2].splitlines()) == 10
    ask = "SELECT ex_date, prev_close, preclose FROM ex_rights_events"
    done = call(f'python scripts/data.py sql "{ask}" --data files:folder=downloads,mapping=my.toml', folder)
    assert done.stdout.split()[3:] == ["2020-06-24", "1474.5", "1457.48"]  # 17.02 yuan a share


def factor_commands() -> list[str]:
    return [command for command in commands() if "factors.py" in command]


@pytest.mark.parametrize("command", marked(factor_commands()))
def test_every_factor_command_of_the_readme_runs_and_prints_what_is_shown(command: str, folder: Path) -> None:
    if "../shared/data" in command and not DATA.is_dir():
        pytest.skip(WHY)
    done = call(command.replace("../shared/data", str(DATA)), folder)
    assert done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())
    for shown in printed_by(command):
        assert shown in lines, f"{shown!r} is not printed, or not there"
    if "--html" in command:
        assert (folder / command.rsplit(" ", 1)[1]).stat().st_size > 100_000


def test_the_readme_shows_each_command_of_factors_py_and_counts_each_family() -> None:
    from signals.factors.registry import FAMILIES, registered

    for text in (README, CHINESE):
        for name in ("list", "screen", "sheet", "backtest"):
            assert f"python scripts/factors.py {name} " in text, name
        for family, chinese in FAMILIES.items():
            count = sum(one.family == family for one in registered().values())
            assert f"| {family} | {count} |" in text or f"| {chinese} `{family}` | {count} |" in text, family
    assert sum(bool(printed_by(command)) for command in factor_commands()) == 2


def test_the_chain_of_the_readme_runs(folder: Path) -> None:
    code = next(code for code in blocks("python") if "Chain.of(" in code)
    environment = os.environ | {"HUICE_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\(60, \d+, 37\) 36 \[.*\]\n", done.stdout)


@pytest.mark.parametrize("command", marked([c for c in commands() if not re.search("my_strategy.py|bench.py", c)
                                            and c not in (*data_commands(), *factor_commands())]))  # fmt: skip
def test_every_command_of_the_readme_runs(command: str, folder: Path) -> None:
    if "../shared/data" in command:
        if not DATA.is_dir():
            pytest.skip(WHY)
        command = command.replace("../shared/data", str(DATA))
    for place, more in (("<id>", []), ("<other>", ["-p", "hold=30"])):
        if place in command or "--list" in command:
            first = call("python scripts/backtest.py --config run.toml --no-tearsheet", folder, *more)
            assert first.returncode == 0, first.stderr
            command = command.replace(place, re.search(r"runs/(\w+)", first.stdout)[1])  # type: ignore[index]
    quick = ["--no-tearsheet"] if "backtest.py" in command else []  # the first example's test makes one
    if "--budget 2h" in command:
        quick = ["--quick"]
    done = call(command, folder, *quick)
    assert done.returncode == 0, done.stderr
    said = {"data.py": "in a million rows", "audit.py": "Ridge keeps the contract", "new.py": "signal MyIdea",
            "train.py": "explain.html", "reproduce.py": "report.html",
            "--list": " runs in runs"}  # fmt: skip
    assert next((words for script, words in said.items() if script in command), "runs/") in done.stdout


def test_the_bench_command_of_the_readme_runs_on_a_small_job(folder: Path) -> None:
    command = next(c for c in commands() if "bench.py" in c)
    done = call(command, folder, "--stocks", "30", "--part", "10", "--sessions", "250", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    assert "times_as_fast" in done.stdout


def test_the_python_example_runs(folder: Path) -> None:
    code = next(code for code in blocks("python") if "run(config)" in code)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HUICE_CACHE": str(folder / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert -1 < float(done.stdout) < 10


def test_the_first_commands_are_make_targets_and_the_lines_without_make_are_what_they_run() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("DEMO", "BACKTEST"):
        run = re.search(rf"^{name} *= (.*)$", makefile, re.M)[1]  # type: ignore[index]
        assert f".venv/bin/python {run}\n" in README
    assert re.findall(r"^    make (\w+)", README, re.M)[:3] == ["demo", "test", "backtest"]
    for lock in re.findall(r"locks/[\w-]+\.txt", README):
        assert (ROOT / lock).is_file()


def test_files_that_the_readme_links_exist() -> None:
    for text in (README, CHINESE):
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert (ROOT / link).is_file(), link


def test_the_chinese_readme_shows_the_same_code_commands_and_tables() -> None:
    for kind in ("python", "bash", "toml", "text", "csv"):
        assert [x.strip() for x in blocks(kind, CHINESE)] == [x.strip() for x in blocks(kind, README)]
    assert CHINESE.count("\n| ") == README.count("\n| ")
    for level in ("\n## ", "\n### "):
        assert CHINESE.count(level) == README.count(level)
    cells = [[line.count("|") for line in text.splitlines() if line.startswith("|")] for text in (README, CHINESE)]
    assert cells[0] == cells[1]


@pytest.mark.parametrize("text", [README, CHINESE], ids=["English", "Chinese"])
def test_the_readme_names_every_built_in_plug_in_and_every_refusal(text: str) -> None:
    from engine.matching import REASONS
    from engine.plugins import BUILTINS

    for kind in ("signal", "strategy", "fees"):
        for name in BUILTINS[kind]:
            assert f"`{name}`" in text, name
    for name in BUILTINS["slippage"]:
        assert re.search(rf"`(--slippage )?{name}[:`]", text), name
    for name in BUILTINS["overlay"]:
        assert re.search(rf"`{name}:", text), name
    for reason in REASONS:
        assert f"`{reason}`" in text, reason
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["readme"] == "README.md"


@pytest.mark.parametrize("text", [README, CHINESE], ids=["English", "Chinese"])
def test_the_readme_names_every_rule_with_all_that_it_may_be_and_every_kind_of_corporate_entry(text: str) -> None:
    from engine import corporate
    from engine.config import RulesConfig

    for name, field in RulesConfig.model_fields.items():
        assert re.search(rf"`(--rule )?{name}[=`]", text), name
        for choice in getattr(field.annotation, "__args__", ()):
            if choice != field.default:
                assert re.search(rf"`(--rule {name}=|{name}=)?{choice}`", text), (name, choice)
    for kind in ("DIVIDEND", "BONUS", "RIGHTS", "UNRESOLVED", "DELISTING", "SUCCESSOR", "TAX"):
        assert f"`{getattr(corporate, kind)}`" in text


def test_the_readme_names_every_column_of_a_runs_tables(folder: Path) -> None:
    import json

    import pandas as pd

    command = "python scripts/backtest.py --config run.toml --no-tearsheet --json"
    run = folder / json.loads(call(command, folder).stdout)["folder"]
    known = {"date", "order_id", "symbol", "side", "type"}
    for table in ("equity", "fills", "positions", "orders", "refusals", "corporate"):
        for text in (README, CHINESE):
            row = next(line for line in text.splitlines() if line.startswith(f"| `{table}.parquet`"))
            for column in set(pd.read_parquet(run / f"{table}.parquet").columns) - known:
                assert re.search(rf"\b{column}\b", row, re.A), f"{table}.{column}"
