"""``scripts/backtest.py``: a real run from the command line, its files, and everything a user can get wrong."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import stored
from user_script import Done, run_script

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "backtest.py"
pytestmark = pytest.mark.usefixtures("own_cache")

DATA = "synthetic:stocks=60,start=2019-01-02,end=2020-12-31"
SMALL = ("--data", DATA, "--start", "2020-03-02", "--end", "2020-07-31", "--hold", "10")

SIGNAL = """
    from signals.base import Signal
    from helper_beside_it import sign

    class Mine(Signal):
        window: int = 5

        def predict(self, view):
            print("the plug-in speaks")
            return view.scores(sign() * view.close[-1])
"""


def python(folder: Path, *arguments: object, **env: str) -> Done:
    return run_script("backtest", folder, *arguments, **env)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with one finished run and its tearsheet, and what was printed."""
    folder = tmp_path_factory.mktemp("user")
    return folder, python(folder, *SMALL, "--benchmark", "000905", "--slippage", "bps:5", "--fee", "commission=0.0002")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The script within this process, in an empty folder: its errors without the cost of a start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    monkeypatch.delitem(sys.modules, "_cli", raising=False)
    spec = importlib.util.spec_from_file_location("backtest_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "backtest_script", module)
    spec.loader.exec_module(module)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["backtest.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            module._cli.main_guard(module.app)
        shown = capsys.readouterr()
        return Done(int(left.value.code or 0), shown.out, shown.err)

    return run


def table(text: str) -> dict[str, str]:
    """Labels and texts of the lines in two columns."""
    pairs = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
    return {label: rest.strip() for label, rest in pairs}


# -- help -------------------------------------------------------------------------------------------


def test_the_help_ends_with_an_example_that_names_only_options_there_are(inside: Callable[..., Done]) -> None:
    done = inside("--help")
    assert done.code == 0
    listed = {word for line in done.out.splitlines() for word in line.split()[:1] if word.startswith("-")}
    examples = done.out.rstrip().split("Examples:\n")[1].splitlines()
    assert len(examples) == 3
    for example in examples:
        assert example.lstrip().startswith("python scripts/backtest.py --")
        assert {word for word in example.split() if word.startswith("-")} <= listed


def test_the_help_costs_under_three_tenths_of_a_second() -> None:
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(costs) < 0.3


# -- the list of runs ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("home") / "runs"
    rng = np.random.default_rng(1)
    market = rng.normal(0.0002, 0.012, 300)
    stored(place / "first", market + 0.001, market, hold=10)
    stored(place / "second", market - 0.001, market, hold=20, leaks=True)
    os.utime(place / "first" / "result.json", (1e9, 1e9))
    return place


def test_the_list_shows_stored_runs_with_their_headlines_the_newest_first(
    inside: Callable[..., Done], store: Path
) -> None:
    done = inside("--list", "--out", store)
    assert (done.code, done.err) == (0, "")
    head, *rows, last = (line.split() for line in done.out.splitlines())
    assert " ".join(head) == "run made strategy signal universe data span a year excess Sharpe drawdown"
    assert [row[0] for row in rows] == ["second", "first"]
    assert rows[1][3:9] == ["top-n", "reversal-20d", "csi300", "synthetic", "2015-01-02", "to"]
    result = json.loads((store / "first" / "result.json").read_text())["headline"]
    assert rows[1][-4:] == [
        f"{result['annual_return']:.1%}", f"{result['excess_annual_return']:+.1%}", f"{result['sharpe']:.2f}",
        f"{result['max_drawdown']:.1%}",
    ]  # fmt: skip
    assert rows[0][-1] == "LEAKS"
    assert last[:2] == ["2", "runs"]


def test_the_list_can_be_sorted_and_given_as_json(inside: Callable[..., Done], store: Path) -> None:
    done = inside("--list", "--out", store, "--sort", "sharpe", "--json")
    found = json.loads(done.out)
    assert [Path(run["folder"]).name for run in found["runs"]] == ["first", "second"]
    assert found["runs"][1]["leaks"] is True and "annual_return" in found["runs"][0]["headline"]
    assert inside("--list", "--out", store, "--sort", "size").err == (
        "error: runs cannot be sorted by 'size'; choose one of: date, drawdown, return, sharpe\n"
    )
    assert inside("--list").err == "error: there is no folder of runs 'runs'; run a backtest first, or give --out\n"


# -- a run ------------------------------------------------------------------------------------------


def test_a_run_prints_its_fees_its_table_and_its_paths(first: tuple[Path, Done]) -> None:
    folder, done = first
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == (
        "Fees: commission 0.02 %, at least 5 yuan per order, stamp duty by date, transfer fee by date; 5 basis points"
    )
    (run,) = (folder / "runs").iterdir()
    assert lines[-2:] == [f"Run folder: runs/{run.name}", f"Tearsheet: runs/{run.name}/tearsheet.html"]
    result = json.loads((run / "result.json").read_text())
    shown = table(done.out)
    assert shown["Final value"] == f"{result['headline']['final_value']:,.2f} yuan"
    assert shown["Span"].startswith("2020-03-02 to 2020-07-31")
    starts = {line.index(shown[label]) for label in ("Span", "Final value") for line in lines if line.startswith(label)}
    assert len(starts) == 1, "the second column must align"
    assert done.err == ""
    assert shown["In brackets"].startswith("95% intervals by stationary bootstrap, 1,000 draws")
    low, high = result["intervals"]["sharpe"]
    assert shown["Sharpe ratio"] == f"{result['headline']['sharpe']:.2f}  [{low:.2f}, {high:.2f}]"
    said = " ".join(done.out.split("Conclusion: ")[1].split("\n\n")[0].split())
    assert said.startswith("The excess return over 000905 after costs is ")
    assert "The folder of runs holds no other setting of top-n" in said


def test_a_run_prints_the_fee_rows_that_charged_it(first: tuple[Path, Done]) -> None:
    folder, done = first
    (run,) = (folder / "runs").iterdir()
    totals = json.loads((run / "result.json").read_text())["fees"]
    block = done.out.split("Fee rows used (sources in result.json and the tearsheet)\n")[1].split("\n\n")[0]
    shown = table(block.replace("\n  ", "\n").removeprefix("  "))
    assert list(shown) == ["stamp duty all exchanges buy", "stamp duty all exchanges sell", "transfer fee SH SZ"]
    sales = shown["stamp duty all exchanges sell"]
    assert sales.startswith(f"0.1 % of value, 2008-09-19 to 2023-08-27: {totals['stamp_duty']:,.2f} yuan on ")
    assert sales.endswith(" fills, confidence H")
    kinds = {row["kind"] for row in json.loads((run / "result.json").read_text())["rules"]}
    assert {"commission_cap", "commission_floor"} <= kinds  # the law's bounds are stored, not shown as charges


def test_a_preset_with_overrides_of_the_users_own_broker(inside: Callable[..., Done]) -> None:
    own = ("--fee", "commission=0.00015", "--fee", "minimum=0", "--fee", "stamp_duty_minimum=2")
    done = inside(*SMALL, "--no-tearsheet", "--fees", "paper-2", *own)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == (
        "Fees: commission 0.015 %, at least 0 yuan per order, stamp duty 0.1 % of sales, at least 2 yuan per order; "
        "no slippage"
    )
    (row,) = [line.split() for line in done.out.splitlines() if line.startswith("  stamp duty")]
    words = "stamp duty all exchanges sell 0.1 % of value at least 2 yuan, on every date:"
    assert " ".join(row).startswith(words)


def test_the_run_folder_holds_every_file_and_the_tearsheet(first: tuple[Path, Done]) -> None:
    from engine.run_folder import FILES

    (run,) = (first[0] / "runs").iterdir()
    assert {path.name for path in run.iterdir()} == {*FILES, "tearsheet.html"}


def test_the_same_command_reuses_the_run_with_a_sentence(first: tuple[Path, Done]) -> None:
    folder, before = first
    (run,) = (folder / "runs").iterdir()
    stamp = (run / "tearsheet.html").stat().st_mtime_ns
    done = python(folder, *SMALL, "--benchmark", "000905", "--slippage", "bps:5", "--fee", "commission=0.0002")
    first_line, _, rest = done.out.partition("\n")
    assert first_line == f"This run is in runs/{run.name} already and was not repeated (--force repeats it)."
    assert rest == before.out
    assert (run / "tearsheet.html").stat().st_mtime_ns == stamp


def test_the_runs_own_configuration_repeats_it_byte_for_byte(first: tuple[Path, Done], tmp_path: Path) -> None:
    (run,) = (first[0] / "runs").iterdir()
    done = python(tmp_path, "--config", run / "config.toml", "--no-tearsheet")
    assert done.code == 0, done.err
    (again,) = (tmp_path / "runs").iterdir()
    assert again.name == run.name
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {
        p.name: p.read_bytes() for p in run.iterdir() if p.name != "tearsheet.html"
    }


def test_json_is_one_object_and_everything_else_goes_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(textwrap.dedent(SIGNAL))
    (tmp_path / "helper_beside_it.py").write_text("def sign():\n    return -1.0\n")
    done = python(tmp_path, *SMALL, "--signal", "mine.py", "-p", "window=7", "--json", "--no-tearsheet")
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert (shown["signal"], shown["tearsheet"], shown["reused"]) == ({"name": "mine.py", "window": 7}, None, False)
    assert shown["folder"] == f"runs/{shown['id']}"
    assert shown["headline"] == json.loads((tmp_path / shown["folder"] / "result.json").read_text())["headline"]
    assert "the plug-in speaks" in done.err and "Final value" in done.err


def test_an_edited_helper_of_a_plugin_makes_another_run(inside: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(textwrap.dedent(SIGNAL))
    command = (*SMALL, "--signal", "mine.py", "--no-tearsheet", "--json")
    shown = []
    for sign in ("1.0", "-1.0 # the other way round", "1.0"):
        (tmp_path / "helper_beside_it.py").write_text(f"def sign():\n    return {sign}\n")
        shown.append(json.loads(inside(*command).out))
    assert shown[0]["id"] == shown[2]["id"] != shown[1]["id"]
    assert [one["reused"] for one in shown] == [False, False, True]
    assert shown[0]["headline"] != shown[1]["headline"]


def test_options_override_the_file_and_p_overrides_both(inside: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        f'data = "{DATA}"\nstart = 2020-03-02\nend = 2020-05-29\ncash = 3e5\nseed = 1\n\n'
        '[strategy]\nname = "top-n"\nhold = 7\n'
    )
    done = inside("--config", "run.toml", "--cash", "4e5", "--seed", "3", "-p", "seed=5", "--no-tearsheet", "--json")
    assert done.code == 0, done.err
    import tomllib

    folder = tmp_path / json.loads(done.out)["folder"]
    written = tomllib.loads((folder / "config.toml").read_text())
    assert (written["cash"], written["seed"], written["strategy"]["hold"], str(written["end"])) == (
        4e5,
        5,
        7,
        "2020-05-29",
    )


def test_a_forced_run_ends_with_the_same_bytes(inside: Callable[..., Done], tmp_path: Path) -> None:
    command = (*SMALL, "--no-tearsheet", "--json")
    folder = tmp_path / json.loads(inside(*command).out)["folder"]
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    again = json.loads(inside(*command, "--force").out)
    assert again["reused"] is False
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_an_incomplete_run_is_replaced(inside: Callable[..., Done], tmp_path: Path) -> None:
    command = (*SMALL, "--no-tearsheet", "--json")
    folder = tmp_path / json.loads(inside(*command).out)["folder"]
    (folder / "fills.parquet").unlink()
    assert json.loads(inside(*command).out)["reused"] is False
    assert (folder / "fills.parquet").is_file()


def test_a_folder_with_packages_named_like_ours_runs_all_the_same(tmp_path: Path) -> None:
    for name in ("engine", "feeds", "signals", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the package of the user ran')\n")
    (tmp_path / "strategies" / "mine.py").write_text(
        "from strategies.top_n import TopN\n\n\nclass Mine(TopN):\n    params = (('hold', 5),)\n"
    )
    done = python(
        tmp_path, *SMALL[:-2], "--strategy", "strategies/mine.py", "--no-tearsheet", "--json", PYTHONPATH=f":{tmp_path}"
    )
    assert done.code == 0, done.err
    strategy = json.loads(done.out)["strategy"]
    assert (strategy["name"], strategy["hold"]) == ("strategies/mine.py", 5)


def test_a_terminal_shows_a_bar_with_the_date_the_value_and_the_time_left(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are not to be had here")
    ours, theirs = pty.openpty()
    command = [sys.executable, str(SCRIPT), *SMALL, "--no-tearsheet"]
    env = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    env.pop("NO_COLOR", None)
    done = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
        if not chunk:
            break
        shown += chunk
    out = done.communicate(timeout=60)[0]
    os.close(ours)
    text = shown.decode(errors="replace")
    assert done.returncode == 0
    assert "2020-07-31" in text and " yuan" in text and "100%" in text and "0:00:00" in text
    assert out.startswith("Fees:") and "\x1b" not in out


# -- bad input --------------------------------------------------------------------------------------

BAD: list[tuple[tuple[object, ...], str]] = [
    (("--universe", "csi5000"), "unknown universe 'csi5000'; did you mean 'csi500'?"),
    (
        ("--start", "2020-05-02", "--end", "2020-05-03"),
        "the data have no trading session from 2020-05-02 to 2020-05-03",
    ),
    (("--start", "2020-05-03", "--end", "2020-05-01"), "end 2020-05-01 is before start 2020-05-03"),
    (("--start", "yesterday"), "option 'start' is 'yesterday', which is no date"),
    (("--data", "nowhere"), "there is no data folder 'nowhere'"),
    (("--config", "nofile.toml"), "there is no configuration file 'nofile.toml'"),
    (("--config", "bad.toml"), "configuration file 'bad.toml' is no valid TOML"),
    (("--fill", "next_opne"), "option 'fill' is 'next_opne'; did you mean 'next_open'?"),
    (("--rebalance", "7M"), "option 'rebalance' is '7M'"),
    (("--strategy", "topn"), "unknown strategy 'topn'; did you mean 'top-n'?"),
    (("--strategy", "nofile.py"), "strategy 'nofile.py': there is no such file"),
    (("--signal", "fails.py"), "signal 'fails.py' cannot be loaded: line 2 raised NameError"),
    (("--signal", "syntax.py"), "signal 'syntax.py' cannot be loaded: line 1 is no Python"),
    (("-p", "hodl=3"), "unknown option 'hodl'; did you mean 'hold'?"),
    (("-p", "hold=many"), "strategy 'top-n': parameter 'hold' is 'many'; it is a whole number, 50 by default"),
    (("--hold", "many"), "Invalid value for '--hold'"),
    (("--hodl", "3"), "No such option: --hodl"),
    (("--strategy", "top-quantile", "--hold", "3"), "strategy 'top-quantile' has no parameter 'hold'"),
    (("--fee", "commision=0"), "fees 'a-share' has no parameter 'commision'; did you mean 'commission'?"),
    (("--fee", "commission=3"), "fee option 'commission' is 3"),
    (("--fee", "stamp_duty=0.05"), "fee option 'stamp_duty' is 0.05, that is 5 % of the traded value"),
    (("--fees", "retail"), "unknown fees 'retail'; did you mean 'retail-2024'?"),
    (("--fee", "table=nowhere.csv"), "the rule table 'nowhere.csv' cannot be read: No such file or directory"),
    (("--rule", "lots=perhaps"), "rule 'lots' is 'perhaps'; write true or false"),
    (("--slippage", "bsp:5"), "unknown slippage 'bsp'; did you mean 'bps'?"),
    (("--risk-free", "2"), "option 'risk_free' is 2, that is 200 % a year; it is a fraction, write 0.02 for 2 %"),
    (("--benchmark", "000906"), "the data have no index '000906'"),
    (("--out", "bad.toml"), "--out 'bad.toml' is a file; give a folder"),
    (("--signal", "unknown_symbols.py"), "Mine.predict scored 'XX' on "),
    (("--strategy", "too_much.py"), "Mine.allocate returned weights that sum to 1.2"),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), BAD, ids=lambda one: " ".join(map(str, one)) if isinstance(one, tuple) else ""
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    inside: Callable[..., Done], tmp_path: Path, arguments: tuple[Any, ...], sentence: str
) -> None:
    (tmp_path / "bad.toml").write_text("cash = ")
    (tmp_path / "fails.py").write_text("x = 1\nundefined_name\n")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "unknown_symbols.py").write_text(
        "import pandas as pd\nfrom signals.base import Signal\nclass Mine(Signal):\n    def predict(self, view):\n"
        "        return pd.DataFrame({'score': [1.0]}, index=['XX'])\n"
    )
    (tmp_path / "too_much.py").write_text(
        "from strategies.base import RebalanceStrategy\nclass Mine(RebalanceStrategy):\n"
        "    def allocate(self, scores, portfolio, view):\n        return dict.fromkeys(scores.index[:2], 0.6)\n"
    )
    done = inside("--data", DATA, "--start", "2020-03-02", "--end", "2020-07-31", "--no-tearsheet", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {sentence}") and done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_users_own_process_sees_no_traceback(tmp_path: Path) -> None:
    done = python(tmp_path, "--data", DATA, "--universe", "csi5000", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: unknown universe 'csi5000'; did you mean 'csi500'?")
    assert "Traceback" not in done.err and done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_control_c_leaves_with_130_and_nothing_half_written(
    inside: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import engine.backtest

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.backtest, "simulate", interrupted)
    done = inside(*SMALL)
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")
    assert not (tmp_path / "runs").exists()
