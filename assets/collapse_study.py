"""`factory collapse-study`: makes the study, tells how far it is, and ends with what was made, where, and what it says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from assets.console import OUT, QUIET
from factory.collapse_study.study import Made, OnProgress, Study, run_study
from factory.collapse_study.wording import TITLES


def study_and_tell(study: Study, out: Path) -> Made:
    """Raises FactoryError for text that is too short and for what the disk refuses."""
    began = time.monotonic()
    with _follow() as report:
        made = run_study(study, out, report)
    for line in _describe(made, time.monotonic() - began):
        OUT.print(line, markup=False, highlight=False, soft_wrap=True)
    return made


@contextmanager
def _follow() -> Iterator[OnProgress]:
    """A bar for each experiment on a terminal; elsewhere a line for each that is made, and now and then one for what takes long."""
    if not OUT.is_terminal:
        yield _tell_now_and_then()
        return
    columns = (TextColumn("{task.description:<18}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=OUT) as bars:

        def report(experiment: str, what: str, done: float, pieces: int) -> None:
            if experiment not in tasks:
                tasks[experiment] = bars.add_task(TITLES[experiment], total=float(pieces), note="")
            bars.update(tasks[experiment], completed=done, note=what if done < pieces else "")

        yield report


def _tell_now_and_then() -> OnProgress:
    told = began = time.monotonic()

    def report(experiment: str, what: str, done: float, pieces: int) -> None:
        nonlocal told, began
        now = time.monotonic()
        if not what:
            told = began = now
        elif done >= pieces:
            OUT.print(f"{TITLES[experiment]:<18} {now - began:.1f} s", markup=False, highlight=False, soft_wrap=True)
        elif now - told > QUIET:
            told = now
            OUT.print(f"  {TITLES[experiment]:<16} {what}, {done:.1f}/{pieces}", markup=False, highlight=False, soft_wrap=True)

    return report


def _describe(made: Made, seconds: float) -> Iterator[str]:
    for experiment, said in made.says.items():
        yield f"{TITLES[experiment]}: {said}"
    series = f", {len(made.verdicts)} series against closed forms" if made.verdicts else ""
    yield f"{made.figures.height:,} figures{series}, {seconds:.0f} s"
    report, *others = made.files
    yield f"report: {report}"
    yield f"beside it: {', '.join(other.name for other in others)}"
