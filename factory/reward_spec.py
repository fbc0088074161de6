"""The section `reward:` of a line: what scores candidates, and from which scores on they are good enough."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from factory.model_spec import Price, Sampling, ServerSpec, TeacherSpec
from factory.spec import Share, Spec

Attribute = Literal["helpfulness", "correctness", "coherence", "complexity", "verbosity"]
ATTRIBUTES: Final[tuple[Attribute, ...]] = get_args(Attribute)
"""The five attributes of HelpSteer2 (arXiv 2406.08673) and Nemotron-4-340B-Reward, from 0 to 4 in the data that they are learnt from."""
WEIGHTS: Final[dict[Attribute, float]] = dict(zip(ATTRIBUTES, (0.30, 0.74, 0.46, 0.47, -0.33), strict=True))
"""Weights of the attributes in goodness, of the model card of Nemotron-4-340B-Reward."""


class Policy(Spec):
    """From which scores on a candidate is good enough."""

    verifier: Literal["decides", "refutes", "ignored"] = Field(
        default="decides",
        description="decides: only what the leaf's verifier calls right. refutes: what it does not call wrong. ignored: says nothing.",
    )
    min_goodness: float | None = Field(
        default=None, description="Least goodness; of a reward model with one score 0, where a line says nothing."
    )
    at_least: dict[Attribute, float] = Field(default={}, description="Least value of attributes.")
    at_most: dict[Attribute, float] = Field(default={}, description="Greatest value of attributes.")
    min_support: Share = Field(
        default=0.6, description="Least share of a response's words that stand in its context; for records with a context."
    )
    top_share: Share = Field(default=1.0, gt=0, description="Of a leaf's candidates that are good enough, the best so much.")
    keep: Literal["best", "all"] = Field(default="best", description="Of several good responses to one instruction.")

    @property
    def bounds_attributes(self) -> bool:
        """Whether some bound of the policy reads attributes, or the goodness that is made of them."""
        return self.min_goodness is not None or bool(self.at_least or self.at_most) or self.top_share < 1


class JudgeSpec(TeacherSpec):
    """A model that scores candidates by a rubric."""

    rubric: str = Field(default="pair", min_length=1, description="A bundled rubric, or a file.")
    min_score: float | None = Field(
        default=None, description="Least score by which a candidate is called good; else the rubric's good_from."
    )
    sampling: Sampling = Sampling(temperature=0.0, max_new_tokens=512)


class ComparingJudgeSpec(JudgeSpec):
    """A model that is put two responses by a rubric that compares."""

    rubric: str = Field(default="preference", min_length=1, description="A bundled rubric that compares, or a file.")


class GraderSpec(JudgeSpec):
    """A model that grades the turns of a conversation by a rubric of one response."""

    rubric: str = Field(default="mt_bench", min_length=1, description="A bundled rubric of one response, or a file.")


class ContaminationSpec(Spec):
    """Texts that no record may hold: evaluation sets, by name."""

    sets: dict[str, str] = Field(default={}, description="By name, a JSONL, CSV, Parquet or text file of what models are evaluated on.")
    ngram: int = Field(default=13, ge=5, le=50, description="Words in a row that a record shares with none of them.")


class SemanticSpec(Spec):
    """Copies in other words, told by embeddings."""

    embedder: str = Field(min_length=1, description="A sentence-transformers model: a folder or a hub id.")
    similarity: Share = Field(default=0.95, gt=0, description="Cosine from which two instructions ask the same.")


class PairsSpec(Spec):
    """Preference pairs from several responses to one instruction."""

    by: tuple[Literal["verifier", "goodness", "judges", "comparison"], ...] = Field(
        default=("verifier", "judges", "goodness"), min_length=1, description="What may tell chosen from rejected, first to last."
    )
    min_margin: float = Field(default=0.5, ge=0, description="Least difference of goodness, where that is what tells them apart.")
    per_instruction: int = Field(default=1, ge=1, description="Pairs of one instruction at most; the widest margins first.")
    judge: ComparingJudgeSpec | None = Field(default=None, description="Who is put chosen and rejected, in both orders; for `comparison`.")

    @model_validator(mode="after")
    def _compared_by_somebody(self) -> Self:
        if ("comparison" in self.by) != (self.judge is not None):
            raise ValueError("by: comparison and judge go together: give both, or neither")
        return self


class RewardSpec(Policy):
    """What scores candidates, and the policy of the verdict; `leaves` overrides the policy by pattern of leaf."""

    model: str | None = Field(
        default="pico-reward",
        min_length=1,
        description="Sequence classifier with one score or five attributes; with `server`, the name that it gives it; null for none.",
    )
    revision: str | None = Field(
        default=None, description="Branch, tag or commit of a hub model; of a served one, any word: a new one asks anew."
    )
    server: ServerSpec | None = Field(default=None, description="Where a reward model listens, in the form of Nemotron-4-340B-Reward.")
    price: Price = Field(default=Price(), description="Of the reward model's server.")
    batch_size: int = Field(default=64, ge=1)
    scope: Literal["unverified", "all"] = Field(
        default="unverified", description="What reward model and judges read: what no verifier decides, or every candidate that parsed."
    )
    judges: tuple[JudgeSpec, ...] = Field(default=(), description="Judges by rubric; a candidate needs the majority of their votes.")
    weights: dict[Attribute, float] = Field(default=WEIGHTS, description="Weights of the attributes in goodness; what is left out is 0.")
    leaves: dict[str, dict[str, Any]] = Field(
        default={}, description="Keys of the policy by pattern of leaf ('knowledge/*'), the first wins."
    )
    near_duplicate: float = Field(
        default=0.9, ge=0.06, le=1, description="Jaccard similarity of word shingles from which two instructions are near-duplicates."
    )
    semantic: SemanticSpec | None = None
    contamination: ContaminationSpec = ContaminationSpec()
    pairs: PairsSpec = PairsSpec()

    @field_validator("leaves")
    @classmethod
    def _of_the_policy(cls, leaves: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for pattern, given in leaves.items():
            Policy.model_validate(given)  # its faults are told at their own keys
            if not given:
                raise ValueError(f"{pattern}: expected keys of the policy, such as 'min_goodness: 1.5'")
        return leaves

    @model_validator(mode="after")
    def _scored_somehow(self) -> Self:
        for where, policy in (("", self.policy()), *((f"leaves.{pattern}: ", self.policy(pattern)) for pattern in self.leaves)):
            if policy.verifier != "decides" and self.scope != "all":
                raise ValueError(f"{where}verifier: {policy.verifier} leaves candidates to the reward model; so give scope: all")
        if self.server and self.model is None:
            raise ValueError("a server needs the name of the model that it serves: give model")
        return self

    @property
    def models(self) -> tuple[JudgeSpec | RewardSpec, ...]:
        """Judges, that of the pairs last, and, where a server has it, the reward model."""
        comparer = [self.pairs.judge] if self.pairs.judge else []
        return (*self.judges, *comparer, *([self] if self.server else []))

    def policy(self, leaf: str = "") -> Policy:
        """The policy of a leaf: that of the line, changed by the first pattern that matches."""
        own: Mapping[str, Any] = next((given for pattern, given in self.leaves.items() if leaf and _matches(leaf, pattern)), {})
        return Policy.model_validate({name: getattr(self, name) for name in Policy.model_fields} | dict(own))


def _matches(leaf: str, pattern: str) -> bool:
    return leaf == pattern or fnmatchcase(leaf, pattern)


def split_field(given: str) -> tuple[Path, str | None]:
    """The file of a set and the field that is named behind it, if any: `gsm8k.jsonl#question`."""
    path, mark, field = given.rpartition("#")
    return (Path(path), field) if mark and path and not Path(given).exists() else (Path(given), None)
