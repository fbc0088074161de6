"""What a person sees in the terminal while a line runs: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg
from pydantic import PrivateAttr
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from factory.records import FUNNEL
from factory.release.visible import make_visible
from resources.progress import Progress as Listener

OUT = Console()
ERR = Console(stderr=True)
WORTH_A_LINE = 1.0
"""Seconds from which making one leaf is told in a line of its own."""
QUIET = 15.0
"""Seconds after which a long piece of work says how far it is."""
SHOWN_LEAVES = 8
"""Leaves whose funnel stands above the bars."""
FILTERS = tuple(name for name, kind in FUNNEL.items() if kind.is_integer())
"""Columns of the funnel."""


class _Bars(Progress):
    """Bars of the assets under the funnel of the last leaves."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        self.funnels: dict[str, dict[str, int]] = {}
        super().__init__(*columns, console=console)

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.funnels:
            table = Table("leaf", *(Column(name, justify="right") for name in FILTERS), box=None, padding=(0, 2, 0, 0))
            for leaf, through in [*self.funnels.items()][-SHOWN_LEAVES:]:
                table.add_row(Text(leaf), *(f"{through[name]:,}" if name in through else "–" for name in FILTERS))
            yield table
        yield from super().get_renderables()


@dataclass
class _Tally:
    """What one asset has done so far."""

    asset: str
    leaves: int
    reused: int = 0
    rows: int = 0
    started: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    finished: int = 0


class ConsoleProgress(Listener):
    """Draws the work of a run."""

    _bars: _Bars | None = PrivateAttr(default=None)
    _task: TaskID | None = PrivateAttr(default=None)
    _tally: _Tally | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Listener]:
        if OUT.is_terminal:
            columns = (
                TextColumn("{task.description:<16}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._bars = _Bars(*columns, console=OUT)
            with self._bars:
                yield self
                self._end()
            return
        yield self
        self._end()

    def start(self, asset: str, leaves: int) -> None:
        self._end()
        self._tally = _Tally(asset, leaves)
        if self._bars is not None:
            self._task = self._bars.add_task(asset, total=float(leaves), note="")

    def advance(self, asset: str, leaf: str, done: int, total: int) -> None:
        tally = self._tally
        if tally is None:
            return
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=tally.finished + done / max(total, 1), note=f"{leaf} {done}/{total}".strip())
        elif time.monotonic() - tally.told > QUIET:
            tally.told = time.monotonic()
            OUT.print(f"  {asset:<16} {leaf} {done}/{total}", highlight=False, soft_wrap=True)

    def count(self, leaf: str, funnel: Mapping[str, int]) -> None:
        if self._bars is not None:
            self._bars.funnels[leaf] = {**self._bars.funnels.get(leaf, {}), **funnel}
            if "accepted" in funnel:
                self._bars.refresh()  # the end of a round is always seen, also when the next asset begins at once
        elif "accepted" in funnel:
            told = " → ".join(f"{name} {funnel[name]:,}" for name in FILTERS if name in funnel)
            OUT.print(f"  {leaf}: {told}", markup=False, highlight=False, soft_wrap=True)

    def stop(self, leaf: str, why: str) -> None:
        OUT.print(make_visible(f"  {leaf}: {why}"), style="yellow", markup=False, highlight=False, soft_wrap=True)

    def finish(self, asset: str, leaf: str, rows: int, seconds: float, reused: bool) -> None:
        tally = self._tally
        if tally is None or tally.finished == tally.leaves:
            return
        tally.finished += 1
        tally.rows += rows
        tally.reused += reused
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=float(tally.finished), note=leaf)
        elif leaf and not reused and seconds >= WORTH_A_LINE:
            tally.told = time.monotonic()
            OUT.print(f"  {asset:<16} {leaf}: {rows} rows, {seconds:.1f} s", highlight=False, soft_wrap=True)

    def _end(self) -> None:
        """Closes the asset that was at work with one line."""
        tally, self._tally = self._tally, None
        if tally is None:
            return
        note = _describe(tally)
        if self._bars is not None and self._task is not None:
            total = float(max(tally.leaves, 1))
            self._bars.update(self._task, total=total, completed=total, note=note)
            self._bars.stop_task(self._task)
            self._bars.funnels.clear()
        else:
            OUT.print(f"{tally.asset:<18} {note}", highlight=False, soft_wrap=True)


def _describe(tally: _Tally) -> str:
    seconds = time.monotonic() - tally.started
    rows = f"{tally.rows:,} row{'' if tally.rows == 1 else 's'}"
    if tally.finished and tally.reused == tally.finished:
        return f"as before, {rows}"
    made = tally.finished - tally.reused
    what = f"{made} of {tally.finished} made, " if tally.finished > 1 else ""
    return f"{what}{rows}, {seconds:.1f} s"
