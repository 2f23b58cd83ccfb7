"""The two protocols: ``honest`` sees the past alone, ``paper`` repeats a paper's leaks and is marked for it.

A signal that has ``protocol`` as a parameter and is given ``protocol="paper"`` may ask for the
:class:`FullHistory`. Only ``--protocol paper`` of a script hands one over, through :func:`hand_over`; the run is then
marked LEAKS. Views stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError, SignalError

if TYPE_CHECKING:
    from engine.market import Market
    from engine.view import View
    from signals.base import Signal

PROTOCOLS = ("honest", "paper")


class FullHistory:
    """The whole market, later sessions included, for a protocol that leaks.

    Attributes
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        self.market = market

    @property
    def whole(self) -> View:
        """A view that ends with the data."""
        from engine.view import View

        return View(self.market, len(self.market.sessions) - 1)


def protocol_of(signal: Any) -> str:
    """``paper`` if a signal or one of the signals among its parameters has that protocol."""
    return "paper" if "paper" in _protocols(signal) else "honest"


def _protocols(signal: Any) -> set[str]:
    found = {getattr(signal, "protocol", "honest")}
    for name in getattr(type(signal), "model_fields", ()):
        value = getattr(signal, name)
        for one in value if isinstance(value, list | tuple) else (value,):
            if callable(getattr(one, "predict", None)):
                found |= _protocols(one)
    return found


def check_protocol(signal: Any, protocol: str) -> None:
    """Refuse a run whose signals follow another protocol than the run, or both.

    Raises
    ------
    ConfigError
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"there is no protocol '{protocol}'; choose honest or paper")
    found = _protocols(signal) if signal is not None else {"honest"}
    if found == {protocol}:
        return
    name = type(signal).__name__
    if len(found) > 1:
        raise ConfigError(f"{name} mixes signals of protocol paper with honest ones; give all of them one protocol")
    if protocol == "honest":
        raise ConfigError(
            f"{name} has protocol 'paper', which leaks the future: ask for it with --protocol paper, whose runs are "
            "marked LEAKS, or take signal.protocol=honest"
        )
    who = "a run without a signal" if signal is None else name
    raise ConfigError(
        f"{who} has no leaks to repeat: only signals with the parameter 'protocol' have a protocol 'paper'; leave "
        "--protocol paper away"
    )


def hand_over(signal: Any, market: Market) -> Any:
    """The signal, and the signals among its parameters, with the full history in hand."""
    fields = getattr(type(signal), "model_fields", {})
    twin = signal.model_copy(update={name: _handed(getattr(signal, name), market) for name in fields})
    twin._full = FullHistory(market)
    return twin


def _handed(value: Any, market: Market) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_handed(one, market) for one in value)
    return hand_over(value, market) if callable(getattr(value, "predict", None)) else value


def full_history(signal: Signal) -> FullHistory:
    """The full history that a signal of protocol ``paper`` was given.

    Raises
    ------
    SignalError
        If it was given none, or is honest.
    """
    name = type(signal).__name__
    if signal.protocol != "paper":
        raise SignalError(f"{name} is honest and has no full history; give it protocol='paper'")
    if signal._full is None:
        raise SignalError(
            f"{name} has protocol 'paper' and was given no full history; run it with --protocol paper, or hand one "
            "over with signals.protocols.hand_over(signal, market)"
        )
    return signal._full
