"""The configuration of a run: frozen, checked, to and from TOML, with overrides.

Everything that decides a run stands in :class:`RunConfig`; its TOML text in the run folder repeats the run.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.config_values import (
    check_cash,
    check_code,
    check_date,
    check_integer,
    check_known,
    check_one_of,
    check_rate,
    check_risk_free,
    check_symbols,
    check_text,
    check_universe,
    check_words,
    parse_override,
    plain,
    read_toml,
    toml,
    toml_key,
)
from engine.errors import ConfigError, nearest

PLUGIN_TABLES = ("strategy", "signal", "fees", "slippage")
"""Tables of a configuration that name a plug-in and hold its parameters."""

SYNTHETIC_START, SYNTHETIC_END = dt.date(2011, 1, 4), dt.date(2020, 12, 31)
"""Span of a run on the synthetic market when neither the run nor the data spec gives one."""


class PluginConfig(BaseModel):
    """A plug-in's name and parameters, written flat: ``{"name": "top-n", "hold": 50}``.

    Attributes
    ----------
    name : str
        Built-in name, entry point, ``module:Class`` or path, see :func:`engine.plugins.resolve`.
    params : dict
        In the order given; values are what TOML can hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"name": data}
        if not isinstance(data, Mapping):
            raise ConfigError(f"a plug-in is a name or a table, not {data!r}; write for instance 'top-n'")
        flat = {str(key): value for key, value in data.items()}
        name, params = flat.pop("name", None), flat.pop("params", {})
        if not isinstance(name, str | os.PathLike):
            raise ConfigError(f"a plug-in's name is text, not {name!r}")
        merged = {str(key): value for key, value in {**params, **flat}.items()}
        return {"name": os.fspath(name), "params": {k: plain(v, f"{name}: {k}") for k, v in merged.items()}}

    def flat(self) -> dict[str, Any]:
        """Name and parameters in one table."""
        return {"name": self.name, **self.params}


class RulesConfig(BaseModel):
    """The switches of :class:`engine.rules.Rules` that a run may set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    t_plus_one: bool = True
    lots: bool = True
    price_limits: bool = True
    limit_fills: Literal["moment", "touched", "locked"] = "moment"
    short_cash: Literal["cut", "refuse"] = "cut"
    size_at: Literal["decision", "fill"] = "decision"
    unfilled: Literal["carry", "drop"] = "carry"
    sells_first: bool = True
    corporate_actions: bool = True
    holder: Literal["individual", "fund", "none"] = "individual"
    rights: Literal["sell", "take_up", "lapse"] = "sell"
    delisting: Literal["successor", "last", "zero"] = "successor"

    @model_validator(mode="before")
    @classmethod
    def _check(cls, data: Any) -> Any:
        from engine.rules import Rules

        if not isinstance(data, Mapping):
            raise ConfigError(f"rules is {data!r}; it is a table, for instance lots = true")
        check_known(data, cls.model_fields, "rule")
        Rules(**data)  # its own sentences for values that it does not know
        return dict(data)


class RunConfig(BaseModel):
    """Everything that decides a run.

    Parameters
    ----------
    data : str
        Folder of the store's tables, or ``synthetic[:stocks=500,seed=1,...]``.
    universe : str or sequence of str
        ``all``, an index (``csi500``, ``000905``) as it was on each day, or symbols.
    exclude : sequence of str
        What is left out of the universe: ``st``, ``suspended``, ``delisting``, ``new:3M`` (:mod:`feeds.exclusions`).
    start, end : datetime.date, optional
        First and last day, inclusive; without them the whole span of the data (2011-01-04 to 2020-12-31
        on a synthetic market that names no span of its own).
    cash : float
        Yuan at the start.
    benchmark : str
        Index code; "" for none.
    benchmark_kind : {"total-return", "price"}
    rebalance : str
        See :meth:`engine.sessions.Schedule.parse`.
    anchor : int
        Month in which an n-month period ends, 1 to 12.
    fill : {"next_open", "next_close", "same_close"}
    risk_free : float or "cgb10y"
        Annual rate as a fraction, or the ten-year government bond's yield from the data.
    cash_rate : float
        Annual rate, a fraction, that cash earns.
    seed : int
    bar_feeds : sequence of str
        Symbols that Cerebro also holds as true feeds.
    strategy, signal, fees, slippage : PluginConfig, mapping or str
        A plug-in with its parameters; a text is its name, for built-ins also ``name:key=value,...``.
        The signal's name may be "" or "none".
    overlays : sequence of PluginConfig, mapping or str
        What the strategy's weights go through before they are ordered, in this order (:mod:`strategies.overlays`).
    rules : RulesConfig or mapping

    Raises
    ------
    ConfigError
        One sentence about the key or value at fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    FILLS: ClassVar[tuple[str, ...]] = ("next_open", "next_close", "same_close")
    BENCHMARK_KINDS: ClassVar[tuple[str, ...]] = ("total-return", "price")

    data: str = "synthetic"
    universe: str | tuple[str, ...] = "all"
    exclude: tuple[str, ...] = ()
    start: dt.date | None = None
    end: dt.date | None = None
    cash: float = 1_000_000.0
    benchmark: str = ""
    benchmark_kind: str = "total-return"
    rebalance: str = "1M"
    anchor: int = 12
    fill: str = "next_open"
    risk_free: float | Literal["cgb10y"] = 0.0
    cash_rate: float = 0.0
    seed: int = 1
    bar_feeds: tuple[str, ...] = ()
    strategy: PluginConfig = PluginConfig(name="top-n")
    signal: PluginConfig = PluginConfig(name="reversal-20d")
    fees: PluginConfig = PluginConfig(name="a-share")
    slippage: PluginConfig = PluginConfig(name="none")
    overlays: tuple[PluginConfig, ...] = ()
    rules: RulesConfig = RulesConfig()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:  # what the checks below let through
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"option '{where}' is {first.get('input')!r}: {first['msg'].lower()}") from None

    @model_validator(mode="before")
    @classmethod
    def _check(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        check_known(data, cls.model_fields, "option")
        return {key: _CHECKS[key](key, value) for key, value in data.items()}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        head, _, spec = self.data.strip().partition(":")
        if head == "synthetic":
            own = {part.partition("=")[0].strip() for part in spec.split(",")}
            for name, value in (("start", SYNTHETIC_START), ("end", SYNTHETIC_END)):
                if getattr(self, name) is None and name not in own:
                    # Past the freeze and not marked as set: other data given later have another span.
                    object.__setattr__(self, name, value)
        if self.start and self.end and self.start > self.end:
            raise ConfigError(f"end {self.end} is before start {self.start}; give an end on or after the start")
        from engine.sessions import Schedule

        Schedule.parse(self.rebalance, self.anchor)
        return self

    # -- in and out ---------------------------------------------------------------------------------

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make one from nested tables, as TOML has them."""
        return cls(**{str(key): value for key, value in values.items()})

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a TOML file.

        Raises
        ------
        ConfigError
            If it is missing, is no TOML, or holds an unknown key or a bad value.
        """
        values = read_toml(path)
        try:
            return cls.from_mapping(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def to_mapping(self) -> dict[str, Any]:
        """Nested tables as TOML has them; options without a value are left out."""
        values: dict[str, Any] = {}
        for key in type(self).model_fields:
            value = getattr(self, key)
            if isinstance(value, PluginConfig):
                value = value.flat()
            elif isinstance(value, RulesConfig):
                value = value.model_dump()
            elif isinstance(value, tuple):
                value = [one.flat() if isinstance(one, PluginConfig) else one for one in value]
            if value is not None:
                values[key] = value
        return values

    def to_toml(self) -> str:
        """The configuration as TOML; reading it back gives an equal one."""
        mapping = self.to_mapping()
        lines = [f"{key} = {toml(value)}" for key, value in mapping.items() if not isinstance(value, dict)]
        for name, table in mapping.items():
            if isinstance(table, dict):
                lines += ["", f"[{name}]"]
                lines += [f"{toml_key(key)} = {toml(value)}" for key, value in table.items()]
        return "\n".join(lines) + "\n"

    def canonical_json(self) -> str:
        """One line for hashing: sorted keys, and no ``data``, whose fingerprint stands for it."""
        mapping = self.to_mapping()
        del mapping["data"]
        return json.dumps(mapping, sort_keys=True, separators=(",", ":"), default=str)

    # -- changes ------------------------------------------------------------------------------------

    def with_overrides(self, overrides: Iterable[str]) -> Self:
        """Apply ``KEY=VALUE`` texts; see :meth:`with_values` for keys, values are TOML or else text.

        Examples
        --------
        >>> RunConfig().with_overrides(["hold=30", "signal.window=10", "cash=5e5"]).cash
        500000.0
        """
        return self.with_values(parse_override(text) for text in overrides)

    def with_values(self, changes: Iterable[tuple[str, Any]]) -> Self:
        """Apply changes given as (key, value), all together.

        Parameters
        ----------
        changes : iterable of (str, object)
            A key is an option (``cash``), ``table.parameter`` (``signal.window``, ``rules.lots``), or a
            parameter alone, looked up among those of the strategy and of the signal. Naming another
            plug-in drops the parameters of the one before.

        Raises
        ------
        ConfigError
            If a key is unknown or fits several plug-ins, or a value is bad.
        """
        fields = type(self).model_fields
        values: dict[str, Any] = {k: v for k, v in self.to_mapping().items() if k in self.model_fields_set}
        later = []
        for key, value in changes:
            table, dot, name = key.partition(".")
            if table in PLUGIN_TABLES and (not dot or name == "name"):
                new = _plugin(table, value)
                old = values.get(table) or fields[table].default.flat()
                values[table] = new.flat() if new.params or new.name != old["name"] else old
            elif not dot and key in fields:
                values[key] = value
            else:
                later.append((key, value))
        for key, value in later:
            table, dot, name = key.partition(".")
            if not dot:
                table, name = self._home(key, values), key
            elif table == "rules":
                values["rules"] = {**values.get("rules", {}), name: value}
                continue
            elif table not in PLUGIN_TABLES:
                raise ConfigError(f"unknown table in '{key}'; {nearest(table, (*PLUGIN_TABLES, 'rules'))}")
            plugin = values.get(table) or fields[table].default.flat()
            if dot:
                from engine.plugins import check_parameters

                check_parameters(table, plugin["name"], [name])
            values[table] = {**plugin, name: value}
        return self.from_mapping(values)

    def _home(self, key: str, values: Mapping[str, Any]) -> str:
        """The plug-in table whose plug-in has the parameter ``key``."""
        from engine.plugins import parameter_names, resolve

        known: dict[str, list[str]] = {}
        for table in ("strategy", "signal"):
            name = (values.get(table) or getattr(type(self)(), table).flat())["name"]
            known[table] = parameter_names(resolve(table, name)) if name else []
        homes = [table for table, names in known.items() if key in names]
        if len(homes) == 1:
            return homes[0]
        if homes:
            raise ConfigError(f"'{key}' is a parameter of both; write strategy.{key} or signal.{key}")
        words = {*type(self).model_fields, *known["strategy"], *known["signal"]}
        raise ConfigError(f"unknown option '{key}'; {nearest(key, words)}")

    def completed(self) -> Self:
        """The same with every parameter of the plug-ins written out, their names and values checked.

        Raises
        ------
        ConfigError
            If a plug-in cannot be found, or a parameter is unknown or bad.
        """
        from engine.plugins import complete

        changed: dict[str, Any] = {table: complete(table, getattr(self, table)).flat() for table in PLUGIN_TABLES}
        changed["overlays"] = [complete("overlay", overlay).flat() for overlay in self.overlays]
        return self.from_mapping({**self.to_mapping(), **changed})


def _overlays(key: str, value: Any) -> tuple[PluginConfig, ...]:
    if isinstance(value, str | Mapping | PluginConfig):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ConfigError(f"option '{key}' is {value!r}; it is a list such as [\"volatility:target=0.15\"]")
    made = (PluginConfig.model_validate(one) if isinstance(one, Mapping) else _plugin("overlay", one) for one in value)
    return tuple(made)


def _plugin(key: str, value: Any) -> PluginConfig:
    if isinstance(value, PluginConfig):
        return value
    if isinstance(value, Mapping):
        return PluginConfig.model_validate({"name": RunConfig.model_fields[key].default.name, **value})
    if key == "signal" and value in ("", "none"):
        return PluginConfig(name="")
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"option '{key}' is {value!r}; give a plug-in's name, module:Class, or a path to a .py file")
    from engine.plugins import shorthand

    name, params = shorthand(key, os.fspath(check_text(key, value)))
    return PluginConfig(name=name, params=params)


def _rules(key: str, value: Any) -> RulesConfig:
    return value if isinstance(value, RulesConfig) else RulesConfig.model_validate(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "data": check_text,
    "universe": check_universe,
    "exclude": check_words,
    "start": check_date,
    "end": check_date,
    "cash": check_cash,
    "benchmark": check_code,
    "benchmark_kind": check_one_of(RunConfig.BENCHMARK_KINDS),
    "rebalance": check_text,
    "anchor": check_integer,
    "fill": check_one_of(RunConfig.FILLS),
    "risk_free": check_risk_free,
    "cash_rate": check_rate,
    "seed": check_integer,
    "bar_feeds": check_symbols,
    "strategy": _plugin,
    "signal": _plugin,
    "fees": _plugin,
    "slippage": _plugin,
    "overlays": _overlays,
    "rules": _rules,
}
