"""Whether what a student was trained on lets it become champion, whatever it scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from factory.faults import FactoryError
from factory.release.manifest import GateVerdict, verify_release
from factory.validation_spec import GatesSpec


@dataclass(frozen=True)
class Standing:
    """`obstacles` keep a student from becoming champion; `notes` are what a reader should know beside. Each is a clause without a stop."""

    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Standing) -> Standing:
        return Standing(self.obstacles + other.obstacles, self.notes + other.notes)


def examine_releases(folders: Iterable[Path], spec: GatesSpec, today: date) -> Standing:
    """The standing of a student of the releases in `folders`, by the line's gates and waivers as they are now.

    Each must be as it was published, and each of its gates must have passed. A gate that only warns is noted. So is one that was waived, as
    long as the line has a waiver of it that holds `today`; after that it is an obstacle.
    """
    return sum((_examine(folder, spec, today) for folder in folders), Standing())


def _examine(folder: Path, spec: GatesSpec, today: date) -> Standing:
    try:
        manifest = verify_release(folder)
    except FactoryError as error:
        return Standing(obstacles=(str(error).rstrip("."),))
    passed = sum(gate.passed for gate in manifest.gates)
    standing = Standing(notes=(f"{passed} of {len(manifest.gates)} gates of release {folder.name} passed",))
    for gate in manifest.gates:
        if not gate.passed:
            standing += _judge_gate(folder.name, gate, spec, today)
    return standing


def _judge_gate(version: str, gate: GateVerdict, spec: GatesSpec, today: date) -> Standing:
    told = f"gate {gate.gate} of release {version}"
    if gate.severity == "warn":
        return Standing(notes=(f"{told} failed, and only warns",))
    if gate.waived_by is None:
        return Standing(obstacles=(f"{told} failed",))
    waived = f"{told} was waived by {gate.waived_by} until {gate.waived_until} ({gate.waiver_reason})"
    if any(waiver.gate == gate.gate and waiver.until >= today for waiver in spec.waivers):
        return Standing(notes=(waived,))
    # No date: the same obstacle is told alike each day, so that a student is not judged again for it.
    return Standing(obstacles=(f"{waived}, and the line has no waiver of it that still holds",))
