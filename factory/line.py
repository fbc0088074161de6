"""The typed spec of a production line and its loader: one YAML file says everything about one line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Self
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator, model_validator

from factory.faults import Fault, InputFaults
from factory.seeds_spec import SeedsSpec, find_seed_faults, resolve_seed_paths
from factory.spec import Name, Share, Spec
from factory.spec_faults import list_faults, suggest
from factory.yaml_source import YamlSource, examine_yaml


class Sampling(Spec):
    """How a teacher samples one step."""

    temperature: float = Field(default=1.0, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=96, ge=1)


class Price(Spec):
    """Money per million tokens."""

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)


class TeacherSpec(Spec):
    """The model that writes."""

    model: str = Field(default="pico-teacher", min_length=1, description="A bundled pico model, a local Hugging Face folder, or a hub id.")
    revision: str | None = Field(default=None, description="Revision of a hub model.")
    batch_size: int = Field(default=60, ge=1)
    depth: int = Field(default=0, ge=0, description="Generation depth of the data that the teacher was trained on; real data is 0.")
    price: Price = Price()


class GenerationSpec(Spec):
    """How candidates are written."""

    teacher: TeacherSpec = TeacherSpec()
    candidates_per_leaf: int = Field(default=120, ge=1)
    examples_per_prompt: int = Field(default=3, ge=1)
    freeform_flow: str = Field(default="freeform", description="Flow for leaves without context.")
    grounded_flow: str = Field(default="grounded", description="Flow for knowledge and other leaves with context.")
    instruction: Sampling = Sampling(temperature=1.0)
    response: Sampling = Sampling(temperature=0.7)


class RewardSpec(Spec):
    """Which candidates are good enough."""

    model: str = Field(
        default="pico-reward", min_length=1, description="Sequence-classification model that scores what no verifier decides."
    )
    batch_size: int = Field(default=64, ge=1)
    min_reward: Share = Field(default=0.5, description="Least reward (probability of being good) that is accepted.")
    min_support: Share = Field(
        default=0.6, description="Least share of a response's words that stand in its context; for records with a context."
    )
    near_duplicate: float = Field(
        default=0.9, ge=0.06, le=1, description="Jaccard similarity of word shingles from which two instructions are near-duplicates."
    )


class Gate(Spec):
    """A threshold on one metric: exactly one of `max` and `min`."""

    max: float | None = None
    min: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError("give exactly one of max and min")
        return self


class Waiver(Spec):
    """A named person lets a failed gate through; the card shows it."""

    gate: str = Field(description="<report>.<metric>, as in the gate table.")
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class ValidationSpec(Spec):
    """Gates over the reports. `gates` overrides the defaults of factory.validation.gates by '<report>.<metric>'."""

    gates: dict[str, Gate] = Field(default={})
    waivers: tuple[Waiver, ...] = ()


class PhaseSpec(Spec):
    """One phase of supervised fine-tuning."""

    name: Name
    epochs: float = Field(default=4.0, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_ratio: Share = 0.05
    batch_size: int = Field(default=16, ge=1)
    max_length: int = Field(default=320, ge=8, description="Most tokens of one record; longer ones are left out and counted.")
    save_steps: int = Field(default=50, ge=1, description="A checkpoint each so many steps; a killed phase goes on from the last one.")


class EvaluationSpec(Spec):
    """What the student is measured on."""

    problems_per_leaf: int = Field(default=30, ge=0, description="Fresh verified problems for each leaf that has a problem writer.")
    max_new_tokens: int = Field(default=96, ge=1)
    batch_size: int = Field(default=128, ge=1)


class TrainingSpec(Spec):
    """Who learns from the release, and how."""

    student: str = Field(
        default="pico-student", min_length=1, description="A bundled pico model, a local Hugging Face folder, or a hub id."
    )
    phases: tuple[PhaseSpec, ...] = (PhaseSpec(name="sft"),)
    evaluation: EvaluationSpec = EvaluationSpec()

    @field_validator("phases")
    @classmethod
    def _named_once(cls, phases: tuple[PhaseSpec, ...]) -> tuple[PhaseSpec, ...]:
        names = [phase.name for phase in phases]
        if not names:
            raise ValueError("at least one phase is needed")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"phase names must differ; given twice: {', '.join(twice)}")
        return phases


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
    training: TrainingSpec = TrainingSpec()
    schedule: ScheduleSpec | None = None


MODEL_KEYS: tuple[tuple[str, ...], ...] = (("generation", "teacher", "model"), ("reward", "model"), ("training", "student"))


def load_line(file: Path) -> Line:
    """The line in `file`, its relative paths resolved against the file's folder.

    Raises InputFaults with every fault: unknown keys (with the nearest right key), bad values, missing folders.
    """
    source, faults = examine_yaml(file)
    if source is None:
        raise InputFaults(f"line {file}", faults)
    if not isinstance(source.data, dict):
        raise InputFaults(f"line {file}", [Fault(source.name, 1, 1, "", "expected keys and values, such as 'name: my_line'"), *faults])
    faults = (*faults, *find_seed_faults(source, file.parent), *_missing_models(source, file))
    try:
        line = Line.model_validate(source.data)
    except ValidationError as error:
        raise InputFaults(f"line {file}", [*faults, *list_faults(source, Line, error)]) from None
    if faults:
        raise InputFaults(f"line {file}", faults)
    return _with_local_models(line.model_copy(update={"seeds": resolve_seed_paths(line.seeds, file.parent)}), file)


def _missing_models(source: YamlSource, file: Path) -> list[Fault]:
    from factory.pico.models import PICO_MODELS

    faults = []
    for path in MODEL_KEYS:
        model = _given_text(source, path)
        if not model or model in PICO_MODELS or (file.parent / model).is_dir() or is_hub_id(model):
            continue
        if model.startswith("pico-"):
            faults.append(source.fault(path, f"no bundled model {model!r}; {suggest(model, PICO_MODELS)}"))
        else:
            faults.append(
                source.fault(path, f"no model folder {file.parent / model}; give a bundled model, a folder, or a hub id 'owner/name'")
            )
    return faults


def is_hub_id(model: str) -> bool:
    """Whether `model` has the form 'owner/name' of a Hugging Face hub id rather than of a path."""
    owner, slash, name = model.partition("/")
    return bool(slash and owner and name) and "/" not in name and not model.startswith((".", "~"))


def _with_local_models(line: Line, file: Path) -> Line:
    """Models given as folders relative to the line's file become absolute paths."""
    from factory.pico.models import PICO_MODELS

    data = line.model_dump()
    for *parents, key in MODEL_KEYS:
        section: Any = data
        for step in parents:
            section = section[step]
        if section[key] not in PICO_MODELS and (file.parent / section[key]).is_dir():
            section[key] = str((file.parent / section[key]).resolve())
    return Line.model_validate(data)


def _given_text(source: YamlSource, path: tuple[str, ...]) -> str | None:
    """The text that the document gives at `path`; null where it gives none."""
    value: Any = source.data
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
