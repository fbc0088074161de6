"""The training section of a line: the plan of phases, each with its data and its tuning, the presets of plans, and the evaluation."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from factory.reward_spec import ComparingJudgeSpec, GraderSpec, JudgeSpec
from factory.scale_spec import ScaleSpec, explain_share
from factory.seeds_spec import Kind
from factory.spec import Name, Share, Spec

Schedule = Literal["linear", "constant", "cosine"]
Method = Literal["sft", "dpo", "rpo"]
Preset = Literal["lab", "stacked"]
Select = Literal["last", "holdout_loss", "holdout_accuracy"]
DEFAULT_EPOCHS: Final = 4.0
ALL_LINEAR: Final = "all-linear"
"""What peft calls every linear layer but the output layer."""


class Bounds(Spec):
    """Least and most of a length, both included."""

    min: int | None = Field(default=None, ge=1)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self


class DataSpec(Spec):
    """Released records that a phase takes: those that all of what is given lets through."""

    kinds: tuple[Kind, ...] = Field(default=(), description="Kinds of leaves; none given: all.")
    leaves: tuple[str, ...] = Field(default=(), description="Patterns of leaves, such as 'knowledge/*'; none given: all.")
    half: Literal["short", "long"] | None = Field(
        default=None, description="Of these the half with the shorter or the longer responses, cut at their median in tokens."
    )
    response_tokens: Bounds | None = Field(default=None, description="Tokens of the response, by the student's tokenizer.")
    response_words: Bounds | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [name for name in ("half", "response_tokens", "response_words") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} bound the same length: give one of them")
        return self


class LoraSpec(Spec):
    """Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685): beside each frozen linear layer W, alpha / rank * B A is tuned."""

    rank: int = Field(default=16, ge=1, description="Rows of A and columns of B: the more, the more can be learnt and the more is held.")
    alpha: float = Field(default=32.0, gt=0, description="What the adapter counts: its product is multiplied by alpha / rank.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of an adapter's inputs that each step leaves out; 0 in dpo and rpo.")
    targets: tuple[str, ...] = Field(
        default=(ALL_LINEAR,),
        min_length=1,
        description="Names of linear layers, such as q_proj. all-linear, all but the output layer: to be as good as tuning all weights "
        "takes them all (Dettmers et al. 2023, arXiv:2305.14314; Schulman et al. 2025, 'LoRA Without Regret').",
    )

    @field_validator("targets", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given


class TuningSpec(Spec):
    """How a phase is tuned, whatever its data."""

    epochs: float | None = Field(
        default=None, gt=0, description=f"Passes over the phase's data; {DEFAULT_EPOCHS:g} where tokens is not given."
    )
    tokens: int | None = Field(
        default=None, ge=1, description="Instead of epochs: tokens to read, prompts included, in as many passes as it takes."
    )
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_ratio: Share = 0.05
    schedule: Schedule | None = Field(
        default=None,
        description="What the rate does after warm-up: linear (to 0), cosine (to 0) or constant. Linear; in the preset lab constant.",
    )
    batch_size: int = Field(default=16, ge=1, description="Records that are computed at once.")
    gradient_accumulation: int = Field(default=1, ge=1, description="Batches to one step: the effective batch is batch_size times this.")
    max_length: int = Field(default=320, ge=8, description="Context: most tokens of one record; longer ones are left out and counted.")
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations twice instead of keeping them: less memory, more time."
    )
    lora: LoraSpec | None = Field(default=None, description="Tune low-rank adapters, merged in the end, instead of all weights.")
    packing: bool = Field(default=False, description="Several records in one row of at most max_length tokens, none of which sees another.")
    save_steps: int = Field(default=50, ge=1, description="A checkpoint each so many steps; a killed phase goes on from the last one.")
    select: Select = Field(
        default="last",
        description="The phase's student: its last checkpoint, or that of the least loss on held-out seeds, or of the most right answers "
        "to them; of equals the earlier.",
    )

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if self.epochs is not None and self.tokens is not None:
            raise ValueError("epochs and tokens both say how long the phase is: give one of them")
        return self


class PreferenceSpec(Spec):
    """How a phase learns from preference pairs."""

    beta: float = Field(default=0.1, gt=0, description="Reward per nat of log-ratio to the phase's base: the less, the further from it.")
    eta: float = Field(default=1.0, gt=0, description="rpo: how much the difference of the pair's goodness counts.")
    sft_weight: float = Field(default=0.1, ge=0, description="Weight of the supervised loss on the chosen response, per token.")


class PrivateSpec(Spec):
    """Differential privacy of a phase's weights, for one record of the release put in or taken out."""

    epsilon: float = Field(gt=0, description="Most that the phase may spend; the noise follows from it.")
    delta: float = Field(default=1e-5, gt=0, lt=1, description="Chance that the bound fails; less than one in the records.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="To what norm the gradient of each record is clipped.")


class PhaseSpec(TuningSpec):
    """One phase: its data, what it meets again of the phases before, and how it is tuned."""

    name: Name
    method: Method = Field(default="sft", description="sft on released records, or dpo or rpo on preference pairs, last in the plan.")
    preference: PreferenceSpec | None = Field(default=None, description="Settings of dpo and rpo.")
    data: tuple[DataSpec, ...] = Field(default=(), description="What it takes of the release, one or a list; none given: every record.")
    replay: Share = Field(default=0.0, description="Share of the data of all phases before that is trained on again.")
    keep_checkpoints: bool = Field(default=False, description="Keep the weights of every checkpoint beside the phase's student.")
    private: PrivateSpec | None = Field(default=None, description="Tune with differential privacy; a killed phase then begins anew.")

    @model_validator(mode="after")
    def _of_its_method(self) -> Self:
        if self.method == "sft" and self.preference is not None:
            raise ValueError("preference is of the methods dpo and rpo: give method, or leave it out")
        if self.method != "sft" and self.replay:
            raise ValueError(f"{self.method} reads pairs and replays no records: leave replay out, or raise preference.sft_weight")
        if self.method != "sft" and self.packing:
            raise ValueError(f"{self.method} reads pairs, which are not packed: leave packing out")
        if self.method != "sft" and self.lora and self.lora.dropout:
            raise ValueError(f"{self.method} measures the student against its base, without dropout: leave lora.dropout out")
        return self

    @model_validator(mode="after")
    def _private_by_epochs(self) -> Self:
        others = {
            "method": self.method != "sft",
            "tokens": self.tokens is not None,
            "schedule": self.schedule not in (None, "linear"),
            "gradient_accumulation": self.gradient_accumulation > 1,
            "select": self.select != "last",
            "keep_checkpoints": self.keep_checkpoints,
            "lora": self.lora is not None,
            "packing": self.packing,
            "gradient_checkpointing": self.gradient_checkpointing,
        }
        if self.private and (given := [name for name, differs in others.items() if differs]):
            raise ValueError(
                "a private phase is supervised, goes by epochs, tunes all weights on one record to a row and keeps its last weights alone: "
                f"leave {given[0]} out"
            )
        if self.private and any(data.half for data in self.data):
            raise ValueError(
                "half cuts at a median that each record moves, and with it which others are trained on, past the phase's epsilon: "
                "give a private phase bounds, response_tokens or response_words"
            )
        return self

    @field_validator("data", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given


class EvaluationSpec(Spec):
    """What the student is measured on."""

    problems_per_leaf: int = Field(default=30, ge=0, description="Fresh verified problems for each leaf that has a problem writer.")
    max_new_tokens: int = Field(default=96, ge=1)
    batch_size: int = Field(default=128, ge=1)
    texts: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Files of real text that forgetting is measured on, or patterns ('texts/*.md'); none: the line's documents."
    )
    judge: ComparingJudgeSpec | None = Field(
        default=None, description="Who is put two models' answers to problems without a verifier, in both orders; none: no win rates."
    )
    grader: GraderSpec | None = Field(default=None, description="Who grades the answers of `factory mt-bench`.")

    @property
    def models(self) -> tuple[JudgeSpec, ...]:
        """Both judges, where there are."""
        return tuple(judge for judge in (self.judge, self.grader) if judge)


class TrainingSpec(Spec):
    """Who learns from the release, and how."""

    student: str = Field(
        default="pico-student", min_length=1, description="A bundled pico model, a local Hugging Face folder, or a hub id."
    )
    preset: Preset | None = Field(default=None, description="A plan by name, instead of phases: lab or stacked.")
    tuning: TuningSpec | None = Field(default=None, description="How the phases of the preset are tuned.")
    phases: tuple[PhaseSpec, ...] | None = None
    scale: ScaleSpec = Field(default=ScaleSpec(), description="In how many processes phases are tuned.")
    evaluation: EvaluationSpec = EvaluationSpec()

    @field_validator("phases")
    @classmethod
    def _follow_each_other(cls, phases: tuple[PhaseSpec, ...] | None) -> tuple[PhaseSpec, ...] | None:
        if phases is None:
            return None
        names = [phase.name for phase in phases]
        if not names:
            raise ValueError("at least one phase is needed")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"phase names must differ; given twice: {', '.join(twice)}")
        if len(phases) > 1 and (private := [phase.name for phase in phases if phase.private]):
            raise ValueError(f"phase {private[0]} is private, so it must be the only one: another reads the same records past its epsilon")
        if phases[0].replay:
            raise ValueError(f"{names[0]!r} is the first phase and has nothing to replay: leave its replay out")
        for before, after in pairwise(phases):
            if before.method != "sft" and after.method == "sft":
                raise ValueError(f"{after.name!r} is supervised and follows {before.name!r}: preference phases are the last of a plan")
        return phases

    @model_validator(mode="after")
    def _one_plan(self) -> Self:
        if self.preset and self.phases:
            raise ValueError("preset and phases are two plans: give one of them")
        if self.tuning and not self.preset:
            raise ValueError("tuning is of a preset's phases: give preset too, or say it in each of phases")
        return self

    @model_validator(mode="after")
    def _processes_share(self) -> Self:
        processes = self.scale.processes
        for phase in self.plan if processes > 1 else ():
            if phase.private:
                raise ValueError(f"phase {phase.name!r} is private, which goes in one process: leave scale out, or private")
            if problem := explain_share(phase.name, phase.batch_size, phase.gradient_accumulation, processes):
                raise ValueError(problem)
        return self

    @property
    def plan(self) -> tuple[PhaseSpec, ...]:
        """The phases in order: those given, or those of the preset; one over the whole release where neither is given."""
        if self.phases:
            return self.phases
        return PRESETS[self.preset or "stacked"](self.tuning or TuningSpec())


def _plan_lab(tuning: TuningSpec) -> tuple[PhaseSpec, ...]:
    """Large-scale Alignment for chatBots (Sudalairaj et al. 2024): knowledge with short responses, then with long ones and the foundational
    skills, then the compositional skills, each with all data of the phases before; a constant rate after warm-up, and early checkpoints
    kept. The paper does not say what is short: here it is the shorter half."""
    settings = tuning.model_dump() | {"schedule": tuning.schedule or "constant", "keep_checkpoints": True}
    short, long = (DataSpec(kinds=("knowledge",), half=half) for half in ("short", "long"))
    return (
        PhaseSpec(name="knowledge_short", data=(short,), **settings),
        PhaseSpec(name="knowledge_long", data=(long, DataSpec(kinds=("foundational",))), replay=1.0, **settings),
        PhaseSpec(name="skills", data=(DataSpec(kinds=("compositional",)),), replay=1.0, **settings),
    )


def _plan_stacked(tuning: TuningSpec) -> tuple[PhaseSpec, ...]:
    """All data in one phase, which "Unveiling the Secret Recipe" (Pareja et al. 2024) found as good as phases at less cost."""
    return (PhaseSpec(name="sft", **tuning.model_dump()),)


PRESETS: Final = {"lab": _plan_lab, "stacked": _plan_stacked}
