"""The typed spec of a production line and its loader: one YAML file says everything about one line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal, Self
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator, model_validator

from factory.faults import Fault, InputFaults
from factory.line_flows import FLOW_KEYS, find_flow_faults, locate_flow, locate_set, place_rubrics, place_sets
from factory.line_models import find_missing_models, get_at, locate_models
from factory.line_texts import find_text_faults, locate_texts
from factory.mixing_spec import MixingSpec
from factory.model_spec import Price, Sampling, TeacherSpec
from factory.reward_spec import RewardSpec
from factory.seeds_spec import SeedsSpec, find_seed_faults, resolve_seed_paths
from factory.spec import Name, Share, Spec
from factory.spec_faults import list_faults
from factory.training_spec import TrainingSpec
from factory.validation_spec import ValidationSpec
from factory.yaml_source import examine_yaml

Persona = Literal["precise", "creative"]


class BudgetSpec(Spec):
    """Most that one run may newly spend on teachers, judges and a served reward model together; what the ledger holds is free."""

    tokens: int | None = Field(default=None, ge=1, description="Prompt and completion tokens together.")
    money: float | None = Field(default=None, gt=0, description="In the currency of the line's price tables.")

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.tokens is None and self.money is None:
            raise ValueError("give tokens, money, or both")
        return self


class GenerationSpec(Spec):
    """How candidates are written."""

    teacher: TeacherSpec = TeacherSpec()
    teachers: tuple[TeacherSpec, ...] = Field(default=(), description="More teachers: each candidate draws one, or `teacher`, by weight.")
    judge: TeacherSpec | None = Field(default=None, description="Model that the judging steps of flows are put to.")
    candidates_per_leaf: int = Field(default=120, ge=1, description="Candidates of a leaf; with accepted_per_leaf, of its first round.")
    accepted_per_leaf: int | None = Field(
        default=None, ge=1, description="Accepted records that a leaf is topped up to, in rounds, until a stop rule holds."
    )
    most_candidates_per_leaf: int | None = Field(default=None, ge=1, description="Where topping up stops; else min_yield alone stops it.")
    min_yield: Share = Field(default=0.05, gt=0, description="Least share of accepted candidates with which a leaf is topped up.")
    yield_after: int = Field(default=100, ge=1, description="Candidates from which a leaf's yield says something.")
    budget: BudgetSpec | None = None
    examples_per_prompt: int = Field(default=3, ge=1)
    responses_per_instruction: int = Field(
        default=1, ge=1, le=64, description="Responses to one instruction, for preference pairs; each is a candidate."
    )
    flows: dict[str, str] = Field(
        default={}, description="Flow by pattern of leaf ('knowledge/*'), the first that matches: a bundled flow, or a file."
    )
    freeform_flow: str = Field(default="freeform", description="Flow for leaves without context.")
    grounded_flow: str = Field(default="grounded", description="Flow for knowledge and other leaves with context.")
    topic_flow: str = Field(default="open_questions", description="Flow for leaves that hold topics alone.")
    dialogue_flow: str = Field(default="dialogue", description="Flow for leaves of more than one turn.")
    tone: str | None = Field(default=None, min_length=1, description="Tone of leaves that name none.")
    turns: int | None = Field(default=None, ge=1, le=20, description="Turns in a candidate of leaves that do not say.")
    personas: dict[str, Persona] = Field(default={}, description="Persona by pattern of leaf, the first that matches; else precise.")
    instruction: Sampling = Sampling(temperature=1.0)
    response: Sampling = Sampling(temperature=0.7)
    judging: Sampling = Sampling(temperature=0.0, max_new_tokens=256)
    precise: Sampling = Sampling(temperature=0.0)
    creative: Sampling = Sampling(temperature=0.7)

    @property
    def models(self) -> tuple[TeacherSpec, ...]:
        """Teachers and judge."""
        return (self.teacher, *self.teachers, *([self.judge] if self.judge else []))

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        most = self.most_candidates_per_leaf
        if most is not None and self.accepted_per_leaf is None:
            raise ValueError("most_candidates_per_leaf bounds what accepted_per_leaf asks for: give that too, or candidates_per_leaf alone")
        if most is not None and most < self.candidates_per_leaf:
            raise ValueError(
                f"most_candidates_per_leaf {most} is less than the first round, candidates_per_leaf {self.candidates_per_leaf}"
            )
        return self


class ScheduleSpec(Spec):
    """When the line runs by itself, once its schedule is switched on."""

    cron: str = "0 2 * * *"
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _readable(cls, cron: str) -> str:
        from croniter import croniter

        if not croniter.is_valid(cron) or len(croniter.expand(cron)[0]) != 5:
            raise ValueError("not a cron expression of five fields, such as '0 2 * * *' for 02:00 each night")
        return cron

    @field_validator("timezone")
    @classmethod
    def _known(cls, timezone: str) -> str:
        if timezone not in available_timezones():
            near = difflib.get_close_matches(timezone, available_timezones(), n=1)
            raise ValueError("not an IANA time zone" + (f"; nearest: {near[0]}" if near else ""))
        return timezone


class Line(Spec):
    """One production line."""

    name: Name
    description: str = ""
    owner: str | None = Field(default=None, description="'team:<name>' or an e-mail address, shown on the line's assets.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    seeds: SeedsSpec
    generation: GenerationSpec = GenerationSpec()
    reward: RewardSpec = RewardSpec()
    validation: ValidationSpec = ValidationSpec()
    mixing: MixingSpec = MixingSpec()
    training: TrainingSpec = TrainingSpec()
    schedule: ScheduleSpec | None = None

    @model_validator(mode="after")
    def _money_is_counted(self) -> Self:
        budget, priced = self.generation.budget, [*self.generation.models, *self.reward.models]
        if budget and budget.money is not None and all(model.price == Price() for model in priced):
            raise ValueError(
                "generation.budget: a budget in money needs a price: give the price of a teacher, judge or reward model, or tokens"
            )
        return self

    @model_validator(mode="after")
    def _private_counts_records(self) -> Self:
        private = [phase.name for phase in self.training.plan if phase.private]
        if private and self.mixing.least_real_share:
            raise ValueError(
                f"mixing.least_real_share: phase {private[0]} is private, and how many records stand beside a real example would follow "
                "from that example, past the phase's epsilon: leave it out, or private"
            )
        return self


def load_line(file: Path) -> Line:
    """The line in `file`, its relative paths resolved against the file's folder.

    Raises InputFaults with every fault: unknown keys (with the nearest right key), bad values, missing folders and files.
    """
    source, faults = examine_yaml(file)
    if source is None:
        raise InputFaults(f"line {file}", faults)
    if not isinstance(source.data, dict):
        raise InputFaults(f"line {file}", [Fault(source.name, 1, 1, "", "expected keys and values, such as 'name: my_line'"), *faults])
    faults = (*faults, *find_seed_faults(source, file.parent), *find_missing_models(source, file), *find_flow_faults(source, file.parent))
    faults = (*faults, *find_text_faults(source, file.parent))
    try:
        line = Line.model_validate(source.data)
    except ValidationError as error:
        raise InputFaults(f"line {file}", [*faults, *list_faults(source, Line, error)]) from None
    if faults:
        raise InputFaults(f"line {file}", faults)
    seeds = resolve_seed_paths(line.seeds, file.parent)
    data = line.model_copy(update={"seeds": seeds, "generation": _with_local_flows(line.generation, file)}).model_dump()
    for place in place_rubrics(data):
        if isinstance(named := get_at(data, place), str):
            get_at(data, place[:-1])[place[-1]] = locate_flow(named, file.parent)
    for place in place_sets(data):
        get_at(data, place[:-1])[place[-1]] = locate_set(get_at(data, place), file.parent)
    return Line.model_validate(locate_texts(locate_models(data, file), file.parent))


def _with_local_flows(spec: GenerationSpec, file: Path) -> GenerationSpec:
    """Flows given as files relative to the line's file become absolute paths."""

    given = {key: locate_flow(getattr(spec, key), file.parent) for key in FLOW_KEYS}
    return spec.model_copy(update=given | {"flows": {pattern: locate_flow(flow, file.parent) for pattern, flow in spec.flows.items()}})
