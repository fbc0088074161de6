"""What of a line's section on personal data a result follows from, as data for a fingerprint."""

from __future__ import annotations

from typing import Any

from factory.personal_data.spec import PersonalDataSpec, Policy
from factory.pico.models import model_revision


def describe_policy(spec: PersonalDataSpec, policy: Policy) -> dict[str, Any] | None:
    """The types of `policy` with their least scores, and what else decides what is found; None where no type has it."""
    types = spec.types_with(policy)
    return {"policy": policy, "of": sorted(types), **describe_finder(spec)} if types else None


def describe_finder(spec: PersonalDataSpec) -> dict[str, Any]:
    """Every type with its least score, how it is replaced, and each model with its revision."""
    named = [names.model_dump(exclude={"batch_size"}) | {"revision": model_revision(names.model, names.revision)} for names in spec.names]
    return {"thresholds": spec.thresholds, "placeholder": spec.placeholder, "names": named}
