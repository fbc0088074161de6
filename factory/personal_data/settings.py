"""What of a line's section on personal data a result follows from, as data for a fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.personal_data.spec import NamesSpec, PersonalDataSpec, Policy
from factory.pico.models import model_revision


def describe_policy(spec: PersonalDataSpec, policy: Policy) -> dict[str, Any] | None:
    """The types of `policy` with their least scores, and what else decides what is found; None where no type has it."""
    types = spec.types_with(policy)
    return {"policy": policy, "of": sorted(types), **describe_finder(spec)} if types else None


def describe_finder(spec: PersonalDataSpec) -> dict[str, Any]:
    """Every type with its least score, how it is replaced, and each model with its revision."""
    named = [names.model_dump(exclude={"batch_size"}) | {"revision": _find_revision(names)} for names in spec.names]
    return {"thresholds": spec.thresholds, "placeholder": spec.placeholder, "names": named}


def _find_revision(spec: NamesSpec) -> str:
    """A package of spaCy is no model of the hub."""
    is_package = spec.kind == "spacy" and not Path(spec.model).is_dir()
    return spec.revision or "main" if is_package else model_revision(spec.model, spec.revision)
