"""Where a line names flows, rubrics and evaluation sets, and whether they are there; what is wrong inside is told where it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.faults import Fault
from factory.line_models import Place, get_at
from factory.reward_spec import split_field
from factory.spec_faults import suggest
from factory.yaml_source import YamlSource

FLOW_KEYS = ("freeform_flow", "grounded_flow", "topic_flow", "dialogue_flow")
"""Keys of the generation section that name a flow."""
FLOWS = Path(__file__).parent / "generation/flows"
RUBRICS = Path(__file__).parent / "reward/rubrics"


def list_bundled(folder: Path = FLOWS) -> list[str]:
    """Names of the bundled flows, or of what else is bundled in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def find_flow_faults(source: YamlSource, folder: Path) -> Iterator[Fault]:
    """A fault for each flow, rubric or evaluation set that the line `source` names and that is not there, relative to `folder`."""
    places = [("flow", FLOWS, place) for place in _place_flows(source.data)]
    places += [("rubric", RUBRICS, place) for place in place_rubrics(source.data)]
    for what, bundled_in, place in places:
        named, bundled = get_at(source.data, place), list_bundled(bundled_in)
        if isinstance(named, str) and named not in bundled and not (folder / named).is_file():
            yield source.fault(place, f"no file {(folder / named).resolve()} and no bundled {what} {named!r}; {suggest(named, bundled)}")
    for place in place_sets(source.data):
        given = get_at(source.data, place)
        if isinstance(given, str) and given and not (file := split_field(str(folder / given))[0]).is_file():
            yield source.fault(place, f"no file {file.resolve()}; give a JSONL, CSV, Parquet or text file, and behind # the field to read")


def locate_flow(named: str, folder: Path) -> str:
    """A flow or rubric as a line names it, one in a file as an absolute path."""
    return str((folder / named).resolve()) if (folder / named).is_file() else named


def locate_set(given: str, folder: Path) -> str:
    """An evaluation set as a line gives it, its file as an absolute path."""
    file, field = split_field(str(folder / given))
    return f"{file.resolve()}#{field}" if field else str(file.resolve())


def _place_flows(data: dict[str, Any]) -> list[Place]:
    by_leaf = get_at(data, ("generation", "flows"))
    patterns = by_leaf if isinstance(by_leaf, dict) else {}
    return [*(("generation", key) for key in FLOW_KEYS), *(("generation", "flows", pattern) for pattern in patterns)]


def place_rubrics(data: dict[str, Any]) -> list[Place]:
    """Where a line, or its dump, names rubrics."""
    judges = get_at(data, ("reward", "judges"))
    listed: list[Place] = [("reward", "judges", i, "rubric") for i in range(len(judges) if isinstance(judges, list | tuple) else 0)]
    evaluating: list[Place] = [("training", "evaluation", key, "rubric") for key in ("judge", "grader")]
    return [*listed, ("reward", "pairs", "judge", "rubric"), *evaluating]


def place_sets(data: dict[str, Any]) -> list[Place]:
    """Where a line, or its dump, names evaluation sets."""
    sets = get_at(data, ("reward", "contamination", "sets"))
    return [("reward", "contamination", "sets", name) for name in (sets if isinstance(sets, dict) else ())]
