"""What a run tells a person while it goes: nothing by default, because Dagster's own log tells it too."""

from collections.abc import Mapping

import dagster as dg


class Progress(dg.ConfigurableResource["Progress"]):
    """Listens to the work of a run; the command line has one that draws it."""

    def start(self, asset: str, leaves: int) -> None:
        """An asset begins, with so many leaves (1 for an asset of the whole line)."""

    def advance(self, asset: str, leaf: str, done: int, total: int) -> None:
        """A leaf has done so many of its units."""

    def count(self, leaf: str, funnel: Mapping[str, int]) -> None:
        """So many candidates of a leaf have come through each filter so far (columns of records.FUNNEL, as far as known)."""

    def stop(self, leaf: str, why: str) -> None:
        """A leaf is stopped early."""

    def finish(self, asset: str, leaf: str, rows: int, seconds: float, reused: bool) -> None:
        """A leaf (or, with an empty name, the whole line) is stored, or was found as it is."""
