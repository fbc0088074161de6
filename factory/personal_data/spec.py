"""What a line says about personal data: what counts, which models look for names, and what is done about it."""

from __future__ import annotations

import difflib
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from factory.personal_data.types import NAMES, THRESHOLDS, TYPES
from factory.spec import Share, Spec

Policy = Literal["report", "refuse", "redact"]


class NamesSpec(Spec):
    """A model that finds names and places."""

    model: str = Field(min_length=1, description="A token classifier: a folder, or a hub id; of kind spacy, a folder or a package's name.")
    kind: Literal["transformers", "spacy"] = "transformers"
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub model.")
    languages: tuple[str, ...] = Field(default=(), description="Languages (BCP 47) of the records that it reads; none given, all.")
    labels: dict[str, str] = Field(default={}, description="Type by the model's label, where it is no usual one ('PER', 'LOC', 'GPE' …).")
    batch_size: int = Field(default=32, ge=1)

    @field_validator("labels")
    @classmethod
    def _of_known_types(cls, labels: dict[str, str]) -> dict[str, str]:
        _check_types(labels.values())
        return labels


class PersonalDataSpec(Spec):
    """Personal data in the records of a line.

    report: the privacy report counts it, and its gate decides. refuse: a candidate that holds some is rejected, with the reason
    personal_data. redact: a placeholder stands in its place from the beginning, so that no score, record id or release has seen it.
    """

    policy: Policy = Field(default="report", description="What is done about it: report, refuse or redact.")
    policies: dict[str, Policy] = Field(default={}, description="The policy of some types, such as 'PERSON: report'.")
    types: dict[str, Share | None] = Field(default={}, description="Least score by type; null leaves a type out.")
    placeholder: Literal["numbered", "type"] = Field(
        default="numbered", description="numbered: <PERSON_1>, the same for the same value in a record. type: <PERSON>."
    )
    names: tuple[NamesSpec, ...] = Field(default=(), description="Models that find names and places; without one nothing does.")

    @field_validator("policies", "types")
    @classmethod
    def _known(cls, given: dict[str, object]) -> dict[str, object]:
        _check_types(given)
        return given

    @model_validator(mode="after")
    def _findable(self) -> Self:
        if not self.names and (lone := sorted(set(self.types) & set(NAMES))):
            raise ValueError(f"types: only a model finds {' and '.join(lone)}: give names")
        return self

    @property
    def thresholds(self) -> dict[str, float]:
        """Least score of each type that is looked for."""
        usual = {**THRESHOLDS, **(NAMES if self.names else {})}
        return {kind: least for kind, least in (usual | self.types).items() if least is not None}

    def types_with(self, policy: Policy) -> frozenset[str]:
        """The types that are looked for and of this policy."""
        return frozenset(kind for kind in self.thresholds if self.policies.get(kind, self.policy) == policy)


def _check_types(given: object) -> None:
    for kind in given:  # type: ignore[attr-defined]
        if kind not in TYPES:
            near = difflib.get_close_matches(str(kind).upper(), sorted(TYPES), n=1, cutoff=0.5)
            raise ValueError(f"no type {kind!r}" + (f"; nearest: {near[0]}" if near else "; the types are in docs/personal-data.md"))
