"""Where a line names flows, and whether they are there; what is wrong inside of one is told where it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.faults import Fault
from factory.spec_faults import suggest
from factory.yaml_source import YamlSource

FLOW_KEYS = ("freeform_flow", "grounded_flow", "topic_flow", "dialogue_flow")
"""Keys of the generation section that name a flow."""
FLOWS = Path(__file__).parent / "generation/flows"


def list_bundled() -> list[str]:
    """Names of the bundled flows, sorted."""
    return sorted(path.stem for path in FLOWS.glob("*.yaml"))


def find_flow_faults(source: YamlSource, folder: Path) -> Iterator[Fault]:
    """A fault for each flow that the line `source` names and that is neither bundled nor a file; paths are relative to `folder`."""
    bundled = list_bundled()
    for place, named in _find_named(source.data):
        if named not in bundled and not (folder / named).is_file():
            yield source.fault(place, f"no file {(folder / named).resolve()} and no bundled flow {named!r}; {suggest(named, bundled)}")


def locate_flow(named: str, folder: Path) -> str:
    """A flow as a line names it, one in a file as an absolute path."""
    return str((folder / named).resolve()) if (folder / named).is_file() else named


def _find_named(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each flow that is named, with its place; what is no text is told by the line's types."""
    generation = data.get("generation")
    if not isinstance(generation, dict):
        return
    by_leaf = generation.get("flows")
    named: list[tuple[tuple[str, ...], Any]] = [(("generation", key), generation.get(key)) for key in FLOW_KEYS]
    named += [(("generation", "flows", pattern), flow) for pattern, flow in (by_leaf if isinstance(by_leaf, dict) else {}).items()]
    yield from ((place, flow) for place, flow in named if isinstance(flow, str))
