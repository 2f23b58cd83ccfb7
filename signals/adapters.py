"""One line from an estimator, a network or a plain function to a signal::

    Ridge = signal_of(sklearn.linear_model.Ridge(alpha=10.0), factors=("paper-1",), label=NextReturn())
    Trees = signal_of(xgboost.XGBClassifier(max_depth=4), factors=("momentum",), label=TopBottom(), window="72M")
    Net = signal_of(torch.nn.Sequential(...), factors=("paper-5",), label=TopK(k=10), steps=6, epochs=50)
    Small = signal_of(lambda view: -view.close[-1] * view.total_shares[-1])

Each gives a class, as if it had been written out: put the line into a ``.py`` file and name it on the command line. The
simple parameters of an estimator or a function become parameters of the signal, to be set, searched and recorded.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from engine.errors import ConfigError, SignalError, nearest
from signals.base import Signal
from signals.saved import Learnt
from signals.trained import TrainedSignal, Window

if TYPE_CHECKING:
    import pandas as pd

    from engine.view import View
    from signals.labels import Label

_LEFT_ALONE = ("random_state", "seed", "n_jobs", "nthread", "verbose", "verbosity", "missing", "warm_start")
"""Parameters of estimators that the signal sets itself, or that change nothing."""


def signal_of(
    model: Any,
    *,
    factors: tuple[str, ...] = (),
    label: Label | None = None,
    name: str = "",
    space: Mapping[str, Any] | None = None,
    lookback: int = 0,
    **defaults: Any,
) -> type[Signal]:
    """A signal class from a model.

    Parameters
    ----------
    model : estimator, torch.nn.Module, signals.neural.networks.NetworkConfig, or callable
        Something with ``fit``, ``predict`` and ``get_params``, as scikit-learn's and XGBoost's estimators; a network;
        or a function of a view (and keyword parameters) that returns one value a stock of the market.
    factors : tuple of str
        Factors, families or papers, for a model that learns.
    label : Label
        What such a model learns to predict.
    name : str
        Of the class; made from the model's by default.
    space : mapping, optional
        Hyper-parameters to search, each with its values.
    lookback : int
        Sessions that a function reads.
    **defaults
        Other defaults of parameters: ``window="72M"``, ``steps=6``, ``validation=0.1``, ``epochs=50`` ...

    Raises
    ------
    ConfigError
        If the model is none of these, or a default has no such parameter.
    """
    module = sys._getframe(1).f_globals.get("__name__", __name__)
    kind = _kind_of(model)
    if kind == "function":
        base, fields = _of_function(model, lookback)
        own = {"function": staticmethod(model), "sessions": lookback or 1}
    else:
        if not factors or label is None:
            raise ConfigError(f"a {kind} learns from factors: give signal_of factors=(...) and label=...")
        own = {"factors": (factors,) if isinstance(factors, str) else tuple(factors), "label": label}
        if kind == "estimator":
            base, fields = EstimatorSignal, _simple(model)
            own["estimator"] = model
        else:
            from signals.neural.signal import NetworkSignal

            base, fields = NetworkSignal, {}
            own["network"] = model
    if space:
        own["space"] = dict(space)
    known = [*base.model_fields, *fields]
    for key in (*defaults, *(space or ())):
        if key not in known:
            raise ConfigError(f"a signal of a {kind} has no parameter '{key}'; {nearest(key, known)}")
    annotations: dict[str, Any] = {}
    for key, value in fields.items():
        value = defaults.get(key, value)
        annotations[key], own[key] = _type_of(value), value
    for key, value in defaults.items():
        if key not in fields:
            field = copy.copy(base.model_fields[key])
            field.default = value
            annotations[key], own[key] = field.annotation, field
    title = name or f"{_title(model)}Signal"
    own |= {"__module__": module, "__qualname__": title, "__annotations__": annotations}
    own["__doc__"] = f"Made by signal_of from {getattr(model, '__name__', type(model).__name__)}."
    metaclass: Any = type(base)
    made: type[Signal] = metaclass(title, (base,), own)
    return made


def _title(model: Any) -> str:
    words = getattr(model, "__name__", type(model).__name__).strip("<>").split("_")
    return "".join(word[:1].upper() + word[1:] for word in words)


def _kind_of(model: Any) -> str:
    from signals.neural.networks import NetworkConfig

    if isinstance(model, type):
        raise ConfigError(f"signal_of is given the class {model.__name__}; give one of it, as {model.__name__}(...)")
    torch = sys.modules.get("torch")
    if isinstance(model, NetworkConfig) or (torch is not None and isinstance(model, torch.nn.Module)):
        return "network"
    if all(callable(getattr(model, method, None)) for method in ("fit", "predict", "get_params")):
        return "estimator"
    if callable(model):
        return "function"
    raise ConfigError(
        f"signal_of is given a {type(model).__name__}; it takes an estimator (fit, predict, get_params), a "
        "torch.nn.Module or a function of a view"
    )


def _type_of(value: Any) -> Any:
    return type(value) if not isinstance(value, bool | int) else (bool if isinstance(value, bool) else int | float)


# -- functions ---------------------------------------------------------------------------------------


class FunctionSignal(Signal):
    """A function of the view (and of keyword parameters) as a signal; it learns nothing."""

    function: ClassVar[Callable[..., Any]]
    sessions: ClassVar[int] = 1

    @property
    def lookback(self) -> int:
        return self.sessions

    def predict(self, view: View) -> pd.DataFrame:
        """Score as of ``view.date``: what the function returns for each of the N stocks, NaN for no score."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        values = np.asarray(type(self).function(view, **given), dtype=np.float64)
        if values.shape != (len(view.symbols),):
            raise SignalError(
                f"{type(self).__name__} returned values of shape {values.shape} on {view.date}; return one for each of "
                f"the {len(view.symbols)} stocks of the market"
            )
        return view.scores(values)


def _of_function(function: Callable[..., Any], lookback: int) -> tuple[type[Signal], dict[str, Any]]:
    own = list(inspect.signature(function).parameters.values())
    if not own or any(one.default is inspect.Parameter.empty for one in own[1:]):
        raise ConfigError("a function becomes a signal if it takes a view, and beside it parameters with defaults")
    return FunctionSignal, {one.name: one.default for one in own[1:]}


# -- estimators --------------------------------------------------------------------------------------


def _simple(estimator: Any) -> dict[str, Any]:
    """Parameters of an estimator that a configuration can hold; those with a name of ours begin with ``estimator_``."""
    found = {}
    for name, value in sorted(estimator.get_params(deep=False).items()):
        plain = isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
        if plain and name not in _LEFT_ALONE:
            taken = name in TrainedSignal.model_fields or hasattr(TrainedSignal, name) or name.startswith("_")
            found[f"estimator_{name}" if taken else name] = value
    return found


class EstimatorSignal(TrainedSignal):
    """An estimator of scikit-learn's kind as a signal.

    It is fitted on one core with ``random_state`` set to the seed. XGBoost's are kept as their own binary JSON. Others
    have no form but a pickle; of these the training rows are kept and the estimator is fitted to them again when it is
    loaded, and refused if it then answers otherwise.
    """

    estimator: ClassVar[Any]

    def versions(self) -> dict[str, str]:
        """Versions of NumPy and of the estimator's library."""
        library = type(self.estimator).__module__.split(".")[0]
        found = getattr(importlib.import_module(library), "__version__", "?")
        return {**super().versions(), library: str(found)}

    def made(self, seed: int) -> Any:
        """A new estimator with the signal's parameters."""
        own = copy.deepcopy(self.estimator)
        given = {}
        known = own.get_params(deep=False)
        for name in type(self).model_fields:
            theirs = name.removeprefix("estimator_")
            if theirs in known and (name not in TrainedSignal.model_fields):
                given[theirs] = getattr(self, name)
        if "random_state" in known:
            given["random_state"] = seed
        if "n_jobs" in known and (known["n_jobs"] is not None or hasattr(own, "get_booster")):
            given["n_jobs"] = 1  # None is all cores to XGBoost and one to scikit-learn
        return own.set_params(**given)

    def train(self, window: Window, seed: int, budget: float = 1.0) -> Learnt:
        """Fit the estimator to the samples, steps side by side; to some of them where the budget is less than 1."""
        if budget < 1.0:
            window = window.part(budget, seed)
        x = window.x.reshape(len(window.x), -1)
        y = window.codes if self._votes else window.y
        fitted = self._fitted(x, y, seed)
        if hasattr(fitted, "get_booster"):
            raw = bytes(fitted.get_booster().save_raw("ubj"))
            return Learnt({"booster": np.frombuffer(raw, dtype=np.uint8)}, {"seed": seed})
        key = hashlib.blake2b(x.tobytes() + np.asarray(y).tobytes(), digest_size=16).hexdigest()
        key = f"{key} {seed} {self.made(seed)!r}"
        _remember(key, fitted)
        probe = x[:: max(1, len(x) // 64)][:64]
        arrays = {"x": x, "y": np.asarray(y), "probe": probe, "said": self._said(fitted, probe)}
        return Learnt(arrays, {"seed": seed, "key": key})

    def output(self, model: Learnt, x: np.ndarray) -> np.ndarray:
        """Predicted values, or a probability for each class."""
        x = x.reshape(len(x), -1)
        if "booster" in model.arrays:
            return self._boosted(model.arrays["booster"].tobytes(), x)
        key = str(model.facts["key"])
        fitted = _MEMORY.get(key)
        if fitted is None:
            fitted = self._fitted(model.arrays["x"], model.arrays["y"], int(model.facts["seed"]))
            if not np.array_equal(self._said(fitted, model.arrays["probe"]), model.arrays["said"]):
                raise SignalError(
                    f"{type(self).__name__}: the estimator fitted again to its saved rows answers otherwise than when "
                    "it was saved; it is not deterministic, or its library has changed: fit it again"
                )
            _remember(key, fitted)
        return self._said(fitted, x)

    @property
    def _votes(self) -> bool:
        return bool(self.classes) and hasattr(self.estimator, "predict_proba")

    def _fitted(self, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        try:
            return self.made(seed).fit(x, y)
        except ValueError as error:
            said = next(iter(str(error).splitlines()), "")
            raise SignalError(f"{type(self).__name__}: the estimator cannot be fitted ({said})") from None

    def _said(self, fitted: Any, x: np.ndarray) -> np.ndarray:
        if not self._votes:
            return np.asarray(fitted.predict(x), dtype=np.float64).reshape(len(x))
        out = np.zeros((len(x), len(self.classes)))
        out[:, np.asarray(fitted.classes_, dtype=np.int64)] = fitted.predict_proba(x)
        return out

    def _boosted(self, raw: bytes, x: np.ndarray) -> np.ndarray:
        xgboost = importlib.import_module("xgboost")
        booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(raw))
        found = np.asarray(booster.inplace_predict(x), dtype=np.float64)
        if not self._votes:
            return found.reshape(len(x))
        return found if found.ndim == 2 else np.stack([1.0 - found, found], axis=1)


_MEMORY: OrderedDict[str, Any] = OrderedDict()
"""Fitted estimators by their rows and parameters: a fit is a function of these."""


def _remember(key: str, fitted: Any) -> None:
    _MEMORY[key] = fitted
    while len(_MEMORY) > 8:
        _MEMORY.popitem(last=False)
