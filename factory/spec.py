"""What every section of a line's spec shares: immutable, strict about keys, and the types of names and shares."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("expected at most 40 lower-case letters, digits and underscores, a letter first")
    return name


Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, AfterValidator(_check_name)]


class Spec(BaseModel):
    """A section of a line: immutable, and an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's `yes`, `no`, `on` and `off` would pass as the numbers 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("expected a value, not yes or no (true, false, yes, no, on and off mean that); put text in quotes")
        return value
