"""The `validation` section of a line, and the spec of a table: gates, waivers by named persons, kinds and roles of columns."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from factory.group_terms_spec import GroupTerms, find_shared_words
from factory.personal_data.spec import PersonalDataSpec
from factory.spec import Share, Spec

Severity = Literal["block", "warn"]
Kind = Literal["number", "category", "date", "boolean"]
Told = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Gate(Spec):
    """A threshold on one metric: exactly one of `max` and `min`."""

    max: float | None = None
    min: float | None = None
    severity: Severity = Field(default="block", description="What a failure does: keep the release from being made, or stand on its card.")

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError("give exactly one of max and min")
        return self

    @property
    def side(self) -> Literal["max", "min"]:
        return "max" if self.max is not None else "min"

    @property
    def threshold(self) -> float:
        threshold = self.max if self.max is not None else self.min
        assert threshold is not None
        return threshold


class Waiver(Spec):
    """A named person lets a failed gate through until a day; the card shows who, why and until when."""

    gate: str = Field(description="<report>.<metric>, as in the gate table.")
    by: Told
    reason: Told
    until: date = Field(description="Last day (UTC) on which the waiver holds.")


class GatesSpec(Spec):
    """Gates over the reports. `gates` overrides the thresholds that metrics are registered with, by '<report>.<metric>'."""

    gates: dict[str, Gate] = Field(default={})
    waivers: tuple[Waiver, ...] = ()


class ValidationSpec(GatesSpec):
    """What a line's reports read beside its records, and the gates over them."""

    embedder: str | None = Field(
        default=None,
        min_length=1,
        description="A sentence-transformers model, folder or hub id; else character n-grams, with no download.",
    )
    personal_data: PersonalDataSpec = PersonalDataSpec()
    population: dict[str, dict[str, Share]] = Field(
        default={}, description="Shares of the values of a declared group among those whom the line is for, by group; they sum to 1."
    )
    group_terms: tuple[GroupTerms, ...] = Field(
        default=(), description="Words that name groups of people; records are scored once more with each in its counterpart's place."
    )

    @field_validator("group_terms")
    @classmethod
    def _of_one_group(cls, entries: tuple[GroupTerms, ...]) -> tuple[GroupTerms, ...]:
        for fault in find_shared_words(entries):
            raise ValueError(fault)
        return entries

    @field_validator("population")
    @classmethod
    def _whole(cls, population: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for group, shares in population.items():
            if abs(sum(shares.values()) - 1) > 1e-6:
                raise ValueError(f"the shares of {group} sum to {sum(shares.values()):g}, not to 1")
        return population


class TableSpec(GatesSpec):
    """What a table says of itself for `factory validate`: kinds and roles of its columns, its gates and their waivers."""

    kinds: dict[str, Kind] = Field(default={}, description="Kind by column; of a column that is not named it is read off the real table.")
    ignore: tuple[str, ...] = Field(default=(), description="Columns that are not compared: identifiers, free text.")
    missing: tuple[str, ...] = Field(default=(), description="Cells that mean missing, beside empty ones: '?', '-999'.")
    quasi_identifiers: tuple[str, ...] = Field(default=(), description="Columns that an intruder may know of a person.")
    sensitive: tuple[str, ...] = Field(default=(), description="Columns that nobody may learn of a person.")
    groups: tuple[str, ...] = Field(default=(), description="Columns of categories or booleans between which fairness is measured.")
    target: str | None = Field(default=None, description="The column that a model made from the table would predict.")

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Columns by the role that they were given."""
        target = () if self.target is None else (self.target,)
        return {"quasi_identifiers": self.quasi_identifiers, "sensitive": self.sensitive, "groups": self.groups, "target": target}
