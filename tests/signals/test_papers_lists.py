"""The papers' lists of factors: complete, in their order, every name registered."""

from __future__ import annotations

import numpy as np
import pytest
from real_data import DATA, on_real_data

from feeds.store import open_market
from signals.factors import registry
from signals.factors.panel import FactorPanel, month_ends
from signals.factors.papers import CLASSES, PAPERS, STYLES


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_every_name_is_registered_and_there_once(paper: str) -> None:
    names = PAPERS[paper]
    assert [name for name in names if name not in registry.registered()] == []
    assert len(set(names)) == len(names)


def test_the_lists_are_as_long_as_the_papers_print_them() -> None:
    counts = {paper: len(names) for paper, names in PAPERS.items()}
    # Appendix 1 of paper 2 prints 6 + 13 + 4 + 4 + 14 rows.
    assert (counts["paper-1"], counts["paper-2"], counts["paper-3"], counts["paper-4"]) == (20, 41, 70, 48)
    assert counts["paper-5"] >= 150
    assert len(STYLES) == 10 and all(len(names) >= 3 for names in STYLES.values())
    assert list(CLASSES) == ["value", "momentum", "technical", "trading", "sentiment"]
    assert all(len(names) >= 6 for names in CLASSES.values())


def test_the_sources_of_the_factors_name_the_paper_that_lists_them() -> None:
    words = {"paper-1": "paper 1", "paper-2": "paper 2", "paper-3": "paper 3"}
    for paper, said in words.items():
        for name in PAPERS[paper]:
            assert said in registry.get(name).source, name


def test_directions_are_those_of_chart_13_of_paper_3() -> None:
    known = registry.registered()
    high = {*PAPERS["paper-3"][:24], "cash_ratio", "current_ratio", "rating_average", "rating_change",
            "rating_targetprice", "holder_avgpctchange"}  # fmt: skip
    for name in PAPERS["paper-3"]:
        assert known[name].direction == (1 if name in high else -1), name


def test_styles_of_paper_4_need_nothing_that_free_data_lack() -> None:
    for name in PAPERS["paper-4"]:
        assert not any(given.startswith("none:") for given in registry.get(name).inputs), name


def test_a_paper_can_be_chosen_by_name() -> None:
    assert [one.name for one in registry.select(["paper-1"])] == list(PAPERS["paper-1"])


@on_real_data
def test_fundamental_factors_of_the_papers_cover_the_csi_300_but_for_what_the_data_lack() -> None:
    market = open_market(str(DATA), universe="csi300", start="2013-01-04", end="2019-12-31")
    panel = FactorPanel(market, month_ends(market.sessions, "2014-09-01"))
    members = panel.traded & panel.members("csi300")
    families = ("valuation", "growth", "quality", "leverage", "size", "shareholders", "sentiment")
    lacking, shares = [], {}
    for name in dict.fromkeys(name for paper in PAPERS for name in PAPERS[paper]):
        one = registry.registered().get(name)
        if one is None or one.family not in families or paper_five_alone(name):
            continue
        if one.missing(panel):
            lacking.append(name)
        else:
            shares[name] = float(np.isfinite(one(panel)[members]).mean())
    assert lacking == [
        "rd", "selling_expense", "ebit", "ebitda", "fixed_assets", "fcff", "cost_to_revenue", "fixed_asset_turnover",
        "cash_ratio", "rating_average", "rating_change", "rating_targetprice", "holder_avgpctchange",
    ]  # fmt: skip
    thin = {name: round(share, 2) for name, share in shares.items() if share < 0.8}
    assert set(thin) <= {"quick_ratio", "operating_to_total_profit", "ocf_g_q", "gross_margin_ttm"}, thin
    assert all(share > 0.2 for share in shares.values())


def paper_five_alone(name: str) -> bool:
    return not any(name in PAPERS[paper] for paper in PAPERS if paper != "paper-5")
