"""The tearsheet: every block is there, nothing is loaded from elsewhere, same run, same bytes."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import measures, pyfolio_sheets
from engine.errors import DataError
from engine.presentation import headline_rows
from engine.tearsheet import SMALL, context, load, write_tearsheet

HOSTILE = '<script>alert("x")</script>'
PICTURE = '<img class="sheet" '
A, B, C = "600519.SH", "000001.SZ", "300750.SZ"


def make_run(folder: Path, benchmark: bool = True, sessions: int = 340) -> Path:
    """A fabricated run from 2015-06-01: three stocks bought, one sold and bought again every 40 sessions."""
    folder.mkdir()
    days = pd.bdate_range("2015-05-29", periods=sessions + 1).as_unit("ms")
    rng = np.random.default_rng(11)
    price = 20 * np.cumprod(1 + rng.normal(0.0005, 0.02, (sessions + 1, 3)), axis=0)
    held, cash, order = np.zeros(3, dtype=int), 100_000.0, 0
    fills: list[Any] = []
    positions: list[Any] = []
    equity: list[Any] = []
    for t, day in enumerate(days):
        for k, symbol in enumerate((A, B, C)):
            side = "buy" if t == 1 or (k == 0 and t % 40 == 21) else "sell" if k == 0 and t % 40 == 1 else ""
            if t and side:
                shares = 1000 if side == "buy" else int(held[k])
                order += 1
                tax = 20.0 * (side == "sell")
                fills.append((order, day, symbol, side, shares, price[t, k], 5.0, tax, 0.4, 0.0, 3.0))
                held[k] += shares if side == "buy" else -shares
                cash -= price[t, k] * (shares if side == "buy" else -shares) + 5.4 + tax
            if held[k]:
                positions.append((day, symbol, held[k], held[k], price[t, k], held[k] * price[t, k]))
        equity.append((day, cash + held @ price[t], cash, 3000 * price[t, 1] / price[0, 1], np.nan, 0.0))
    frames = {
        "equity": pd.DataFrame(equity, columns=["date", "value", "cash", "benchmark", "benchmark_price", "interest"]),
        "fills": pd.DataFrame(
            fills,
            columns=["order_id", "date", "symbol", "side", "shares", "price", "commission", "stamp_duty",
                     "transfer_fee", "other_fees", "slippage"],
        ),
        "positions": pd.DataFrame(positions, columns=["date", "symbol", "shares", "sellable", "price", "value"]),
        "refusals": pd.DataFrame({
            "date": [days[5], days[6]], "order_id": [90, 91], "symbol": [A, "688001.SH"], "side": ["buy"] * 2,
            "wanted": [300, 200], "done": [100, 0], "reason": ["CASH", "LIMIT_UP"], "days": [1, 1],
            "outcome": ["cut", "dropped"],
        }),
        "corporate": pd.DataFrame({
            "date": [days[10], days[20]], "symbol": [B, C], "kind": ["DIVIDEND", "UNRESOLVED"], "shares": [0, 0],
            "cash": [120.0, 30.0], "tax": [12.0, 0.0],
        }),
        "decisions": pd.DataFrame({
            "decision": [days[0], days[-1]], "execution": [days[1], pd.NaT], "status": ["executed", "pending"],
            "scored": [400, 410], "targets": [3, 3],
        }),
        "symbols": pd.DataFrame({"symbol": [A, B, C], "name": ["贵州茅台", HOSTILE, "宁德时代"]}),
    }  # fmt: skip
    if not benchmark:
        frames["equity"]["benchmark"] = np.nan
    frames["equity"]["benchmark_price"] = frames["equity"]["benchmark"] * 0.99
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    book = frames["equity"]
    result = {
        "id": "ab12cd34", "version": "0.1.0", "data": {"source": "tables", "fingerprint": "f" * 64}, "leaks": False,
        "strategy": {"name": "top-n", "hold": 3}, "signal": {"name": HOSTILE}, "universe": "csi500",
        "start": "2015-06-01", "end": str(days[-1].date()), "base_date": "2015-05-29", "cash": 100_000.0,
        "headline": measures.headline(*(book[c].to_numpy() for c in ("date", "value", "benchmark", "benchmark_price"))),
        "risk_free": {"kind": "rate", "annual": 0.02},
        "benchmark": {"code": "000905", "kind": "total-return", "coverage": 0.83} if benchmark else None,
        "fees": {"commission": 100.0, "stamp_duty": 200.0, "transfer_fee": 8.0, "other_fees": 0.0, "slippage": 60.0,
                 "total": 308.0},
        "interest": 12.34, "orders": 20, "fills": len(fills),
        "refusals": {"CASH": {"count": 1, "shares": 200}, "LIMIT_UP": {"count": 1, "shares": 200}},
        "corporate": {"DIVIDEND": {"count": 1, "cash": 120.0}, "UNRESOLVED": {"count": 1, "cash": 30.0}},
        "decisions": {"executed": 1, "pending": 1}, "coverage": 0.826,
        "rules": [{"kind": "stamp_duty", "from": "2008-09-19", "to": ""}],
        "warnings": [f"mind {HOSTILE}"], "notes": [f"know {HOSTILE}"],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (folder / "config.toml").write_text(f'universe = "csi500"  # {HOSTILE}\n', encoding="utf-8")
    return folder


class Page(HTMLParser):
    """Text outside scripts and styles, attributes, and the tags met."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.pieces: list[str] = []
        self._skip = False
        self.feed(html)
        self.text = " ".join(" ".join(self.pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self._skip = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._skip = False

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.pieces.append(data)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "ab12cd34")


@pytest.fixture(scope="module")
def html(run_folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the libraries' known warnings are silenced inside the report
        return write_tearsheet(run_folder).read_text(encoding="utf-8")


@pytest.fixture()
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyfolio_sheets, "render", lambda frames, names, stress: [])


@pytest.fixture()
def copy(run_folder: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "copy"
    shutil.copytree(run_folder, folder, ignore=shutil.ignore_patterns("*.html"))
    yield folder


def text_of(folder: Path) -> str:
    return Page(write_tearsheet(folder).read_text(encoding="utf-8")).text


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_every_block_is_on_the_page(html: str) -> None:
    text = Page(html).text
    for wanted in (
        "Annual return", "Excess a year (difference)", "Excess a year (ratio)", "Max drawdown of the ratio",
        "Volatility a year", "Sharpe ratio", "Sortino ratio", "Calmar ratio", "Information ratio", "Tracking error",
        "Win rate by month", "Turnover a year", "A-share sessions a year, measured", "2.00% a year",
        "000905 (total return, coverage 83.0%)", "Price index annual return", "Fees and interest", "Commission",
        "Stamp duty", "Transfer fee", "Slippage", "308.00", "Interest on cash", "12.34", "Refusals by reason",
        "LIMIT_UP", "Corporate actions", "UNRESOLVED: 1", "Decisions", "pending", "Returns by year",
        "Monthly returns of the account", "Monthly excess over the benchmark", "Deepest drawdowns",
        "A-share stress periods", "Crash 2015", "Holdings at the close of", "贵州茅台", "Top contributors",
        "Round trips", "Profit factor", "Best round trips", "Universe memberships with bars 82.6%",
        "Fee rules used", "252-day convention", "ab12cd34", "Cash share and number of stocks", "Data tables",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert html.count(PICTURE) == 4, re.findall(r"sheet not drawn[^<]*", html)
    assert "chart-performance" in html and html.count("plotly.js v") >= 1


def test_the_headline_table_is_that_of_the_console(html: str, run_folder: Path) -> None:
    result = json.loads((run_folder / "result.json").read_text(encoding="utf-8"))
    text = Page(html).text
    squeezed = text.replace(" ", "")  # dates stand in elements of their own, which Page sets apart
    for label, value in headline_rows(result):
        assert f"{label}{SMALL.get(label, '')}{value}".replace(" ", "") in squeezed
    assert "Sharpe ratio mean daily return, annualised" in text


def test_the_page_loads_nothing_from_elsewhere(html: str) -> None:
    page = Page(html)
    assert page.links and all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert not {"link", "iframe", "object", "embed"} & set(page.tags)
    assert "default-src 'none'" in html
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_hostile_names_are_text_and_never_tags(html: str) -> None:
    assert HOSTILE not in html
    page = Page(html)
    assert page.tags.count("script") == 2  # Plotly and our own
    assert page.text.count(HOSTILE) >= 5  # title, warning, note, stock name, config


def test_the_same_run_gives_the_same_bytes(html: str, run_folder: Path) -> None:
    assert write_tearsheet(run_folder).read_bytes() == html.encode("utf-8")
    assert [path.name for path in run_folder.iterdir() if "tearsheet" in path.name] == ["tearsheet.html"]


def test_settings_of_matplotlib_pyfolio_and_warnings_are_as_before(html: str) -> None:
    import matplotlib.pyplot as plt
    import pyfolio

    assert plt.get_fignums() == []
    assert pyfolio.utils.print_table.__module__ == "pyfolio.utils"
    assert pyfolio.timeseries.rolling_beta.__module__ == "pyfolio.timeseries"


def test_a_sheet_that_fails_becomes_a_note(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(frames: Any) -> Any:
        plt.figure()
        raise RuntimeError("the library\nfell over")

    def drawn(frames: Any) -> Any:
        return plt.figure(figsize=(1, 1))

    import matplotlib.pyplot as plt

    monkeypatch.setattr(pyfolio_sheets, "_returns_sheet", broken)
    for name in ("_positions_sheet", "_transactions_sheet", "_stress_sheet"):
        monkeypatch.setattr(pyfolio_sheets, name, drawn)
    page = write_tearsheet(copy).read_text(encoding="utf-8")
    assert "Returns sheet not drawn: the library fell over" in Page(page).text
    assert page.count(PICTURE) == 3
    assert plt.get_fignums() == []


@pytest.mark.usefixtures("without_pictures")
def test_a_table_that_fails_becomes_a_note(copy: Path) -> None:
    fills = pd.read_parquet(copy / "fills.parquet")
    fills.loc[fills["side"] == "sell", "shares"] = 10**6
    fills.to_parquet(copy / "fills.parquet")
    text = text_of(copy)
    assert "Round trips: not shown, AccountError" in text and "Holdings at the close" in text


@pytest.mark.usefixtures("without_pictures")
def test_a_leaking_run_says_so_first(copy: Path) -> None:
    assert "LEAKS" not in text_of(copy)
    edit(copy, leaks=True)
    html = write_tearsheet(copy).read_text(encoding="utf-8")
    body = html[html.index("<body>") :]
    assert body.index('class="leaks"') < body.index("<h1>")
    assert re.search(r"\.leaks \{ background: #b3140f", html)


@pytest.mark.usefixtures("without_pictures")
def test_missing_optional_parts_are_left_out(copy: Path) -> None:
    for name in ("refusals", "corporate", "decisions", "symbols"):
        (copy / f"{name}.parquet").unlink()
    (copy / "config.toml").unlink()
    (copy / "result.json").write_text('{"id": "x", "headline": {"annual_return": 0.1}}', encoding="utf-8")
    text = text_of(copy)
    assert "Annual return 10.00%" in text and "Calmar ratio n/a" in text and "not shown" not in text


@pytest.mark.usefixtures("without_pictures")
def test_a_run_without_a_benchmark_has_no_excess(tmp_path: Path) -> None:
    text = text_of(make_run(tmp_path / "plain", benchmark=False, sessions=30))
    assert "Benchmark none" in text and "were positive" in text
    assert "Excess" not in text and "not shown" not in text


@pytest.mark.parametrize("kind", ["typed", "untyped"])
def test_a_run_that_never_traded_is_reported(copy: Path, kind: str) -> None:
    equity = pd.read_parquet(copy / "equity.parquet").head(30)
    equity.assign(value=100_000.0, cash=100_000.0).to_parquet(copy / "equity.parquet")
    for name in ("fills", "positions", "refusals", "corporate", "decisions", "symbols"):
        frame = pd.read_parquet(copy / f"{name}.parquet").head(0)
        (frame if kind == "typed" else pd.DataFrame({c: [] for c in frame})).to_parquet(copy / f"{name}.parquet")
    edit(copy, refusals={})
    text = text_of(copy)
    assert "Every order traded in full." in text and "The account never fell." in text
    assert "Positions sheet not drawn: the account never held a stock" in text
    assert "not shown" not in text


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: shutil.rmtree(f), "there is no run folder"),
        (lambda f: (f / "result.json").unlink(), "no result.json"),
        (lambda f: (f / "result.json").write_text("{"), "is no JSON"),
        (lambda f: (f / "fills.parquet").unlink(), "no fills.parquet"),
        (lambda f: pd.DataFrame({"date": []}).to_parquet(f / "equity.parquet"), "no column 'value'"),
    ],
)
def test_a_folder_that_is_no_run_is_one_sentence_and_leaves_nothing(copy: Path, spoil: Any, sentence: str) -> None:
    spoil(copy)
    with pytest.raises(DataError, match=sentence):
        write_tearsheet(copy)
    assert not list(copy.glob("tearsheet*"))


def test_pyfolio_gets_every_position_and_the_value_of_every_day(run_folder: Path) -> None:
    equity, positions, fills = (pd.read_parquet(run_folder / f"{n}.parquet") for n in ("equity", "positions", "fills"))
    frames = pyfolio_sheets.inputs(equity, positions, fills)
    assert set(frames.positions) == {A, B, C, "cash"}
    assert np.abs(frames.positions.sum(axis=1).to_numpy() - equity["value"].to_numpy()[1:]).max() < 1e-6
    growth = equity["value"].iloc[-1] / equity["value"].iloc[0]
    assert (1 + frames.returns).prod() == pytest.approx(growth)
    for index in (frames.returns.index, frames.positions.index, frames.transactions.index):
        assert str(index.tz) == "UTC" and (index == index.normalize()).all()
    assert frames.benchmark is not None and frames.benchmark.index.equals(frames.returns.index)
    sold = fills.loc[fills["side"] == "sell", "shares"].sum()
    assert frames.transactions["amount"].clip(upper=0).sum() == -sold


def test_our_rolling_beta_is_that_of_pyfolio() -> None:
    from pyfolio.timeseries import rolling_beta

    rng = np.random.default_rng(2)
    index = pd.bdate_range("2019-01-01", periods=90, tz="UTC")
    market = pd.Series(rng.normal(0, 0.01, 90), index)
    account = 0.7 * market + pd.Series(rng.normal(0, 0.01, 90), index)
    theirs, ours = rolling_beta(account, market, 30), pyfolio_sheets.rolling_beta(account, market, 30)
    assert theirs.notna().sum() == 60 and ours.notna().equals(theirs.notna())
    assert np.nanmax(np.abs(ours - theirs)) < 1e-9


@pytest.mark.usefixtures("without_pictures")
def test_a_real_run_on_synthetic_data_shows_every_part_and_says_what_the_data_are(tmp_path: Path) -> None:
    from huice import RunConfig, run

    config = RunConfig(
        data="synthetic:stocks=40,start=2019-01-02,end=2020-06-30",
        start="2019-03-01",
        signal={"name": "reversal-20d"},
        strategy={"name": "top-n", "hold": 5},
    )
    done = run(config, out=tmp_path / "runs", cache=tmp_path / "cache")
    shown = context(load(done.folder))
    assert shown["notes"] == []
    assert dict(shown["subtitle"])["Data"].startswith("embedded synthetic market (stocks=40")
    assert shown["account"][:3] == ["Cash 1,000,000 yuan", "Rebalance 1M", "Fill next open"]
    assert "commission" in shown["account"][3]
    assert "A-share stress periods" not in [table.title for table in shown["by_period"]]
    assert "made up" in shown["remarks"][0] and shown["remarks"][1:] == done.result["notes"]
    assert shown["tiles"][0][3].startswith("1,000,000 to ")
    low, high = done.result["intervals"]["annual_return"]
    assert shown["tiles"][0][2] == f"[{low:.1%}, {high:.1%}]"
    assert shown["conclusion"].verdict.startswith("The return after costs is ")
    counted = context(load(done.folder), done.folder.parent)["conclusion"]
    assert "The folder of runs holds no other setting of top-n" in counted.text
    page = write_tearsheet(done.folder).read_text(encoding="utf-8")
    assert page.index(counted.verdict) < page.index('class="tiles"')
    assert [table.title for table in shown["facts"]] == ["Data", "Fee rules used"]
    titles = [table.title for table in shown["trading"]]
    assert titles[0] == "Where the return went" and {"Where the return came from", "Refusals by reason"} < set(titles)
    assert shown["trading"][titles.index("Return and costs by year, yuan")].kind == "wide"
    assert shown["trading"][1].head[-1] == "Cost, yuan"


def test_pyfolio_draws_no_stress_periods_of_synthetic_data(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    for name in ("_returns_sheet", "_positions_sheet", "_transactions_sheet"):
        monkeypatch.setattr(pyfolio_sheets, name, lambda frames: plt.figure(figsize=(1, 1)))
    edit(copy, data={"source": "synthetic", "fingerprint": "f"})
    assert [sheet["title"] for sheet in context(load(copy))["sheets"]] == ["Returns", "Positions", "Transactions"]


def test_the_appendix_is_closed_and_speaks_of_the_account(html: str) -> None:
    start = html.index('<details class="appendix">')
    tables = Page(html[start : html.index("<footer>")]).text
    assert html.index(PICTURE) > start and "252-day convention" in tables
    assert "Account" in tables and "Backtest" not in tables
    assert "Peak date" in tables and "00:00:00" not in tables
    assert "Top 10 positions of all time" in tables and "Top 10 long" not in tables


def test_pictures_of_pyfolio_lose_the_short_side_and_say_account() -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    for label in ("max_long", "max_short", "Backtest"):
        axes.plot([1, 2], label=label)
    axes.legend()
    axes.set_title("Portfolio allocation over time")
    pyfolio_sheets._drop_shorts(axes)
    pyfolio_sheets._say_account(figure)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Max", "Account"]
    assert len(axes.lines) == 2 and axes.get_title() == "Account allocation over time"
    plt.close(figure)


@pytest.mark.usefixtures("without_pictures")
def test_notes_stand_in_a_box_of_their_own(copy: Path) -> None:
    edit(copy, warnings=[], notes=["The last decision is pending."])
    html = write_tearsheet(copy).read_text(encoding="utf-8")
    assert "Notes The last decision is pending." in Page(html).text and ">Warnings<" not in html
