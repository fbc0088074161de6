"""Runs a line from the command line: looked over first, one run at a time, in this process, with every failure in plain words."""

import difflib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.events import DagsterEvent, DagsterEventType

from assets.automation import range_tags
from assets.console import ERR, ConsoleProgress
from assets.definitions import build_definitions, build_resources, lines_folder
from assets.layout import FIRST_RUN_TAG, asset_key, leaves_name
from assets.leaves import STOPPED
from assets.seeds import sync_leaves
from factory.faults import FactoryError
from factory.generation.chat import ParkedError
from factory.generation.spending import BudgetSpentError, Spending
from factory.line import Line, load_line
from factory.records import METRIC, empty
from factory.seeds.survey import Survey
from resources.home import Home, open_instance, prepare_stores
from resources.lock import LINE_TAG, hold_line
from resources.models import Models

LEAF_ASSETS = ("seed_examples", "seed_documents", "candidates", "scored")
VERDICT_ASSETS = ("accepted", "rejected")
LEAST_ROOM = 50_000_000
"""Bytes. The bundled line's first run writes about 40 MB."""


class RunFailedError(FactoryError):
    """The run ended without success; the text says why."""


class GatesFailedError(RunFailedError):
    """A gate of the line failed, so that nothing was released or trained."""


class RunStoppedError(FactoryError):
    """The run was told to stop."""


@contextmanager
def explain_unfinished(what: str) -> Iterator[None]:
    """A server that does not answer, or a budget that is spent, as a RunFailedError that begins with `what`."""
    try:
        yield
    except (ParkedError, BudgetSpentError) as error:
        raise RunFailedError(f"{what}: {error} What was answered is in the ledger: run again to go on.") from error


@dataclass(frozen=True)
class Ended:
    """A run that ended well. `spending`: what it newly asked of teachers and judge."""

    survey: Survey
    run_ids: tuple[str, ...]
    spending: Spending


def open_line(name_or_file: str) -> Line:
    """The line of that name in the folder of lines, or the one in a file. Raises FactoryError where there is none, or with its faults."""
    file = Path(name_or_file)
    if not (file.suffix in {".yaml", ".yml"} or "/" in name_or_file):
        file = lines_folder() / f"{name_or_file}.yaml"
    if not file.is_file():
        known = sorted(each.stem for each in lines_folder().glob("*.yaml"))
        near = difflib.get_close_matches(name_or_file, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known lines: {', '.join(known) or 'none'}."
        raise FactoryError(f"There is no line {name_or_file!r}: no file {file}.{hint}")
    return load_line(file)


def preview_line(line: Line) -> None:
    """Raises FactoryError for what would otherwise fail in the middle of a run: flows, gates and waivers, a missing teacher or key."""
    from factory.generation.plan import list_flows, list_teachers
    from factory.generation.teachers import open_teacher
    from factory.reward.evaluation_sets import read_sets
    from factory.reward.judges import check_rubric, check_rubrics
    from factory.reward.served_model import check_keys
    from factory.validation.gates import decide_gates

    list_flows(line.generation)
    check_rubrics(line.reward)
    for judge in line.training.evaluation.models:
        check_rubric(judge, compares=judge is line.training.evaluation.judge)
    read_sets(line.reward.contamination)
    decide_gates(empty(METRIC), line.validation, datetime.now(UTC).date())
    judges = (line.generation.judge, *line.reward.judges, line.reward.pairs.judge, line.training.evaluation.judge)
    for section in (*list_teachers(line.generation), *(judge for judge in judges if judge)):
        open_teacher(section)
    check_keys(line.reward)


def _check_room(home: Home) -> None:
    home.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home.root).free
    if free < LEAST_ROOM:
        raise FactoryError(
            f"Only {free / 1e6:.0f} MB are free in {home.root}; a run wants at least {LEAST_ROOM / 1e6:.0f} MB for frames, checkpoints and "
            "models. Nothing was started and nothing is lost; make room, or point $FACTORY_HOME at another disk."
        )


def run_line(
    home: Home,
    line: Line,
    leaves: Sequence[str] = (),
    *,
    refresh: bool = False,
    ask_failed_again: bool = False,
    log_level: str = "CRITICAL",
) -> Ended:
    """Makes the whole line, or with `leaves` those leaves up to the verdict. `ask_failed_again`: also what was given up.

    Everything that can be seen beforehand is looked over before a teacher is asked.
    Raises LineBusyError where another process runs the line, FactoryError for bad input, RunFailedError with every reason otherwise.
    """
    preview_line(line)
    _check_room(home)
    prepare_stores(home)
    with hold_line(home, line.name), open_instance(home) as instance:
        survey = sync_leaves(instance, line)
        known = list(instance.get_dynamic_partitions(leaves_name(line)))
        if not known:
            raise FactoryError("No leaf can be made:\n" + "\n".join(f"  {reason}" for reason in survey.reasons))
        for reason in survey.reasons:
            ERR.print(f"left out: {reason}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        job = build_definitions([line], build_resources(home, ConsoleProgress())).resolve_job_def(line.name)
        run_ids: list[str] = []
        for part in _plan(line, known, _choose(known, leaves, survey)):
            try:
                result = job.execute_in_process(
                    instance=instance,
                    run_config=_configure(job, part, refresh=refresh, ask_failed_again=ask_failed_again, log_level=log_level),
                    tags=part.tags | {LINE_TAG: line.name} | ({FIRST_RUN_TAG: run_ids[0]} if run_ids else {}),
                    asset_selection=part.assets,
                    raise_on_error=False,
                )
            except dg.DagsterExecutionInterruptedError:
                raise RunStoppedError(STOPPED) from None
            run_ids.append(result.run_id)
            if not result.success:
                raise _name_failure(result.all_events)
        return Ended(survey, tuple(run_ids), Models().spending(line.generation, run_ids[0]))


def _name_failure(events: Sequence[DagsterEvent]) -> FactoryError:
    reasons = explain_failures(events)
    if STOPPED in reasons:
        return RunStoppedError(STOPPED)
    of_gates = any(_is_gate(check) for check in _failed_checks(events))
    return (GatesFailedError if of_gates else RunFailedError)("\n".join(reasons))


@dataclass(frozen=True)
class _Part:
    """One Dagster run of a plan. No `assets` means the whole job."""

    tags: dict[str, str]
    assets: list[dg.AssetKey] | None = None


def _choose(known: Sequence[str], asked: Sequence[str], survey: Survey) -> list[str]:
    """The asked leaves in the order of the partitions; FactoryError for one that there is not."""
    for leaf in asked:
        if leaf in known:
            continue
        if leaf in survey.left_out:
            raise FactoryError(f"Leaf {leaf} is left out: {'; '.join(survey.left_out[leaf])}")
        near = difflib.get_close_matches(leaf, known, n=1)
        raise FactoryError(f"There is no leaf {leaf!r}.{f' Did you mean {near[0]!r}?' if near else ''} `factory status` lists them.")
    return [leaf for leaf in known if leaf in asked]


def _plan(line: Line, known: list[str], chosen: list[str]) -> Iterator[_Part]:
    """One run over everything; or one for each row of chosen neighbours (a range is all that Dagster knows), then the verdict."""
    if not chosen:
        yield _Part(range_tags(known))
        return
    leaf_assets = [asset_key(line, name) for name in LEAF_ASSETS]
    for neighbours in group_neighbours(known, chosen):
        yield _Part(range_tags(neighbours), leaf_assets)
    yield _Part({}, [asset_key(line, name) for name in VERDICT_ASSETS])


def group_neighbours(known: Sequence[str], chosen: Sequence[str]) -> list[list[str]]:
    """`chosen`, in the order of `known`, cut where one of `known` lies between two."""
    groups: list[list[str]] = []
    for place, leaf in enumerate(known):
        if leaf not in chosen:
            continue
        if groups and place and groups[-1][-1] == known[place - 1]:
            groups[-1].append(leaf)
        else:
            groups.append([leaf])
    return groups


def _configure(job: dg.JobDefinition, part: _Part, *, refresh: bool, ask_failed_again: bool, log_level: str) -> dict[str, Any]:
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": log_level}}}}
    keys = part.assets or job.asset_layer.executable_asset_keys
    ops: dict[str, dict[str, Any]] = {}
    if refresh:
        nodes = {job.asset_layer.get(key).assets_def.op for key in keys}
        ops = {node.name: {"refresh": True} for node in nodes if node.has_config_field}
    if ask_failed_again:
        for key in keys:
            name = job.asset_layer.get(key).assets_def.op.name
            # What was given up may be a judge's answer.
            again = {"candidates": {"ask_failed_again": True}, "scored": {"refresh": True}}.get(key.path[-1], {})
            ops |= {name: ops.get(name, {}) | again} if again else {}
    return config | ({"ops": {name: {"config": given} for name, given in ops.items()}} if ops else {})


def explain_failures(events: Sequence[DagsterEvent]) -> list[str]:
    """Why a run failed, a paragraph each: failed checks by name, what the engine said, or the unexpected error with its step."""
    checks = [
        f"Gate failed: {check.description}" if _is_gate(check) else f"{check.asset_key.path[-1]}, {check.check_name}: {check.description}"
        for check in _failed_checks(events)
    ]
    reasons = []
    for event in events:
        if event.event_type == DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            said = failure.user_failure_data.description if failure.user_failure_data else None
            reasons.append(said or _explain_error(str(event.step_key), failure.error))
        elif event.event_type == DagsterEventType.RUN_FAILURE and not reasons:
            reasons.append(_explain_error("the run", event.job_failure_data.error))
    return [*checks, *(reason for reason in reasons if reason)] or ["The run failed; `factory ui` shows its log."]


def _is_gate(check: AssetCheckEvaluation) -> bool:
    return bool(check.asset_key.path[-1] == "gates")


def _failed_checks(events: Iterable[DagsterEvent]) -> list[AssetCheckEvaluation]:
    found = (event.asset_check_evaluation_data for event in events if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION)
    return [check for check in found if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR]


def _explain_error(step: str, error: Any) -> str:
    """The innermost cause. A failed blocking check says nothing that the check itself has not said."""
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None or error.cls_name == "DagsterAssetCheckFailedError":
        return ""
    told = str(error.message).strip()
    if error.cls_name in {"FactoryError", "InputFaults", "LineBusyError"}:
        return told.partition(": ")[2] or told
    return f"{step.rpartition('__')[2] or step} failed unexpectedly: {told} (`factory ui` shows the whole log; --debug prints it here)"
