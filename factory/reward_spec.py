"""The parts of the section `reward:` that the search for copies reads."""

from __future__ import annotations

from pydantic import Field

from factory.spec import Share, Spec


class ContaminationSpec(Spec):
    """Texts that no record may hold: evaluation sets, by name."""

    sets: dict[str, str] = Field(default={}, description="By name, a JSONL, CSV, Parquet or text file of what models are evaluated on.")
    ngram: int = Field(default=13, ge=5, le=50, description="Words in a row that a record shares with none of them.")


class SemanticSpec(Spec):
    """Copies in other words, told by embeddings."""

    embedder: str = Field(min_length=1, description="A sentence-transformers model: a folder or a hub id.")
    similarity: Share = Field(default=0.95, gt=0, description="Cosine from which two instructions ask the same.")


class RewardSpec(Spec):
    """What the search for copies reads."""

    near_duplicate: float = Field(default=0.9, ge=0.06, le=1)
    semantic: SemanticSpec | None = None
    contamination: ContaminationSpec = ContaminationSpec()
