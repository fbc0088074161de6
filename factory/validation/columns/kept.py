"""What several metrics compute of one table is computed once, and kept as long as the table is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from factory.validation.columns.table import Columns

Computed = TypeVar("Computed")


def computed_once(compute: Callable[[Columns], Computed]) -> Callable[[Columns], Computed]:
    """Keeps the result in the table itself, as functools.cached_property does: it goes when the table goes."""
    name = f"{compute.__module__}.{compute.__qualname__}"

    @functools.wraps(compute)
    def kept(columns: Columns) -> Computed:
        held: dict[str, Any] = vars(columns)
        if name not in held:
            held[name] = compute(columns)
        result: Computed = held[name]
        return result

    return kept
