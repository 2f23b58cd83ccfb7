"""What the sources' columns mean: names, units, codes, and true saved results."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feeds.akshare_bars import SOURCES, fetch_bars, sample
from feeds.akshare_http import SourceError
from feeds.akshare_reports import DISCLOSURE, FIGURES, STATEMENTS, quarters
from feeds.akshare_routes import ROUTES, Route, To, code_of, symbol_of, translate


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        ("600519", "600519.SH"), ("sh600519", "600519.SH"), ("SH600519", "600519.SH"), ("600519.SH", "600519.SH"),
        (1, "000001.SZ"), ("000001", "000001.SZ"), ("300750", "300750.SZ"), ("688981", "688981.SH"),
        ("920001", "920001.BJ"), ("830799", "830799.BJ"), ("900901", None), ("200011", None), ("510300", None),
        ("x", None), ("", None), (None, None), ("１２３４５６", None),
    ],
)  # fmt: skip
def test_codes_in_every_form_become_one(code: object, symbol: str | None) -> None:
    assert symbol_of(code) == symbol


def test_a_symbol_is_written_as_each_source_wants_it() -> None:
    assert [code_of("600519.SH", form) for form in ("plain", "prefix", "suffix")] == ["600519", "sh600519", "600519.SH"]


def test_columns_are_found_by_name_whatever_their_order() -> None:
    route = ROUTES["stock_zh_a_hist"]
    frame = pd.DataFrame({name: [k + 1.0] for k, name in enumerate(route.columns)} | {"日期": ["2024-06-03"]})
    there, back = translate(route, frame), translate(route, frame[frame.columns[::-1]])
    pd.testing.assert_frame_equal(there, back)
    assert there["volume"].item() == frame["成交量"].item() * 100


def test_a_missing_column_is_named_with_what_is_there_instead() -> None:
    frame = pd.DataFrame({"日期": ["2024-06-03"], "开盘价": [1.0]})
    with pytest.raises(SourceError, match="stock_zh_a_hist has no column '开盘' any more; did you mean '开盘价'"):
        translate(ROUTES["stock_zh_a_hist"], frame)


def test_numbers_and_dates_are_read_in_the_forms_that_sources_use() -> None:
    route = Route("stock_value_em", "x", {"n": To("n"), "d": To("d", "date"), "t": To("t", "text")})
    made = translate(route, pd.DataFrame({
        "n": ["1,234.5", "-", None, "7"], "d": ["20240603", "2024-06-04 00:00:00", dt.date(2024, 6, 5), "--"],
        "t": ["a", None, "", "b"],
    }))  # fmt: skip
    assert made["n"].tolist()[:1] == [1234.5] and np.isnan(made["n"][1]) and made["n"][3] == 7.0
    assert made["d"].astype(str).tolist()[:3] == ["2024-06-03", "2024-06-04", "2024-06-05"] and made["d"].isna()[3]
    assert made["t"].tolist() == ["a", None, None, "b"]


def test_three_for_ten_is_exactly_three_tenths() -> None:
    frame = pd.DataFrame({name: [None] for name in ROUTES["stock_dividend_cninfo"].columns} | {"派息比例": [3.0]})
    assert translate(ROUTES["stock_dividend_cninfo"], frame)["cash"].item() == 0.3


def test_documented_columns_and_units_are_those_of_our_maps() -> None:
    """AKShare's own index of its functions: an upgrade that drifts fails here."""
    akshare = pytest.importorskip("akshare", reason="AKShare is not installed: pip install -r locks/akshare-py311.txt")
    index = Path(akshare.__file__).parent / "data" / "interfaces.json"
    known = {entry["name"]: entry for entry in json.loads(index.read_text(encoding="utf-8"))["interfaces"]}
    # The index speaks of the full name where the short one is asked for.
    other = {"stock_info_sz_change_name": {"变更前简称", "变更后简称"}}
    factor_of = {"手": 100.0, "万手": 1e6, "亿元": 1e8, "%": 0.01, "每 10 股": 0.1, "元": 1.0, "股": 1.0}
    compared = units = 0
    for name, route in ROUTES.items():
        assert hasattr(akshare, name), name
        documented = {o["name"]: o["desc"] for o in known[name]["outputs"]} if name in known else {}
        if set(documented) <= {"-"} or name == "stock_info_sz_name_code":  # "203 columns, not listed one by one"
            continue
        for theirs, to in route.columns.items():
            if theirs in other.get(name, ()):
                continue
            assert theirs in documented, (name, theirs)
            compared += 1
            unit = documented[theirs].partition("注意单位：")[2].strip()
            if unit and to.kind == "number" and to.name != "turnover":
                assert to.factor == factor_of[unit], (name, theirs, unit)
                units += 1
    assert compared > 100 and units > 30


def samples(real_data: Path) -> list[Path]:
    return sorted((real_data / "akshare_samples").glob("stock_zh_a_hist_daily_qfq_*.csv.gz"))


def test_true_saved_results_are_parsed_to_the_volume_and_amount_of_the_exchange(real_data: Path) -> None:
    files = samples(real_data)
    if not files:
        pytest.skip("no akshare_samples beside the real data")
    days = compared = 0
    for file in files:
        raw = pd.read_csv(file, dtype={"股票代码": str})
        made = translate(ROUTES["stock_zh_a_hist"], raw)
        assert len(made) == len(raw) and made["date"].is_monotonic_increasing
        symbol = symbol_of(raw["股票代码"].iloc[0])
        columns = ["date", "symbol", "volume", "amount"]
        path = real_data / "daily_bars" / "2020.parquet"
        year = pd.read_parquet(path, columns=columns, filters=[("symbol", "==", symbol)])
        both = made.merge(year, on="date", suffixes=("", "_2"))
        assert ((both["volume"] - both["volume_2"]).abs() <= 100).all()  # lots of 100 are rounded
        assert ((both["amount"] - both["amount_2"]).abs() <= 1e-6 * both["amount_2"]).all()
        days, compared = days + len(raw), compared + len(both)
    assert len(files) == 8 and days > 15_000 and compared > 1_500


def test_a_sample_is_the_same_on_every_machine_and_small() -> None:
    symbols = [f"{k:06d}.SZ" for k in range(1, 501)]
    assert sample(symbols) == sample(symbols[::-1]) and len(sample(symbols)) == 25
    assert min(symbols, key=lambda s: zlib.crc32(s.encode())) in sample(symbols)


def test_every_route_of_bars_has_another_behind_it() -> None:
    assert [function for function, _ in SOURCES] == ["stock_zh_a_hist", "stock_zh_a_daily", "stock_zh_a_hist_tx"]
    assert len({ROUTES[function].site for function, _ in SOURCES}) == 3
    assert callable(fetch_bars)


def test_reports_are_asked_for_by_quarter_for_the_whole_market_from_five_quarters_before() -> None:
    days = quarters(dt.date(2024, 6, 3), dt.date(2024, 12, 31))
    assert [str(day) for day in days] == [
        "2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31", "2024-03-31", "2024-06-30", "2024-09-30", "2024-12-31",
    ]  # fmt: skip
    assert set(FIGURES) == {*STATEMENTS, "stock_zcfz_bj_em"} and DISCLOSURE[0] == "stock_yysj_em"
    for function, names in FIGURES.items():
        assert set(names) <= {to.name for to in ROUTES[function].columns.values()}
