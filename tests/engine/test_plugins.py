"""The registry of plug-ins: how each kind of name is found, what a file may hold, what its sources are."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import plugin_files, plugins
from engine.config import PluginConfig
from engine.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]

SIGNAL = """
    from signals.base import Signal

    class Mine(Signal):
        window: int = 5

        def predict(self, view):
            return view.scores(view.close[-1])
"""


@pytest.fixture(autouse=True)
def the_path_and_the_modules_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(plugin_files, "_APPENDED", set())
    monkeypatch.setattr(plugin_files, "_LOADED", {})
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("engine", "signals", "strategies", "feeds", "backtrader", "pydantic")):
            del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def refusal(kind: str, spec: object) -> str:
    with pytest.raises(ConfigError) as caught:
        plugins.resolve(kind, str(spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, of in plugins.BUILTINS.items() for name in of])
def test_every_builtin_is_where_the_registry_says_and_of_its_kind(kind: str, name: str) -> None:
    cls = plugins.resolve(kind, name)
    assert f"{cls.__module__}:{cls.__name__}" == plugins.BUILTINS[kind][name]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert refusal("signal", "momentun-12-1") == (
        "unknown signal 'momentun-12-1'; did you mean 'momentum-12-1'? (or give module:Class or a .py file)"
    )
    assert refusal("slippage", "bsp:5").startswith("unknown slippage 'bsp'; did you mean 'bps'?")


def test_a_name_that_lacks_its_ending_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine.py", SIGNAL)
    assert refusal("signal", "mine") == ("unknown signal 'mine'; there is a file mine.py: write mine.py")


def test_an_entry_point_of_an_installed_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "theirs.py", SIGNAL)
    info = tmp_path / "theirs-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    write(info / "entry_points.txt", "[huice.signals]\ntheir-signal = theirs:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.resolve("signal", "their-signal").__module__ == "theirs"
    assert "their-signal" in plugins.names("signal")
    assert "their-signal" not in plugins.names("strategy")


def test_module_and_class_are_found_on_the_path_and_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "ideas_of_mine" / "__init__.py", "")
    write(tmp_path / "ideas_of_mine" / "first.py", SIGNAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert plugins.resolve("signal", "ideas_of_mine.first:Mine").__name__ == "Mine"
    assert sys.path[-1] == str(tmp_path)
    assert refusal("signal", "ideas_of_mine.first:Min") == (
        "signal 'ideas_of_mine.first:Min': 'ideas_of_mine.first' has no 'Min'; did you mean 'Mine'?"
    )


def test_what_cannot_be_a_plugin_is_refused() -> None:
    assert refusal("signal", "nowhere_at_all:Idea") == (
        "signal 'nowhere_at_all:Idea': there is no module 'nowhere_at_all' on the path; give the path of its .py file"
    )
    assert refusal("signal", "math:sin") == "signal 'math:sin': sin is no signal; subclass signals.base.Signal"
    assert refusal("strategy", "signals.reversal:Reversal") == (
        "strategy 'signals.reversal:Reversal': Reversal is no strategy; subclass strategies.base.RebalanceStrategy"
    )
    assert refusal("signal", "my/idea") == (
        "signal 'my/idea' is no .py file; give the path of one, as my/idea.py or my/idea.py:Idea"
    )


# -- files ------------------------------------------------------------------------------------------


def test_a_file_is_loaded_under_a_private_name_with_its_folder_last_on_the_path(tmp_path: Path) -> None:
    path = write(tmp_path / "statistics.py", SIGNAL)
    cls = plugins.resolve("signal", str(path))
    assert cls.__name__ == "Mine"
    assert cls.__module__.startswith("_huice_plugin_")
    assert sys.path[-1] == str(tmp_path)
    import statistics

    assert statistics.mean([1, 3]) == 2  # the standard library's, not the plug-in beside it
    assert plugins.resolve("signal", str(path)) is cls


def test_a_folder_with_packages_named_like_ours_shadows_nothing(tmp_path: Path) -> None:
    for name in ("engine", "signals", "strategies"):
        write(tmp_path / name / "__init__.py", "raise RuntimeError('the package of the user ran')\n")
    path = write(
        tmp_path / "mine.py",
        """
        from strategies.base import RebalanceStrategy
        from engine.errors import HuiceError

        class Mine(RebalanceStrategy):
            params = (("hold", 3),)
        """,
    )
    cls = plugins.resolve("strategy", str(path))
    assert plugins.parameter_names(cls) == ["hold"]
    assert (tmp_path / "engine" / "__init__.py") not in plugins.source_files(cls)
    assert (ROOT / "strategies" / "base.py") in plugins.source_files(cls)


def test_a_file_may_hold_a_plugin_of_each_kind_and_what_it_imports_does_not_count(tmp_path: Path) -> None:
    path = write(
        tmp_path / "both.py",
        """
        import backtrader as bt
        from signals.base import Signal
        from signals.reversal import Reversal
        from strategies.base import RebalanceStrategy

        class _Base(Signal):
            pass

        class Score(_Base):
            pass

        class Trade(RebalanceStrategy):
            pass

        class Duck:
            def fit(self, history): ...
        """,
    )
    assert plugins.resolve("signal", str(path)).__name__ == "Score"
    assert plugins.resolve("strategy", str(path)).__name__ == "Trade"
    assert plugins.resolve("strategy", f"{path}:Trade").__name__ == "Trade"


def test_a_plain_backtrader_strategy_and_a_class_with_fit_and_predict_are_plugins(tmp_path: Path) -> None:
    path = write(
        tmp_path / "plain.py",
        """
        import backtrader as bt

        class Cross(bt.Strategy):
            params = dict(fast=5, slow=20)

        class Model:
            def __init__(self, depth=3, *, rate=0.1):
                self.depth, self.rate = depth, rate
            def fit(self, history): ...
            def predict(self, view): ...
        """,
    )
    assert plugins.parameter_names(plugins.resolve("strategy", str(path))) == ["fast", "slow"]
    assert plugins.parameter_names(plugins.resolve("signal", str(path))) == ["depth", "rate"]
    made = plugins.build("signal", PluginConfig(name=str(path), params={"rate": 0.2}))
    assert (made.depth, made.rate) == (3, 0.2)


def test_a_file_with_several_must_be_told_which_and_a_subclass_stands_for_its_base(tmp_path: Path) -> None:
    path = write(tmp_path / "many.py", SIGNAL + "\n    class Other(Signal):\n        pass\n")
    assert refusal("signal", path) == f"signal '{path}': it holds several (Mine, Other); name one, as {path}:Mine"
    assert plugins.resolve("signal", f"{path}:Other").__name__ == "Other"
    chain = write(tmp_path / "chain.py", SIGNAL + "\n    class Better(Mine):\n        pass\n")
    assert plugins.resolve("signal", str(chain)).__name__ == "Better"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1\n", "signal '{path}': it holds no signal; subclass signals.base.Signal"),
        ("x = 1\ndef f(:\n", "signal 'bad.py' cannot be loaded: line 2 is no Python (invalid syntax)"),
        (
            "\nimport nothing_here\n",
            "signal 'bad.py' cannot be loaded: line 2 raised ModuleNotFoundError (No module named 'nothing_here')",
        ),
        (
            "def f():\n    return 1 / 0\n\nf()\n",
            "signal 'bad.py' cannot be loaded: line 2 raised ZeroDivisionError (division by zero)",
        ),
        ("import sys\nsys.exit(3)\n", "signal 'bad.py' cannot be loaded: line 2 raised SystemExit (3)"),
    ],
)  # fmt: skip
def test_a_file_that_fails_is_explained_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = write(tmp_path / "bad.py", text)
    before = set(sys.modules)
    assert refusal("signal", path) == sentence.format(path=path)
    if "cannot be loaded" in sentence:
        assert not [name for name in set(sys.modules) - before if name.startswith("_huice_plugin_")]


def test_a_missing_file_or_class_is_named(tmp_path: Path) -> None:
    assert (
        refusal("signal", tmp_path / "no.py") == f"signal '{tmp_path / 'no.py'}': there is no such file; check the path"
    )
    path = write(tmp_path / "mine.py", SIGNAL)
    assert refusal("signal", f"{path}:Mien") == f"signal '{path}': it has no class 'Mien'; did you mean 'Mine'?"


def test_an_edited_file_or_helper_is_loaded_anew(tmp_path: Path) -> None:
    write(tmp_path / "helper_of_mine.py", "VALUE = 1\n")
    path = write(
        tmp_path / "mine.py",
        "from helper_of_mine import VALUE\n" + textwrap.dedent(SIGNAL) + "\n    level: int = VALUE\n",
    )
    first = plugins.resolve("signal", str(path))
    assert first().level == 1
    write(tmp_path / "helper_of_mine.py", "VALUE = 1000\n")
    second = plugins.resolve("signal", str(path))
    assert second().level == 1000
    assert plugins.source_digest(second) != "" and second is not first


def test_two_plugins_of_one_folder_share_the_modules_beside_them(tmp_path: Path) -> None:
    write(tmp_path / "helper_of_both.py", "class Shared: pass\n")
    text = "from helper_of_both import Shared\n" + textwrap.dedent(SIGNAL) + "\n    shared: type = Shared\n"
    one, two = (plugins.resolve("signal", str(write(tmp_path / name, text))) for name in ("one.py", "two.py"))
    assert one().shared is two().shared


def test_a_helper_of_the_same_name_in_another_folder_is_never_taken_by_mistake(tmp_path: Path) -> None:
    text = "from common_helper import VALUE\n" + textwrap.dedent(SIGNAL)
    for folder in ("a", "b"):
        write(tmp_path / folder / "common_helper.py", f"VALUE = '{folder}'\n")
        write(tmp_path / folder / "mine.py", text)
    plugins.resolve("signal", str(tmp_path / "a" / "mine.py"))
    assert refusal("signal", tmp_path / "b" / "mine.py") == (
        f"signal 'mine.py' imports 'common_helper' from beside it, but Python takes {tmp_path}/a/common_helper.py "
        "for it; rename one of them, or write `from .common_helper import ...`"
    )
    write(tmp_path / "b" / "mine.py", "from .common_helper import VALUE\n" + textwrap.dedent(SIGNAL))
    cls = plugins.resolve("signal", str(tmp_path / "b" / "mine.py"))
    assert sys.modules[cls.__module__].VALUE == "b"  # type: ignore[attr-defined]


# -- sources ----------------------------------------------------------------------------------------


def test_the_sources_are_the_file_and_all_that_it_imports_from_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "direct.py", "import deep.inner\n")
    write(tmp_path / "deep" / "__init__.py", "")
    write(tmp_path / "deep" / "inner.py", "from . import cousin\n")
    write(tmp_path / "deep" / "cousin.py", "")
    write(tmp_path / "late.py", "")
    write(tmp_path / "near.py", "")
    write(tmp_path / "json.py", "")  # the standard library's comes first
    write(tmp_path / "unrelated.py", "")
    path = write(
        tmp_path / "mine.py",
        "import json\nimport numpy as np\nfrom direct import x as y\nfrom .near import z\n"
        "def f():\n    import late\n" + "class Mine:\n    def fit(self, h): ...\n    def predict(self, v): ...\n",
    )
    named = plugin_files.sources(path)
    assert [name for _, name in named] == [
        "deep/__init__.py", "deep/cousin.py", "deep/inner.py", "direct.py", "late.py", "mine.py", "near.py",
    ]  # fmt: skip
    assert all(source == tmp_path / name for source, name in named)


def test_the_sources_of_a_builtin_are_its_file_and_its_room_without_the_engine() -> None:
    found = plugins.source_files(plugins.resolve("strategy", "top-n"))
    assert [path.relative_to(ROOT).as_posix() for path in found] == [
        "signals/__init__.py", "signals/learning/__init__.py", "signals/learning/refits.py", "strategies/__init__.py",
        "strategies/base.py", "strategies/targets.py", "strategies/top_n.py",
    ]  # fmt: skip
    (fees,) = plugins.source_files(plugins.resolve("fees", "a-share"))
    assert fees == ROOT / "engine" / "fees.py"


def test_a_plugin_on_top_of_a_builtin_has_the_builtins_source_as_well(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", "from signals.reversal import Reversal\nclass Mine(Reversal): ...\n")
    names = [name for _, name in plugin_files.sources(plugins.resolve("signal", str(path)))]
    assert names == ["mine.py", "signals/__init__.py", "signals/base.py", "signals/reversal.py", "signals/saved.py"]


def test_a_module_of_a_package_has_the_imports_of_its_own_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pack_of_mine" / "__init__.py", "")
    write(tmp_path / "pack_of_mine" / "tools.py", "")
    write(tmp_path / "pack_of_mine" / "sub" / "__init__.py", "")
    write(
        tmp_path / "pack_of_mine" / "sub" / "idea.py",
        "from ..tools import x as y\n".replace("x as y", "__name__ as y") + textwrap.dedent(SIGNAL),
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    cls = plugins.resolve("signal", "pack_of_mine.sub.idea:Mine")
    names = [name for _, name in plugin_files.sources(cls) if name.startswith("pack")]
    assert names == ["pack_of_mine/sub/idea.py", "pack_of_mine/tools.py"]


def test_the_digest_knows_content_and_names_but_not_the_place(tmp_path: Path) -> None:
    digests = []
    for folder, text in (("a", "V = 1\n"), ("b", "V = 1\n"), ("c", "V = 2\n")):
        write(tmp_path / folder / f"helper_{folder}.py", "")
        write(tmp_path / folder / "tool.py", text)
        path = write(tmp_path / folder / "mine.py", "from .tool import V\n" + textwrap.dedent(SIGNAL))
        digests.append(plugins.source_digest(plugins.resolve("signal", str(path))))
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


# -- parameters -------------------------------------------------------------------------------------


def test_a_plugin_is_built_with_its_parameters_checked() -> None:
    assert plugins.build("signal", PluginConfig(name="reversal-20d", params={"window": 7})).window == 7
    assert plugins.build("slippage", PluginConfig(name="bps", params={"bps": 5})).bps == 5


@pytest.mark.parametrize(
    ("kind", "name", "params", "sentence"),
    [
        (
            "signal",
            "reversal-20d",
            {"windw": 7},
            "signal 'reversal-20d' has no parameter 'windw'; did you mean 'window'?",
        ),
        (
            "signal",
            "reversal-20d",
            {"window": "long"},
            "signal 'reversal-20d': parameter 'window' is 'long'; input should be a valid integer, unable to parse "
            "string as an integer",
        ),
        (
            "signal",
            "small-cap",
            {"shares": "all"},
            "signal 'small-cap': parameter 'shares' is 'all'; input should be 'float' or 'total'",
        ),
        ("fees", "zero", {"rate": 1}, "fees 'zero' has no parameter 'rate'; there is none to choose from"),
        ("slippage", "yuan", {}, "slippage 'yuan' needs a value for its parameter 'yuan'; give slippage.yuan"),
        ("slippage", "bps", {"bps": -1}, "slippage option 'bps' is -1; it is hundredths of a percent of the price, "
         "not negative and below 10000"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_explained_in_one_sentence(kind: str, name: str, params: dict, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError) as caught:
        plugins.build(kind, PluginConfig(name=name, params=params))
    assert str(caught.value) == sentence


def test_a_constructor_that_fails_is_explained_too(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.py",
        """
        class Mine:
            def __init__(self, level=1):
                if level > 3:
                    raise ValueError("level is above 3")
            def fit(self, history): ...
            def predict(self, view): ...
        """,
    )
    with pytest.raises(ConfigError) as caught:
        plugins.build("signal", PluginConfig(name=str(path), params={"level": 9}))
    assert str(caught.value) == f"signal '{path}': ValueError (level is above 3)"


def test_what_the_run_gives_a_strategy_is_no_parameter_of_it() -> None:
    assert plugins.parameter_names(plugins.resolve("strategy", "top-quantile")) == ["share"]
