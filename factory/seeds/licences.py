"""Whether a line admits a licence."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from factory.seeds_spec import UNKNOWN


def admits(licence: str, allow: Collection[str]) -> bool:
    """Whether `allow` (SPDX ids; all where empty) lets work under `licence` (an SPDX expression, or "unknown") be used.

    Of `A OR B` one must be allowed, of `A AND B` both; "unknown" is a name like any other.
    """
    from license_expression import Licensing

    return not allow or licence in allow or (licence != UNKNOWN and _holds(Licensing().parse(licence), frozenset(allow)))


def _holds(expression: Any, allow: frozenset[str]) -> bool:
    from license_expression import AND, OR

    if isinstance(expression, (AND, OR)):
        return (any if isinstance(expression, OR) else all)(_holds(part, allow) for part in expression.args)
    return str(expression) in allow
