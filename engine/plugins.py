"""One registry of plug-ins: built-in name, entry point, ``module:Class``, or path to a ``.py`` file."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config_values import parse_value
from engine.errors import ConfigError, HuiceError, nearest
from engine.plugin_files import append_to_path, digest_of, load, reason, sources

if TYPE_CHECKING:
    from engine.config import PluginConfig

__all__ = [
    "BUILTINS", "build", "check_parameters", "complete", "names", "parameter_names", "resolve", "resolve_any",
    "shorthand", "source_digest", "source_files",
]  # fmt: skip

BUILTINS: dict[str, dict[str, str]] = {
    "signal": {
        "reversal-20d": "signals.reversal:Reversal",
        "momentum-12-1": "signals.momentum:Momentum",
        "small-cap": "signals.small_cap:SmallCap",
        "low-turnover": "signals.low_turnover:LowTurnover",
        "factor": "signals.one_factor:OneFactor",
        "lstm-residual-value": "signals.lstm_residual_value:LstmResidualValue",
        "top-bottom-rnn": "signals.top_bottom:TopBottomRnn",
        "top-bottom-lstm": "signals.top_bottom:TopBottomLstm",
        "top-bottom-gru": "signals.top_bottom:TopBottomGru",
        "linear": "signals.top_bottom:TopBottomLinear",
        "mlp": "signals.top_bottom:TopBottomMlp",
        "xgboost": "signals.top_bottom:TopBottomXgboost",
        "three-class-rnn": "signals.three_class_rnn:ThreeClassRnn",
        "attention-gru": "signals.attention_gru:AttentionGruSignal",
        "lstm-price": "signals.lstm_price:LstmPrice",
        "blend": "signals.blend:Blend",
        "scores-file": "signals.scores_file:ScoresFile",
    },
    "strategy": {
        "top-n": "strategies.top_n:TopN",
        "layered": "strategies.layered:Layered",
        "top-quantile": "strategies.top_quantile:TopQuantile",
        "equal-weight": "strategies.equal_weight:EqualWeight",
        "industry-neutral": "strategies.industry_neutral:IndustryNeutral",
        "class-portfolios": "strategies.class_portfolios:ClassPortfolio",
        "mean-variance": "strategies.mean_variance:MeanVariance",
    },
    "fees": {
        "a-share": "engine.fees:FeeSchedule",
        "retail-2024": "engine.fees:Retail2024Fees",
        "fund": "engine.fees:FundFees",
        "paper-2": "engine.fees:PaperTwoFees",
        "percentage": "engine.undated_fees:PercentageFees",
        "zero": "engine.undated_fees:ZeroFees",
    },
    "slippage": {
        "none": "engine.slippage:NoSlippage",
        "yuan": "engine.slippage:FixedSlippage",
        "bps": "engine.slippage:BasisPoints",
        "ticks": "engine.slippage:Ticks",
        "volume-share": "engine.slippage:VolumeShare",
    },
    "overlay": {
        "volatility": "strategies.overlays.exposure:VolatilityTarget",
        "drawdown": "strategies.overlays.exposure:DrawdownStop",
        "timing": "strategies.overlays.exposure:MarketTiming",
        "max-weight": "strategies.overlays.limits:MaxWeight",
        "max-industry": "strategies.overlays.limits:MaxIndustry",
        "max-turnover": "strategies.overlays.limits:MaxTurnover",
    },
    "feed": {"files": "feeds.convert:FilesFeed"},
}
"""Kind, name, and where it is; imported when asked for."""

_GROUPS = {
    "signal": "huice.signals",
    "strategy": "huice.strategies",
    "fees": "huice.fees",
    "slippage": "huice.slippage",
    "overlay": "huice.overlays",
    "feed": "huice.feeds",
}

_MUST_HAVE = {
    "signal": ("fit", "predict"),
    "fees": ("on", "describe"),
    "slippage": ("max_shares", "price"),
    "overlay": ("apply", "acts"),
    "feed": ("write",),
}

FROM_THE_RUN = ("signal", "rebalance", "anchor", "overlays")
"""Parameters of a strategy that the run sets from options of its own."""


# -- finding ----------------------------------------------------------------------------------------


def resolve(kind: str, spec: str) -> type:
    """The class that ``spec`` names.

    Parameters
    ----------
    kind : {"signal", "strategy", "fees", "slippage", "overlay", "feed"}
    spec : str
        A built-in name, an entry point of the kind's group (``huice.signals`` ...), ``module:Class``, a
        path to a ``.py`` file that holds one plug-in of the kind, or ``path.py:Class``.

    Raises
    ------
    ConfigError
        If there is none, it is of another kind, or its file fails; one sentence.
    """
    spec = spec.strip()
    if spec in BUILTINS[kind]:
        return _from_module(kind, spec, BUILTINS[kind][spec])
    path, colon, name = spec.rpartition(":")
    if spec.endswith(".py"):
        return _from_file(kind, Path(spec), "")
    if colon and path.endswith(".py"):
        return _from_file(kind, Path(path), name)
    if "/" in spec or "\\" in spec:
        raise ConfigError(f"{kind} '{spec}' is no .py file; give the path of one, as my/idea.py or my/idea.py:Idea")
    if colon and all(part.isidentifier() for part in name.split(".")):
        return _from_module(kind, spec, spec)
    for point in _entry_points(kind):
        if point.name == spec:
            return _from_module(kind, spec, point.value)
    word = spec.partition(":")[0]
    hint = f"there is a file {word}.py: write {word}.py" if Path(f"{word}.py").is_file() else ""
    raise ConfigError(
        f"unknown {kind} '{word}'; {hint or nearest(word, names(kind)) + ' (or give module:Class or a .py file)'}"
    )


def resolve_any(spec: str, kinds: Sequence[str]) -> tuple[str, type]:
    """The kind and the class of a plug-in that may be of several kinds.

    Raises
    ------
    ConfigError
        If there is none, or the file holds more than one of them and none is named.
    """
    spec = spec.strip()
    for kind in kinds:
        if spec in names(kind):
            return kind, resolve(kind, spec)
    if not any(mark in spec for mark in (":", "/", "\\")) and not spec.endswith(".py"):
        known = [name for kind in kinds for name in names(kind)]
        raise ConfigError(f"unknown plug-in '{spec}'; {nearest(spec, known)} (or give module:Class or a .py file)")
    found: dict[str, type] = {}
    refused: list[ConfigError] = []
    for kind in kinds:
        try:
            found[kind] = resolve(kind, spec)
        except ConfigError as error:
            refused.append(error)
    if len(found) > 1:
        several = " and ".join(f"the {kind} {cls.__name__}" for kind, cls in found.items())
        raise ConfigError(f"'{spec}' holds {several}; name one, as {spec}:{next(iter(found.values())).__name__}")
    if not found:
        raise refused[0]
    return next(iter(found.items()))


def names(kind: str) -> list[str]:
    """Built-in names and entry points of a kind, sorted."""
    return sorted({*BUILTINS[kind], *(point.name for point in _entry_points(kind))})


def _entry_points(kind: str) -> Iterable[Any]:
    from importlib.metadata import entry_points  # a tenth of a second: only when a name is no built-in

    return sorted(entry_points(group=_GROUPS[kind]), key=lambda point: (point.name, point.value))


def _from_module(kind: str, spec: str, target: str) -> type:
    """The class at ``module:Class``."""
    module_name, _, path = target.partition(":")
    path = path.split("[")[0].strip()
    if not module_name or not path:
        raise ConfigError(f"{kind} '{spec}' is no module:Class; write for instance my_package.ideas:Idea")
    top = module_name.partition(".")[0]
    try:
        if top not in sys.modules and importlib.util.find_spec(top) is None:
            append_to_path(Path.cwd())  # last, so that nothing there shadows anything
        found: Any = importlib.import_module(module_name)
    except HuiceError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and module_name.startswith(str(error.name)):
            raise ConfigError(
                f"{kind} '{spec}': there is no module '{error.name}' on the path; give the path of its .py file"
            ) from None
        raise ConfigError(f"{kind} '{spec}' cannot be imported: {reason(error)}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            known = [k for k, v in vars(found).items() if isinstance(v, type) and _is_kind(kind, v)]
            raise ConfigError(f"{kind} '{spec}': '{module_name}' has no '{part}'; {nearest(part, known)}")
        found = getattr(found, part)
    return _checked(kind, spec, found)


def _from_file(kind: str, path: Path, name: str) -> type:
    """The class ``name``, or the only one of the kind, in a file."""
    if not path.is_file():
        raise ConfigError(f"{kind} '{path}': there is no such file; check the path")
    module = load(f"{kind} '{path.name}'", path)
    own = {key: value for key, value in vars(module).items() if isinstance(value, type)}
    if name:
        if name not in own:
            raise ConfigError(f"{kind} '{path}': it has no class '{name}'; {nearest(name, own)}")
        return _checked(kind, str(path), own[name])
    found = [
        cls for key, cls in own.items()
        if cls.__module__ == module.__name__ and not key.startswith("_") and _is_kind(kind, cls)
    ]  # fmt: skip
    found = list(dict.fromkeys(found))
    found = [cls for cls in found if not any(cls is not other and issubclass(other, cls) for other in found)]
    if not found:
        raise ConfigError(f"{kind} '{path}': it holds no {kind}; {_what_is_one(kind)}")
    if len(found) > 1:
        several = ", ".join(cls.__name__ for cls in found)
        raise ConfigError(f"{kind} '{path}': it holds several ({several}); name one, as {path}:{found[0].__name__}")
    return found[0]


def _checked(kind: str, spec: str, found: Any) -> type:
    if not isinstance(found, type) or not _is_kind(kind, found):
        name = getattr(found, "__name__", type(found).__name__)
        raise ConfigError(f"{kind} '{spec}': {name} is no {kind}; {_what_is_one(kind)}")
    return found


def _is_kind(kind: str, cls: type) -> bool:
    if kind == "strategy":
        import backtrader as bt

        return issubclass(cls, bt.Strategy) and cls.__module__ not in ("backtrader.strategy", "strategies.base")
    if cls.__module__ in ("signals.base", "strategies.overlays.base"):
        return False
    return all(callable(getattr(cls, method, None)) for method in _MUST_HAVE[kind])


def _what_is_one(kind: str) -> str:
    base = {
        "signal": "subclass signals.base.Signal",
        "strategy": "subclass strategies.base.RebalanceStrategy",
        "overlay": "subclass strategies.overlays.base.Overlay",
    }
    return base.get(kind) or f"{kind} have the methods " + " and ".join(_MUST_HAVE.get(kind, ()))


# -- sources ----------------------------------------------------------------------------------------


def source_files(cls: type) -> list[Path]:
    """The plug-in's file and the modules beside it that it imports; see :func:`engine.plugin_files.sources`."""
    return [path for path, _ in sources(cls)]


def source_digest(cls: type) -> str:
    """SHA-256 over the names and bytes of :func:`source_files`, as 64 hex digits."""
    return digest_of(sources(cls))


# -- parameters -------------------------------------------------------------------------------------


def parameter_names(cls: type) -> list[str]:
    """Names of the parameters that a plug-in class takes, in its own order.

    A strategy's ``signal``, ``rebalance``, ``anchor`` and ``overlays`` are left out: the run gives them.
    """
    return list(_defaults(cls))


_REQUIRED = object()


def _defaults(cls: Any) -> dict[str, Any]:
    """Parameters and their defaults; ``_REQUIRED`` for those without."""
    if hasattr(cls, "model_fields"):
        return {
            name: _REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
        }
    if hasattr(cls, "params") and hasattr(cls.params, "_getkeys"):
        pairs = zip(cls.params._getkeys(), cls.params._getdefaults(), strict=True)
        return {name: value for name, value in pairs if name not in FROM_THE_RUN}
    import dataclasses
    import inspect

    if dataclasses.is_dataclass(cls):
        return {
            field.name: field.default_factory() if field.default_factory is not dataclasses.MISSING
            else _REQUIRED if field.default is dataclasses.MISSING else field.default
            for field in dataclasses.fields(cls) if field.init
        }  # fmt: skip
    if cls.__init__ is object.__init__:
        return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        one.name: _REQUIRED if one.default is inspect.Parameter.empty else one.default
        for one in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if one.kind in named
    }


def check_parameters(kind: str, spec: str, given: Iterable[str]) -> None:
    """Refuse parameters that the plug-in does not have, naming the nearest.

    Raises
    ------
    ConfigError
        Also if there is no such plug-in.
    """
    given = list(given)
    if not spec:
        if given:
            raise ConfigError(f"there is no {kind}, so nothing takes the parameter '{given[0]}'; name a {kind}")
        return
    known = parameter_names(resolve(kind, spec))
    for name in given:
        if name in known:
            continue
        if kind == "strategy" and name in FROM_THE_RUN:
            raise ConfigError(f"'{name}' is an option of the run and no parameter of the strategy; give it as {name}")
        raise ConfigError(f"{kind} '{spec}' has no parameter '{name}'; {nearest(name, known)}")


def build(kind: str, plugin: PluginConfig, **extra: Any) -> Any:
    """Make a signal, a fee model, a slippage model or an overlay.

    Parameters
    ----------
    kind : {"signal", "fees", "slippage", "overlay"}
    plugin : PluginConfig
    extra
        Further keyword arguments of the constructor.

    Raises
    ------
    ConfigError
        If a parameter is unknown, missing or bad; one sentence.
    """
    cls = resolve(kind, plugin.name)
    check_parameters(kind, plugin.name, plugin.params)
    values = {**plugin.params, **extra}
    for name, default in _defaults(cls).items():
        if default is _REQUIRED and name not in values:
            raise ConfigError(f"{kind} '{plugin.name}' needs a value for its parameter '{name}'; give {kind}.{name}")
    try:
        return cls(**values)
    except HuiceError:
        raise
    except Exception as error:
        raise ConfigError(f"{kind} '{plugin.name}': {_what_is_bad(error)}") from error


def _what_is_bad(error: Exception) -> str:
    details = getattr(error, "errors", None)
    if not callable(details):
        return reason(error)
    first = details()[0]  # pydantic's
    message = first["msg"][:1].lower() + first["msg"][1:]
    where = ".".join(str(part) for part in first["loc"])
    return f"parameter '{where}' is {first.get('input')!r}; {message}" if where else message


def complete(kind: str, plugin: PluginConfig) -> PluginConfig:
    """The same plug-in with every parameter written out, checked.

    Defaults that a configuration cannot hold (``None``, objects) are left out.

    Raises
    ------
    ConfigError
        As :func:`build`; for a strategy also if a value is of another type than its default.
    """
    if not plugin.name:
        check_parameters(kind, plugin.name, plugin.params)
        return plugin
    if kind == "strategy":
        check_parameters(kind, plugin.name, plugin.params)
        defaults = _defaults(resolve(kind, plugin.name))
        values: Mapping[str, Any] = {
            name: _like(default, plugin.params[name], f"{kind} '{plugin.name}': parameter '{name}'")
            if name in plugin.params else default
            for name, default in defaults.items()
        }  # fmt: skip
    else:
        made = build(kind, plugin)
        own = parameter_names(type(made))
        values = {name: getattr(made, name, plugin.params.get(name)) for name in own}
    kept = {}
    for name, value in values.items():
        try:
            kept[name] = type(plugin)(name=plugin.name, params={name: value}).params[name]
        except ConfigError:
            if name in plugin.params:
                kept[name] = plugin.params[name]
    return type(plugin)(name=plugin.name, params=kept)


def _like(default: Any, value: Any, what: str) -> Any:
    """``value`` if it is of the kind of ``default``: Backtrader's parameters have no types of their own."""
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        if isinstance(value, float) and value.is_integer():
            return int(value)
    elif isinstance(default, float):
        fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif isinstance(default, str):
        fits, wanted = isinstance(value, str), "text"
    else:
        return value
    if not fits:
        raise ConfigError(f"{what} is {value!r}; it is {wanted}, {default!r} by default")
    return float(value) if isinstance(default, float) else value


def shorthand(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """Split ``bps:5`` or ``volume-share:cap=0.1,impact=0.1`` into name and parameters.

    Only behind a name of the registry; anything else is a name as it stands (``module:Class``, a path).
    A value without a key belongs to the parameter in its place.

    Raises
    ------
    ConfigError
        If there are more values than parameters.
    """
    name, colon, rest = text.strip().partition(":")
    if not colon or name not in _registered(kind):
        return text.strip(), {}
    own = parameter_names(resolve(kind, name))
    params: dict[str, Any] = {}
    for place, part in enumerate(filter(None, (piece.strip() for piece in rest.split(",")))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            if place >= len(own):
                raise ConfigError(f"{kind} '{text}': '{part}' is one value too many; '{name}' takes {len(own)}")
            key, value = own[place], part
        params[key] = parse_value(value)
    return name, params


@functools.cache
def _registered(kind: str) -> frozenset[str]:
    return frozenset(names(kind))
