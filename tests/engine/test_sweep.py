"""Sweeps: the grid of an experiment, its points on one and many workers, what fails, what dies, and the page."""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import engine.backtest
from engine.errors import ConfigError, DataError
from engine.luck import luck
from engine.run_folder import BRIEF_FILES, FILES, Run
from engine.sweep import Experiment, Point, Sweep, sweep
from engine.sweep_backends import Backend
from engine.sweep_page import ABSOLUTE, context, maps, write_page
from engine.sweep_point import Answer

pytestmark = pytest.mark.usefixtures("own_cache")

BASE = """
data = "synthetic:stocks=40,end=2012-12-31"
start = 2012-06-01
"""
GRID = (
    BASE
    + """
[grid]
hold = [5, 10]
signal.window = [10, 20]
"""
)
MORTAL = """
    import os
    from pathlib import Path
    from signals.base import Signal

    class Mortal(Signal):
        fate: str = "lives"
        mark: str = ""

        def predict(self, view):
            mark = Path(self.mark)
            if self.fate == "dies" or (self.fate == "dies once" and not mark.exists()):
                mark.touch()
                os._exit(9)
            if self.fate == "divides":
                1 / 0
            return view.scores(-view.close[-1])
"""


def experiment(folder: Path, text: str = GRID) -> Experiment:
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return Experiment.from_toml(path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The grid of four, run in this process."""
    folder = tmp_path_factory.mktemp("sweep")
    found = sweep(experiment(folder), out=folder / "runs", backend=Backend(jobs=1))
    found.write_table()
    return found


def mortal(folder: Path, *fates: str) -> Experiment:
    """A sweep of a signal of the user's that may take its process with it."""
    (folder / "mortal.py").write_text(textwrap.dedent(MORTAL))
    signal = f'[signal]\nname = "{folder / "mortal.py"}"\nmark = "{folder / "mark"}"\n'
    return experiment(folder, f"{BASE}\n{signal}\n[grid]\nsignal.fate = {list(fates)!r}\n".replace("'", '"'))


# -- the file ---------------------------------------------------------------------------------------


def test_points_come_in_the_order_of_the_file_the_last_option_fastest(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    assert [point.values for point in found.points] == [
        (("hold", 5), ("signal.window", 10)),
        (("hold", 5), ("signal.window", 20)),
        (("hold", 10), ("signal.window", 10)),
        (("hold", 10), ("signal.window", 20)),
    ]
    config = found.points[1].config
    assert config is not None and (config.strategy.params["hold"], config.signal.params["window"]) == (5, 20)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hold = 5", "unknown option 'hold'"),
        (BASE, r"no table \[grid\]"),
        (BASE + "[grid]\n", r"no table \[grid\]"),
        (BASE + "[grid]\nhold = 5", r"\[grid\] hold is 5; give a list"),
        (BASE + "[grid]\nhold = []", r"\[grid\] hold is \[\]; give a list"),
        (BASE + "[grid]\nsignal.window = 5", r"\[grid\] signal.window is 5; give a list"),
        (BASE + "[grid]\nhold = [5, 10, 5]", r"\[grid\] hold has 5 twice"),
        (BASE + "[grid]\nhodl = [5, 10]", "'hodl'; did you mean 'hold'"),
        (BASE + '[grid]\nhold = [5, "ten"]', r'\[grid\] hold = "ten": '),
        (BASE + "[grid]\ncash = [1e6, -1.0]\nhold = [5, 10]", r"\[grid\] cash = -1.0: option 'cash' is -1"),
        (f"[grid]\nhold = {list(range(1, 401))}\nseed = {list(range(400))}", "160,000 points"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_name_and_key(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        experiment(tmp_path, text if "[grid]" in text or text == BASE else text + "\n[grid]\nseed = [1]\n")
    assert "grid.toml" in str(caught.value) and "\n" not in str(caught.value)


# -- the points -------------------------------------------------------------------------------------


def test_a_point_has_the_figures_and_daily_values_of_the_whole_run(done: Sweep, tmp_path: Path) -> None:
    config = done.experiment.points[2].config
    assert config is not None
    whole = engine.backtest.run(config, out=tmp_path)
    point = done.answers[2]
    assert point.run == whole.id and point.figures == whole.result["headline"]
    brief = Run.load(done.store / point.run, tables=False)
    pd.testing.assert_frame_equal(brief.equity, whole.equity)
    assert {key: whole.result[key] for key in brief.result if key != "warnings"} == brief.result
    row = done.table().iloc[2]
    assert (row["hold"], row["signal.window"], row["sharpe"]) == (10, 10, whole.result["headline"]["sharpe"])


def test_a_point_leaves_no_tables_until_its_run_is_repeated_whole(done: Sweep, tmp_path: Path) -> None:
    config = done.experiment.points[0].config
    assert config is not None
    first = sweep(experiment(tmp_path, f"{BASE}[grid]\nhold = [5]\nsignal.window = [10]"), out=tmp_path / "runs")
    folder = first.store / first.answers[0].run
    assert sorted(path.name for path in folder.iterdir()) == sorted(BRIEF_FILES)
    with pytest.raises(DataError, match=r"has no tables, as a sweep leaves it; .*--config .*config.toml adds them"):
        Run.load(folder)
    whole = engine.backtest.run(config, out=tmp_path / "runs")
    assert whole.folder == folder and not whole.reused and len(whole.fills)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    again = sweep(first.experiment, out=tmp_path / "runs")
    assert again.answers[0].reused and len(Run.load(folder).fills)


def test_every_point_counts_among_the_settings_tried(done: Sweep) -> None:
    run = Run.load(done.store / done.answers[0].run, tables=False)
    found = luck(run.result, run.equity, done.store)
    assert found is not None and found.trials == 4 and found.overfitting is not None


def test_the_table_is_the_same_for_two_workers_byte_for_byte(done: Sweep, tmp_path: Path) -> None:
    other = sweep(done.experiment, out=tmp_path / "runs", backend=Backend(jobs=2))
    assert other.write_table().read_bytes() == (done.folder / "sweep.parquet").read_bytes()
    for answer in done.answers:
        for name in BRIEF_FILES:
            assert (other.store / answer.run / name).read_bytes() == (done.store / answer.run / name).read_bytes()


def test_points_that_are_there_are_not_run_again(done: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(engine.backtest, "simulate", never)
    again = sweep(done.experiment, out=done.store, backend=Backend(jobs=1))
    assert [answer.reused for answer in again.answers] == [True] * 4
    pd.testing.assert_frame_equal(again.table(), done.table())


def test_a_point_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    text = BASE.replace("start = 2012-06-01", "") + "[grid]\nstart = [2012-06-01, 2030-01-01]\nhold = [5, 10]"
    told = []
    found = sweep(
        experiment(tmp_path, text), out=tmp_path / "runs", backend=Backend(jobs=1),
        progress=lambda *news: told.append(news),
    )  # fmt: skip
    table = found.table()
    assert table["error"].str.contains("no trading session from 2030-01-01").tolist() == [False, False, True, True]
    assert table["sharpe"].isna().tolist() == [False, False, True, True]
    assert table["start"].tolist() == ["2012-06-01"] * 2 + ["2030-01-01"] * 2
    assert [news[:2] for news in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert context(found)["facts"][1] == ("Failed", "2 of 4")


def test_an_error_of_a_plug_in_is_recorded_with_its_kind(tmp_path: Path) -> None:
    found = sweep(mortal(tmp_path, "lives", "divides"), out=tmp_path / "runs", backend=Backend(jobs=1))
    assert [answer.problem for answer in found.answers] == ["", "ZeroDivisionError: division by zero"]


def test_a_worker_that_dies_costs_its_own_point_at_most(tmp_path: Path) -> None:
    found = sweep(mortal(tmp_path, "lives", "dies"), out=tmp_path / "runs", backend=Backend(jobs=2))
    assert not found.answers[0].problem and found.answers[0].run
    assert "worker process died" in found.answers[1].problem


def test_a_point_whose_worker_died_once_is_run_again(tmp_path: Path) -> None:
    found = sweep(mortal(tmp_path, "lives", "dies once"), out=tmp_path / "runs", backend=Backend(jobs=2))
    assert [answer.problem for answer in found.answers] == ["", ""] and (tmp_path / "mark").exists()


# -- backends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "rey"}, "no backend 'rey'; did you mean 'ray'"),
        ({"name": "ray"}, "--backend ray needs the --address of a running cluster"),
        ({"name": "dask"}, "--backend dask needs the --address of a running cluster"),
        ({"address": "auto"}, "--address is of a cluster; add --backend ray"),
        ({"jobs": 0}, "--jobs is 0"),
    ],
)
def test_a_backend_that_cannot_be_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Backend(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "module"), [("ray", "ray"), ("dask", "distributed")])
def test_a_cluster_without_its_package_is_one_sentence(
    done: Sweep, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"is not installed; run: pip install 'huice\[{name}\]'"):
        sweep(done.experiment, out=done.store, backend=Backend(name, "127.0.0.1:1"))


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_loses_a_worker_and_a_node_and_gives_the_same_table(
    done: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both nodes run on this machine. One worker dies in the midst of a point, later a node after the first answer."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'huice[ray]')")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        cluster.wait_for_nodes()
        backend = Backend("ray", cluster.address, jobs=2)
        wanted = mortal(tmp_path, "lives", "dies once")
        found = sweep(wanted, out=tmp_path / "runs", backend=backend)
        assert (tmp_path / "mark").exists() and [answer.problem for answer in found.answers] == ["", ""]
        local = sweep(wanted, out=tmp_path / "local", backend=Backend(jobs=1))
        pd.testing.assert_frame_equal(found.table(), local.table())

        def lose_the_node(count: int, *_: object) -> None:
            if count == 1:
                cluster.remove_node(second, allow_graceful=False)

        other = sweep(done.experiment, out=tmp_path / "runs", backend=backend, progress=lose_the_node)
        assert other.write_table().read_bytes() == (done.folder / "sweep.parquet").read_bytes()
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
def test_a_dask_cluster_loses_a_worker_and_gives_the_same_table(done: Sweep, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (pip install 'huice[dask]')")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=os.fspath(tmp_path)
    ) as cluster:
        backend = Backend("dask", cluster.scheduler_address)
        wounded = sweep(mortal(tmp_path, "lives", "dies once"), out=tmp_path / "runs", backend=backend)
        found = sweep(done.experiment, out=tmp_path / "runs", backend=backend)
    assert (tmp_path / "mark").exists() and [answer.problem for answer in wounded.answers] == ["", ""]
    assert found.write_table().read_bytes() == (done.folder / "sweep.parquet").read_bytes()


# -- the page ---------------------------------------------------------------------------------------


def by_hand(axes: dict[str, Any], sharpes: Sequence[float | None]) -> Sweep:
    """A sweep that never ran, with the Sharpe ratios given."""
    points = [Point(tuple(zip(axes, each, strict=True)), None) for each in itertools.product(*axes.values())]
    answers = [Answer(k, figures={} if x is None else {"sharpe": x}) for k, x in enumerate(sharpes)]
    return Sweep(Experiment("hand", axes, points), answers, Path("nowhere"))


def test_a_heat_map_has_a_row_and_a_column_a_value_blue_above_its_middle() -> None:
    found = maps(by_hand({"hold": [5, 10], "seed": [1, 2]}, [0.5, 1.0, None, 1.5]), ABSOLUTE[:1])
    (shown,) = found
    assert shown.title == "Sharpe ratio by hold (down) and seed (across)" and shown.head == ["hold", "1", "2"]
    assert [[cell.text for cell in row] for row in shown.rows] == [["5", "0.50", "1.00"], ["10", "n/a", "1.50"]]
    # 0.5 is the low end (orange), 1.0 the middle (plain), 1.5 the high end (blue), all at full strength.
    assert [cell.colour for row in shown.rows for cell in row] == ["", "#dc8e5e", "", "", "", "#6598c8"]


def test_with_three_options_a_map_shows_the_median_over_the_third() -> None:
    sharpes = [1.0, 2.0, 9.0, 0.0, 0.0, 0.0]
    found = maps(by_hand({"hold": [5, 10], "fill": ["next_open"], "seed": [1, 2, 3]}, sharpes), ABSOLUTE[:1])
    assert [shown.title for shown in found] == ["Sharpe ratio by hold (down) and seed (across)"]
    axes = {"hold": [5, 10], "cash": [1e6, 1e7], "seed": [1, 2, 3]}
    found = maps(by_hand(axes, [1.0, 2.0, 9.0, *[4.0] * 3, *[0.0] * 6]), ABSOLUTE[:1])
    assert [shown.title.partition(" by ")[2] for shown in found] == [
        "hold (down) and cash (across)", "hold (down) and seed (across)", "cash (down) and seed (across)",
    ]  # fmt: skip
    assert [cell.text for cell in found[0].rows[0]] == ["5", "2.00", "4.00"]


def test_with_one_option_there_is_a_plain_table_of_its_values() -> None:
    (shown,) = maps(by_hand({"hold": [5, 10]}, [0.5, 1.0]), ABSOLUTE)
    assert shown.title == "By hold" and [row[1].text for row in shown.rows] == ["0.50", "1.00"]


def test_the_page_names_the_best_point_and_what_luck_leaves_of_it(done: Sweep) -> None:
    text = write_page(done).read_text(encoding="utf-8")
    best = max(done.answers, key=lambda answer: answer.figures["sharpe"])
    hold, window = (value for _, value in done.experiment.points[best.index].values)
    assert f"<b>hold {hold}, signal.window {window}</b>" in text
    assert "The folder of runs holds 4 settings of top-n" in text and "probability of backtest overfitting is" in text
    assert all(answer.run in text for answer in done.answers) and "Failed points" not in text
