"""Polite HTTP under AKShare: pace by host, time-outs, retries with jitter, one error for all that goes wrong.

AKShare calls ``requests`` in about 1,280 places, most without a time-out. Inside :meth:`Polite.requests` every one of
them goes through here, whichever session or adapter it uses, because ``Session.send`` itself is wrapped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from engine.errors import DataError

TIMEOUT = (10.0, 30.0)
"""Seconds to connect and to wait for bytes."""

DEADLINE = 120.0
"""Seconds for a whole request, however slowly its bytes come."""

QUOTES = "push2.eastmoney.com"
"""Eastmoney's hosts of quotes, which block long before its hosts of reports do."""

INTERVALS: dict[str, float] = {
    QUOTES: 0.8, "eastmoney.com": 0.8, "sina.com.cn": 2.0, "cninfo.com.cn": 1.2, "sina.cn": 2.0
}  # fmt: skip
"""Seconds between two requests to a site, by the end of its host name."""

INTERVAL = 1.0
"""Seconds between two requests to any other site."""

BLOCKED = frozenset({403, 405, 418, 429, 451, 456, 503})
"""Statuses by which these sites say that they were asked too often."""

GIVE_UP_AFTER = 3
"""Failed calls in a row after which a site is left alone for the rest of the run."""

_LONGEST_WAIT = 120.0


class SourceError(DataError):
    """A source is unavailable, blocks, or has changed; the sentence names function, symbol and what to try.

    Attributes
    ----------
    function : str
        Of AKShare; "" below the level of a call.
    reason : {"unavailable", "blocked", "changed", "empty"}
    final : bool
        Asking again at once would not help.
    """

    def __init__(
        self, sentence: str, *, function: str = "", reason: str = "unavailable", final: bool = False
    ) -> None:
        super().__init__(sentence)
        self.final = final
        self.function = function
        self.reason = reason


def site_of(url: str) -> str:
    """The last labels of a host name that stand for one site: ``datacenter.eastmoney.com`` is ``eastmoney.com``."""
    host = (urlsplit(url).hostname or "").lower().replace("push2his.", "push2.")
    for known in INTERVALS:
        if host == known or host.endswith("." + known):
            return known
    return host


class Polite:
    """Paces requests and repeats those that fail for a passing reason.

    Parameters
    ----------
    sleep, clock : callable
        Seconds to wait; monotonic seconds. Tests give their own, so that no time passes.
    seed : int
        Of the jitter.
    tries : int
        Attempts for one request.
    pace : float
        Factor on :data:`INTERVALS`; below 1 is at your own risk.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        seed: int = 1,
        tries: int = 4,
        pace: float = 1.0,
    ) -> None:
        self.sleep, self.clock, self.tries, self.pace = sleep, clock, tries, pace
        self.sent = 0
        self.last = ""
        self._random = random.Random(seed)
        self._next: dict[str, float] = {}
        self._failed: dict[str, int] = {}

    def interval(self, site: str) -> float:
        """Seconds between two requests to a site."""
        return INTERVALS.get(site, INTERVAL) * self.pace

    def check(self, site: str) -> None:
        """Refuse to ask a site that has failed :data:`GIVE_UP_AFTER` calls in a row.

        Raises
        ------
        SourceError
        """
        if self._failed.get(site, 0) >= GIVE_UP_AFTER:
            raise SourceError(
                f"{site} failed {GIVE_UP_AFTER} times in a row and is left alone in this run; wait an hour and fetch "
                "again, what is done is kept",
                reason="blocked",
                final=True,
            )

    def failed(self, site: str) -> None:
        """Count a call that a site did not answer as it should."""
        if site:
            self._failed[site] = self._failed.get(site, 0) + 1

    def worked(self, site: str) -> None:
        """Forget the failures of a site."""
        self._failed.pop(site, None)

    def wait(self, site: str) -> None:
        """Sleep until the site may be asked again, and book the next time."""
        now = self.clock()
        ready = self._next.get(site, now)
        if ready > now:
            self.sleep(ready - now)
            now = max(self.clock(), ready)
        self._next[site] = now + self.interval(site) * (1.0 + 0.3 * self._random.random())

    def backoff(self, attempt: int, asked: float = 0.0) -> None:
        """Sleep before attempt ``attempt + 1``: 2, 4, 8 ... seconds and up to half as much again, or as asked."""
        delay = max(2.0**attempt * (1.0 + 0.5 * self._random.random()), asked)
        self.sleep(min(delay, _LONGEST_WAIT))

    @contextlib.contextmanager
    def requests(self) -> Iterator[None]:
        """Send all that ``requests`` sends inside through :meth:`send`; sockets get a time-out too."""
        from requests.sessions import Session

        original: Any = Session.send
        before = socket.getdefaulttimeout()

        def send(session: Any, request: Any, **options: Any) -> Any:
            if options.get("timeout") is None:
                options["timeout"] = TIMEOUT

            def answer() -> Any:
                with deadline(DEADLINE):
                    return original(session, request, **options)

            return self.send(request, answer)

        Session.send = send  # type: ignore[method-assign, assignment]
        socket.setdefaulttimeout(TIMEOUT[1])
        try:
            yield
        finally:
            Session.send = original  # type: ignore[method-assign]
            socket.setdefaulttimeout(before)

    def send(self, request: Any, answer: Callable[[], Any]) -> Any:
        """One request: paced, repeated if the site does not answer or says that it is asked too often.

        Raises
        ------
        SourceError
            After the last attempt.
        """
        url = str(request.url)
        site = site_of(url)
        for attempt in range(1, self.tries + 1):
            self.check(site)
            self.wait(site)
            self.sent += 1
            self.last = site
            asked = 0.0
            try:
                response = answer()
            except OSError as error:  # all that requests raises is one
                what, reason = f"no answer ({type(error).__name__})", "unavailable"
            else:
                code = response.status_code
                if code < 400:
                    _vet(url, response)
                    return response
                blocked = code in BLOCKED
                what = f"status {code}, body {digest_of(response.content)}"
                reason = "blocked" if blocked else "unavailable"
                if not blocked and code < 500:
                    raise SourceError(f"{site} answered {what}", reason=reason, final=True)
                asked = _retry_after(response.headers)
            if attempt < self.tries:
                self.backoff(attempt, asked)
        raise SourceError(f"{site} gave {what} {self.tries} times", reason=reason, final=True)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError when what is inside takes longer: a time-out of a socket starts anew with every byte.

    Without effect outside the main thread, on a system without interval timers, and where one is running already.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def digest_of(body: bytes) -> str:
    """Length and the first digits of the SHA-256 of a body: enough to recognise a block page again."""
    return f"of {len(body)} bytes sha256:{hashlib.sha256(body).hexdigest()[:12]}"


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _vet(url: str, response: Any) -> None:
    """Refuse bodies that AKShare would evaluate as Python (Sina's adjustment factors) or silently stop at."""
    if urlsplit(url).path.endswith("AjaxNew"):
        _vet_block(url, response)
    if not urlsplit(url).path.endswith(("/hfq.js", "/qfq.js")):
        return
    parts = response.text.split("=")
    literal = parts[1].split("\n")[0] if len(parts) > 1 else ""
    try:
        json.loads(literal)
    except ValueError:
        raise SourceError(
            f"{site_of(url)} sent something other than JSON for adjustment factors "
            f"({digest_of(response.content)}), which is not evaluated",
            reason="changed",
        ) from None


def _vet_block(url: str, response: Any) -> None:
    """A block of a company's statements without data: AKShare would return the blocks before it as if they were all."""
    try:
        body = json.loads(response.text)
    except ValueError:
        return  # AKShare raises at these
    if not isinstance(body, dict) or not body.get("data"):
        raise SourceError(
            f"{site_of(url)} left out a block of statements ({digest_of(response.content)})", reason="unavailable"
        )
