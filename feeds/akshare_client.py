"""One client for all of AKShare: cached for good, polite, and with one error for whatever goes wrong upstream."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError, DataError
from feeds.akshare_cache import DATES, RawCache, Record
from feeds.akshare_http import Polite, SourceError
from feeds.akshare_routes import FACTOR_COLUMNS, ROUTES, Route, check_argument, translate

if TYPE_CHECKING:
    import pandas as pd

Arguments = Mapping[str, str]
NONE: dict[str, str] = {}

CALLS = 2
"""Times that a call is made whose answer cannot be used (each request inside is repeated besides)."""

MERGE_AT = 8
"""Frames of one stock from one route above which they are merged into one."""

RECHECK = 15
"""Calendar days before the end of what is there that an update asks for again."""

_OPTIONS = ("future.no_silent_downcasting", "future.infer_string", "display.max_rows", "display.max_columns",
            "display.width", "display.float_format")  # fmt: skip
"""Options of pandas that AKShare sets, or that users of it set in the same breath."""


class Client:
    """Calls functions of AKShare and keeps what they return.

    Parameters
    ----------
    folder : Path
        Where the raw frames live.
    today : date
        The day of this fetch: frames are filed under it.
    functions : object, optional
        Has the functions as attributes; the module ``akshare`` by default, imported on the first call.
    polite : Polite, optional
    now : callable, optional
        Wall-clock time for the records.
    """

    def __init__(
        self,
        folder: Path,
        *,
        today: dt.date,
        functions: Any = None,
        polite: Polite | None = None,
        now: Callable[[], dt.datetime] | None = None,
    ) -> None:
        self.cache = RawCache(folder, now)
        self.today = today
        self.polite = polite or Polite()
        self.calls = 0
        self._functions = functions

    def fresh(self, function: str, arguments: Arguments = NONE, *, days: int | None = None) -> bool:
        """Whether :meth:`frame` would answer without a call."""
        return self._kept(ROUTES[function], _checked(arguments), days) is not None

    def frame(self, function: str, arguments: Arguments = NONE, *, days: int | None = None) -> pd.DataFrame:
        """What a call returns, translated; from the disk if it was checked lately.

        Parameters
        ----------
        function : str
            A key of :data:`feeds.akshare_routes.ROUTES`.
        arguments : mapping of str to str
        days : int, optional
            See :attr:`feeds.akshare_routes.Route.days`, which is the default.

        Raises
        ------
        SourceError
            If the source is unavailable or has changed.
        """
        route = ROUTES[function]
        given = _checked(arguments)
        kept = self._kept(route, given, days)
        if kept is not None:
            with contextlib.suppress(DataError):  # a spoilt frame is asked for again
                return self._translated(route, self.cache.read(kept), given)
        return self._fetched(route, given)

    def history(self, function: str, arguments: Arguments = NONE) -> list[tuple[dt.date, pd.DataFrame]]:
        """All versions of a call on the disk, oldest first, each with the day it was first seen."""
        route = ROUTES[function]
        given = _checked(arguments)
        records = self.cache.records(function, given)
        return [(r.day, self._translated(route, self.cache.read(r), given)) for r in records]

    def windows(self, function: str, arguments: Arguments) -> list[Record]:
        """Records of a call with dates, whatever its dates, in the order in which they were fetched."""
        return self.cache.windows(function, _checked(arguments))

    def missing(
        self, function: str, start: dt.date, end: dt.date, arguments: Arguments
    ) -> tuple[dt.date, dt.date] | None:
        """The span that an update has to ask for; None if all is there. The last days are asked for again."""
        spans = sorted(_span(record) for record in self.windows(function, arguments))
        reached: dt.date | None = None
        for first, last in spans:
            if first <= start or (reached is not None and first <= reached):
                reached = last if reached is None else max(reached, last)
        if reached is None:
            return start, end
        return None if reached >= end else (max(start, reached - dt.timedelta(RECHECK)), end)

    def update(
        self, function: str, start: dt.date, end: dt.date, arguments: Arguments, *, may_be_empty: bool = False
    ) -> None:
        """Fetch what :meth:`missing` says, of a function that takes ``start_date`` and ``end_date``.

        Raises
        ------
        SourceError
            As :meth:`frame`; no rows are an error unless ``may_be_empty``.
        """
        span = self.missing(function, start, end, arguments)
        if span is not None:
            route = ROUTES[function]
            dates = {name: format(day, route.day_format) for name, day in zip(DATES, span, strict=True)}
            self._fetched(route, _checked({**arguments, **dates}), may_be_empty)

    def translated(self, record: Record) -> pd.DataFrame:
        """The frame of a record in our columns."""
        return self._translated(ROUTES[record.function], self.cache.read(record), record.arguments)

    def _kept(self, route: Route, given: Mapping[str, str], days: int | None) -> Record | None:
        records = self.cache.records(route.function, given)
        if not records:
            return None
        age = (self.today - records[-1].checked).days
        return records[-1] if age < max(1, route.days if days is None else days) else None

    def _translated(self, route: Route, frame: pd.DataFrame, given: Mapping[str, str]) -> pd.DataFrame:
        return translate(route, frame, FACTOR_COLUMNS if given.get("adjust") == "hfq-factor" else None)

    def _fetched(self, route: Route, given: Mapping[str, str], may_be_empty: bool | None = None) -> pd.DataFrame:
        words = ", ".join(given.values())
        problem: SourceError | None = None
        for attempt in range(1, CALLS + 1):
            try:
                self.polite.check(route.site)
                frame = self._call(route, given)
                found = self._translated(route, frame, given)
                if not len(found) and not (route.may_be_empty if may_be_empty is None else may_be_empty):
                    raise SourceError("it returned no rows", reason="empty")
            except SourceError as error:
                problem = error
                if error.final:
                    break
                if attempt < CALLS:
                    self.polite.backoff(attempt)
            else:
                self.polite.worked(route.site)
                self.cache.put(route.function, given, self.today, frame)
                if route.merged_by and len(self.cache.windows(route.function, given)) > MERGE_AT:
                    self.cache.merge(route.function, given, route.merged_by, self.today)
                return found
        assert problem is not None
        if problem.reason in ("unavailable", "blocked"):
            self.polite.failed(self.polite.last or route.site)
        raise SourceError(
            f"{route.function}({words}) could not be had: {problem}; {route.advice}",
            function=route.function,
            reason=problem.reason,
        ) from problem

    def _call(self, route: Route, given: Mapping[str, str]) -> pd.DataFrame:
        """One call. Whatever AKShare raises becomes a :class:`SourceError`."""
        import pandas as pd

        function = getattr(self._module(), route.function, None)
        if function is None:
            raise SourceError(
                f"this AKShare has no function {route.function}; install the version of locks/akshare-py311.txt",
                reason="changed",
            )
        if hasattr(function, "cache_clear"):
            function.cache_clear()
        self.calls += 1
        try:
            with quiet(), self._http():
                frame = function(**given)
        except (SourceError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            raise SourceError(_explain(error), reason=_reason(error)) from error
        if not isinstance(frame, pd.DataFrame):
            raise SourceError(f"it returned {type(frame).__name__} instead of a table", reason="changed")
        return frame.loc[:, ~frame.columns.duplicated()]

    def _module(self) -> Any:
        if self._functions is None:
            self._functions = load_akshare()
        return self._functions

    def _http(self) -> contextlib.AbstractContextManager[None]:
        try:
            import requests  # noqa: F401
        except ImportError:  # functions of a test that need no network
            return contextlib.nullcontext()
        return self.polite.requests()


def load_akshare() -> Any:
    """The module ``akshare``; what it does to the warning filters on import is undone.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        with quiet():
            import akshare
    except ImportError as error:
        raise ConfigError(
            f"fetching needs AKShare, which cannot be imported ({error}); pip install -r locks/akshare-py311.txt"
        ) from error
    return akshare


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what AKShare prints and its progress bars; put warning filters and pandas options back afterwards."""
    import pandas as pd

    saved: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for option in _OPTIONS:
            with contextlib.suppress(KeyError):
                saved[option] = pd.get_option(option)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            warnings.simplefilter("ignore")  # reading an option may warn, and AKShare may have made that an error
            for option, value in saved.items():
                if pd.get_option(option) != value:
                    pd.set_option(option, value)


def _checked(arguments: Mapping[str, str]) -> dict[str, str]:
    return {name: check_argument(name, str(value)) for name, value in sorted(arguments.items())}


def _span(record: Record) -> tuple[dt.date, dt.date]:
    first, last = (dt.date.fromisoformat(record.arguments[name].replace("-", "")) for name in DATES)
    return first, last


def _reason(error: Exception) -> str:
    name = type(error).__name__
    if name in ("NetworkError", "RateLimitError", "APIError") or isinstance(error, OSError):
        return "blocked" if name == "RateLimitError" or "JSONDecode" in name else "unavailable"
    return "changed"


def _explain(error: Exception) -> str:
    """What an exception of AKShare means, from the forms that its functions are known to fail in."""
    name, text = type(error).__name__, " ".join(str(error).split())[:160]
    if "JSONDecode" in name or name == "DataParsingError":
        return f"the answer is no JSON, as a block page is ({name})"
    if isinstance(error, ValueError) and "Length mismatch" in text:
        return f"the source has more or fewer fields than AKShare expects ({text})"
    if isinstance(error, ValueError) and "Excel" in text:
        return f"the answer is no Excel file, as a block page is ({text})"
    if isinstance(error, KeyError | TypeError | IndexError | AttributeError):
        return f"the answer has another shape ({name}: {text})"
    return f"{name}: {text}" if text else name
