"""What must hold for the frames of each stage beyond their columns and types: which values are given, unique, of a domain, in a range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.mixing_spec import MOST_TIMES
from factory.records import CANARY, CANDIDATE, COUNTERFACTUAL, DOCUMENT, METRIC, MIXED, PREFERENCE, SCORED, SEED, TOPIC, VERDICT

Range = tuple[float | None, float | None]

KINDS = ("compositional", "foundational", "knowledge")
ORIGINS = ("release", "earlier", "real")
"""Where a row that is trained on comes from."""
WRITTEN = ("record_id", "leaf", "kind", "language", "flow", "teacher", "prompt_hash", "sampling", "seed", "depth")


@dataclass(frozen=True)
class Rules:
    """The columns of a frame (as in `factory.records`) and what holds for their values. A null is in every domain and range.

    `given`: never null; `given_unless`: null only in rows where another column has a value, by column; `unique`: no value twice;
    `domains`: the values there are; `ranges`: least and most, both allowed; `wide`: ranges that are likely and not certain, of which a
    value outside is only warned of.
    """

    schema: Mapping[str, Any]
    given: tuple[str, ...] = ()
    given_unless: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    wide: Mapping[str, Range] = field(default_factory=dict)


COUNTED: dict[str, Range] = {"depth": (1, None), "prompt_tokens": (0, None), "completion_tokens": (0, None), "cost": (0, None)}
SHARES: dict[str, Range] = {"support": (0, 1)}


def _decided(verdict: str, *given: str) -> Rules:
    return Rules(
        VERDICT,
        given=(*WRITTEN, "verdict", "reason", *given),
        unique=("record_id",),
        domains={"kind": KINDS, "verdict": (verdict,)},
        ranges=COUNTED | SHARES,
    )


def _report(report: str) -> Rules:
    return Rules(
        METRIC,
        given=("report", "metric", "subject", "direction", "size", "method"),
        domains={"report": (report,), "direction": ("max", "min", "info"), "severity": ("block", "warn")},
        ranges={"confidence": (0, 1), "size": (0, None)},
    )


RULES: dict[str, Rules] = {
    "seed_examples": Rules(
        SEED,
        given=("record_id", "leaf", "kind", "language", "question", "split", "source", "depth"),
        given_unless={"answer": ("kind", TOPIC)},
        unique=("record_id",),
        domains={"kind": (*KINDS, TOPIC, CANARY), "split": ("seed", "holdout")},
        ranges={"depth": (0, 0), "turns": (1, None)},
    ),
    "seed_documents": Rules(
        DOCUMENT,
        given=("record_id", "leaf", "language", "document", "text", "document_digest", "depth"),
        unique=("record_id",),
        ranges={"depth": (0, 0)},
    ),
    "candidates": Rules(CANDIDATE, given=WRITTEN, unique=("record_id",), domains={"kind": KINDS}, ranges=COUNTED),
    "scored": Rules(SCORED, given=WRITTEN, unique=("record_id",), domains={"kind": KINDS}, ranges=COUNTED | SHARES),
    "accepted": _decided("accepted", "instruction", "response", "goodness"),
    "rejected": _decided("rejected"),
    "preference_pairs": Rules(
        PREFERENCE,
        given=("record_id", "leaf", "language", "prompt", "chosen", "rejected", "by", "chosen_id", "rejected_id", "depth"),
        unique=("record_id",),
        domains={"by": ("verifier", "judges", "comparison", "goodness")},
        ranges={"depth": (1, None)},
        wide={"margin": (0, None)},
    ),
    "counterfactuals": Rules(
        COUNTERFACTUAL,
        given=(
            *("record_id", "original_id", "leaf", "language", "group", "first", "second", "words"),
            *("good", "good_swapped", "reason", "reason_swapped"),
        ),
        unique=("record_id",),
        ranges={"words": (1, None)},
    ),
    **{report: _report(report) for report in ("fidelity", "privacy", "fairness", "collapse")},
    "dataset_release": _decided("accepted", "instruction", "response", "goodness"),
    "training_mix": Rules(
        MIXED,
        given=("record_id", "leaf", "kind", "language", "instruction", "response", "depth", "origin", "words", "times"),
        given_unless={"release": ("origin", "real"), "goodness": ("origin", "real")},
        unique=("record_id",),
        domains={"kind": KINDS, "origin": ORIGINS},
        ranges={"depth": (0, None), "words": (0, None), "times": (1, MOST_TIMES)},
    ),
}
"""By the asset whose frame it is; those of `dataset_release` are for the records that it published."""
