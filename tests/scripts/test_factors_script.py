"""``scripts/factors.py list``, ``screen``, ``sheet`` and ``backtest`` from the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "factors.py"
DATA = ("--data", "synthetic:stocks=100,seed=2")
SPAN = ("--start", "2013-01-01", "--end", "2015-12-31")
MINE = """
from signals.factors.registry import factor


@factor("weekly_fall", chinese="五日跌幅", family="mine", direction=1, unit="fraction", inputs=("close", "adj_factor"),
        lookback=6, source="an example")
def weekly_fall(panel):
    \"\"\"Minus the return of five bars.\"\"\"
    from signals.factors.momentum import past_return

    return -past_return(panel, 5)
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Call(Protocol):
    def __call__(self, *arguments: object) -> Done: ...


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    cache = tmp_path_factory.mktemp("cache")

    def run(*arguments: object) -> Done:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HUICE")}
        kept |= {"PYTHONDONTWRITEBYTECODE": "1", "HUICE_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *map(str, arguments)], env=kept, cwd=cache, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def test_list_shows_each_factor_with_what_the_data_have_for_it(call: Call) -> None:
    done = call("list", *DATA, "--only", "momentum,sentiment")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["factor", "name", "family", "good", "unit", "bars", "there"]
    assert re.search(r"^return_1m +最近1个月收益率 +momentum +low +fraction +22 +yes$", done.out, re.M)
    assert re.search(r"^rating_average .* no$", done.out, re.M)
    assert re.search(r"^\d+ factors in 2 families, \d+ available on these data$", done.out, re.M)
    assert "not available: rating_average needs none:analyst ratings as of each day" in lines


def test_lists_are_no_wider_than_a_terminal(call: Call) -> None:
    """120 columns hold the coverage of paper 3 by year, and its screening with the reasons on lines of their own."""
    listed = call("list", *DATA, "--only", "paper-3", "--coverage")
    header = listed.out.splitlines()[0].split()
    assert header == ["factor", *(str(year) for year in range(2010, 2021))]  # with names it would be 134 columns
    assert "Share of universe 'all' (its listed members at each month's end)" in listed.out
    assert re.search(r"^return_12m +0% +\d+% ", listed.out, re.M)
    screened = call("screen", *DATA, *SPAN, "--only", "momentum", "--max-correlation", "0.5")
    assert re.search(r"^  return_5d +correlation [+-]0\.\d\d with \w+, which is stronger", screened.out, re.M)
    assert re.search(r"^Share of the universe by year, below 80% in some year \(\d+ of \d+\):$", screened.out, re.M)
    assert re.search(r"^momentum_24_12 +\d+% +\d+% +\d+%$", screened.out, re.M)
    for text in (listed.out, screened.out.split("Not kept:")[0]):
        assert max(columns(line) for line in text.splitlines() if "Share of universe" not in line) <= 120


def columns(text: str) -> int:
    """Columns of a terminal: a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def test_list_as_json_has_formula_source_and_coverage_by_year(call: Call) -> None:
    arguments = ("list", *DATA, "--only", "return_12m", "--coverage")
    done = call(*arguments, "--json")
    (one,) = json.loads(done.out)["factors"]
    assert one["available"] is True
    assert re.search(r"^return_12m +最近12个月收益率 +0% +\d+% ", call(*arguments).out, re.M)
    assert one["source"] == "paper 3, chart 13: return_12m" and "P_t / P_(t-252) - 1" in one["formula"]
    assert one["missing"] == [] and one["coverage"]["2011"] < 0.5 < one["coverage"]["2015"] <= 1.0


def test_screen_prints_a_verdict_on_each_factor_and_writes_a_page_that_stands_alone(
    call: Call, tmp_path: Path
) -> None:
    page = tmp_path / "out.html"
    names = "return_1m,return_3m,turnover_1m,rating_change"
    arguments = ("screen", *DATA, *SPAN, "--universe", "csi300", "--only", names)
    done = call(*arguments, "--html", page)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^turnover_1m .* -0\.\d{4} ", done.out, re.M)
    said = r"^\d of 3 factors kept; of 3 tried, \d with .t. at or above Bonferroni's 2\.39 \(B\), \d by .*\(Y\)$"
    assert re.search(said, done.out, re.M)
    assert "36 dates 2013-01-31 .. 2015-12-31" in done.out.splitlines()
    assert "covers: share of the universe; at least 80% in every year for all of them" in done.out
    assert "not available: rating_change needs none:" in done.out and f"Page: {page}" in done.out
    text = page.read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>") and not re.search(r"<(script|link|img)[^>]*https?://", text)
    for fact in ("synthetic:stocks=100,seed=2", "csi300", "the next session&#39;s open"):
        assert f"<dd>{fact}</dd>" in text, fact
    again = json.loads(call(*arguments, "--json").out)
    assert again["thresholds"]["tried"] == 3 and set(again["decay"]["return_1m"]) == {"1", "2", "3"}
    assert {row["factor"] for row in again["factors"]} == {"return_1m", "return_3m", "turnover_1m"}
    assert all("reason" in row and 0 < row["coverage"] <= 1 for row in again["factors"])


def test_a_users_file_of_factors_is_listed_screened_and_backtested(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE, encoding="utf-8")
    listed = call("list", *DATA, "--file", file, "--formula")
    assert "weekly_fall" in listed.out and "Minus the return of five bars." in listed.out
    screened = json.loads(call("screen", *DATA, *SPAN, "--file", file, "--json").out)
    assert [row["factor"] for row in screened["factors"]] == ["weekly_fall"]
    tested = json.loads(call("backtest", *DATA, *SPAN, "--file", file, "--json", "--out", tmp_path / "runs").out)
    assert -1 < tested["results"]["weekly_fall"]["annual_return"] < 3


@pytest.mark.slow
def test_backtests_of_a_family_run_once_and_are_taken_up_again(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    first = json.loads(call("backtest", *DATA, *SPAN, "--only", "return_1m", "--out", out, "--json").out)
    assert not first["results"]["return_1m"]["reused"]
    done = call("backtest", *DATA, *SPAN, "--only", "return_1m,ln_price,rating_change", "--out", out, "--jobs", 2)
    assert (done.code, done.err) == (0, "")
    assert f"2 backtests in {out}, 1 there already" in done.out.splitlines()
    assert re.search(r"^ln_price +股价取对数( +[+-]\d+\.\d%| +[+-]\d+\.\d\d){5} +\d+ +[0-9a-f]{12}$", done.out, re.M)
    assert "not available: rating_change needs" in done.out
    second = json.loads(call("backtest", *DATA, *SPAN, "--only", "ln_price,return_1m", "--out", out, "--json").out)
    assert all(one["reused"] for one in second["results"].values())
    kept = {"reused": True}
    assert second["results"]["return_1m"] == first["results"]["return_1m"] | kept
    figures = second["results"]["ln_price"]
    assert {"alpha", "beta", "information_ratio", "annual_return", "max_drawdown"} <= figures.keys()
    assert list(figures["scored_by_year"]) == ["2012", "2013", "2014", "2015"] and figures["scored"] > 10


@pytest.mark.slow
def test_alphalens_sheet_is_one_file(call: Call, tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    done = call("sheet", "return_1m", *DATA, *SPAN, "--universe", "csi300", "--html", page)
    assert done.code == 0, done.err
    text = page.read_text(encoding="utf-8")
    said = r"Universe 000300, 2013-01-\d\d to 2015-12-\d\d, daily; .* covers \d+% of the members\.<br>Drawn"
    assert re.search(said, text)
    assert text.count("data:image/png;base64,") >= 3 and not re.search(r"<(script|link|img)[^>]*https?://", text)


def test_factors_that_fail_in_a_backtest_leave_the_others_and_exit_code_2(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "three.py"
    begin = MINE.index("@factor")
    body = MINE[MINE.index("    return") :]
    bad = MINE[begin:].replace("weekly_fall", "broken").replace(body, '    raise ValueError("boom")\n')
    none = MINE[begin:].replace("weekly_fall", "nowhere").replace("return -", "return float('nan') * ")
    file.write_text("\n\n".join((MINE, bad, none)), encoding="utf-8")
    done = call("backtest", *DATA, "--start", "2015-01-01", "--end", "2015-06-30", "--file", file, "--json")
    assert done.code == 2
    result = json.loads(done.out)
    assert list(result["results"]) == ["weekly_fall"]
    line = 1 + file.read_text(encoding="utf-8").splitlines().index('    raise ValueError("boom")')
    told = f"factor 'broken' failed: line {line} of three.py raised ValueError (boom)"
    assert result["failed"] == {
        "broken": told, "nowhere": "it bought nothing: no stock of the universe ever had a value",
    }  # fmt: skip
    assert done.err.splitlines()[-1] == f"error: 2 of 3 backtests failed, the first of them: broken: {told}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a command: list, screen, sheet, backtest"),
        (("list", "--only", "momentun"), "no factor, family or paper 'momentun'; did you mean 'momentum'?"),
        (("screen", "--only", "rating_change"), "the data have none of the factors asked for"),
        (("screen", "--only", "ln_price", "--schedule", "yearly"), "unknown schedule 'yearly'"),
        (("screen", "--only", "ln_price", "--entry", "high"), "unknown entry 'high'; choose one of: close, open"),
        (("screen", "--only", "ln_price", "--periods", "1,x"), "--periods '1,x' must be whole numbers with commas"),
        (("screen", "--only", "ln_price", "--periods", "0"), "periods [0] must be whole numbers of at least 1"),
        (("screen", "--only", "ln_price", "--html", "."), "--html '.' is a folder; give the name of a file"),
        (("screen", "--only", "ln_price", "--html", "no/x.html"), "--html 'no/x.html' lies in a folder that is not"),
        (("screen", "--only", "ln_price", "--start", "2031-01-01"), "2031-01-01"),
        (("screen", "--only", "ln_price", "--max-correlation", "3"), "max_correlation is 3; give a correlation"),
        (("screen", "--only", "ln_price", "--tried", "0"), "Invalid value for '--tried'"),
        (("list", "--only", ","), "--only ',' names nothing; give a factor, a family or a paper"),
        (("backtest", "--only", "ln_price", "--share", "2"), "--share is 2; give the fraction of the scored stocks"),
        (("backtest", "--only", "rating_change"), "the data have none of the factors asked for: rating_change needs"),
        (("sheet", "ln_prise", "--html", "x.html"), "no factor 'ln_prise'; did you mean 'ln_price'?"),
        (("list", "--file", "nowhere.py"), "there is no file 'nowhere.py' of factors"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(call: Call, arguments: tuple[str, ...], words: str) -> None:
    done = call(*arguments, *(DATA if len(arguments) > 0 else ()))
    assert done.code == 2 and done.out == ""
    assert done.err.startswith("error: ") and words in done.err and done.err.count("\n") == 1


def test_help_shows_examples_quickly_without_numba(call: Call) -> None:
    done = call("screen", "--help")
    assert done.code == 0 and "python scripts/factors.py screen --data ../shared/data" in done.out
    code = (
        "import sys; sys.path.insert(0, 'scripts'); import factors; "
        "print([m for m in ('numba', 'pandas') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=SCRIPT.parents[1], capture_output=True, text=True)
    assert loaded.stdout == "[]\n", loaded.stderr
