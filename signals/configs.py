"""Frozen configurations that answer a wrong parameter with one sentence."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import ConfigError, nearest


class Named(BaseModel):
    """Base of steps and labels: fields are the parameters.

    Raises
    ------
    ConfigError
        At construction, if a parameter is unknown (the nearest is named) or its value is not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: ClassVar[str] = "configuration"
    """What the subclasses are, for messages."""
    name: ClassVar[str] = ""

    def __init__(self, **given: Any) -> None:
        known = list(type(self).model_fields)
        for key in given:
            if key not in known:
                raise ConfigError(f"{self.what} '{self.name}' has no parameter '{key}'; {nearest(key, known)}")
        try:
            super().__init__(**given)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}: " for part in first["loc"][:1])
            said = str(first["ctx"]["error"]) if "error" in first.get("ctx", {}) else first["msg"]
            raise ConfigError(f"{self.what} '{self.name}': {where}{said}") from None
