"""The columns that flow between stages, record ids, and the digest of a frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import polars as pl

GROUPS = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))
TURNS = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
USAGE = pl.List(
    pl.Struct({"step": pl.String, "model": pl.String, "prompt_tokens": pl.Int32, "completion_tokens": pl.Int32, "cost": pl.Float64})
)
JUDGEMENTS = pl.List(pl.Struct({"step": pl.String, "score": pl.Float64}))
RATINGS = pl.Struct(dict.fromkeys(("helpfulness", "correctness", "coherence", "complexity", "verbosity"), pl.Float64))
REDACTED = pl.List(pl.Struct({"type": pl.String, "count": pl.Int32}))
VOTES = pl.List(pl.Struct({"judge": pl.String, "rubric": pl.String, "score": pl.Float64, "good": pl.Boolean, "note": pl.String}))

TOPIC = "topic"
"""Kind of a SEED row that is a topic given by hand."""

CANARY = "canary"
"""Kind of a SEED row that is a planted secret (factory.seeds.canaries), made by no person."""

SEED: dict[str, Any] = {
    "record_id": pl.String,
    "leaf": pl.String,  # "compositional_skills/words/reverse_words"
    "kind": pl.String,  # "compositional", "foundational" or "knowledge": the first folder of the leaf; or "topic", "canary"
    "language": pl.String,  # BCP 47
    "question": pl.String,  # of a topic, the topic
    "answer": pl.String,  # null for a topic alone
    "context": pl.String,  # null for a freeform example and for a topic
    "licence": pl.String,  # SPDX
    "groups": GROUPS,  # declared attributes of the people or domain that the leaf speaks of or for
    "verifier": pl.String,  # name in factory.reward.verifiers; null where the leaf has none
    "verifier_settings": pl.String,  # canonical JSON of the verifier's settings; null where it has none
    "problems": pl.String,  # name in factory.problems; null where no fresh problems can be written
    "split": pl.String,  # "seed" (may be shown to a teacher) or "holdout" (evaluation only)
    "tone": pl.String,  # how answers should sound, in words; null for none
    "turns": pl.Int32,  # user turns of a dialogue; null for the line's default
    "source": pl.String,  # "<file>:<line>" inside the taxonomy, of a table, or the place in the line's YAML
    "depth": pl.Int32,  # 0: made by people
}
"""A human-made example of a leaf, or, always on the seed side, a topic given by hand (kind "topic") or a planted secret (kind "canary")."""

DOCUMENT: dict[str, Any] = {
    "record_id": pl.String,
    "leaf": pl.String,
    "language": pl.String,
    "document": pl.String,  # path inside the taxonomy, "<repository>@<commit>/<path>", or the path below a folder or URL
    "heading": pl.String,  # headings above the chunk, joined by " > "
    "text": pl.String,
    "licence": pl.String,
    "document_digest": pl.String,  # SHA-256 of the whole document
    "depth": pl.Int32,
}
"""A chunk of a leaf's document."""

CANDIDATE: dict[str, Any] = {
    "record_id": pl.String,
    "leaf": pl.String,
    "kind": pl.String,
    "language": pl.String,
    "instruction_id": pl.String,  # digest of leaf, instruction and context: the same for all responses to one instruction; null without one
    "instruction": pl.String,
    "context": pl.String,  # null for freeform
    "response": pl.String,  # null where a step did not parse
    "turns": TURNS,  # whole conversation, from `instruction` to `response`; null for one turn
    "topic": pl.String,  # what it is about, where the flow goes by topics
    "redacted": REDACTED,  # what was taken out of the texts before the record had its id; null where nothing was
    "constraint": pl.String,  # canonical JSON {"arguments", "name"} of a verifiable constraint on the response; null where there is none
    "licence": pl.String,
    "groups": GROUPS,
    "verifier": pl.String,
    "verifier_settings": pl.String,
    "seed_ids": pl.List(pl.String),  # seed examples shown to the teacher
    "document_id": pl.String,  # record_id of the chunk, or of the seed example, that gave the context; null for freeform
    "flow": pl.String,
    "teacher": pl.String,  # "<name>@<revision>"
    "prompt_hash": pl.String,  # digest of every prompt of the flow as it was sent
    "sampling": pl.String,  # canonical JSON of the sampling parameters, by step
    "seed": pl.Int64,
    "depth": pl.Int32,  # max(depth of seeds, depth of the teacher's data) + 1
    "prompt_tokens": pl.Int32,
    "completion_tokens": pl.Int32,
    "cost": pl.Float64,  # in the currency of the line's price table
    "usage": USAGE,  # each request, in order; of drafts that share a request the first has it
    "judgements": JUDGEMENTS,  # scores of the flow's judging steps, in order
    "refusal": pl.String,  # null where the flow's judges and filters kept it, else "<step>: <why>"
    "parse_fault": pl.String,  # null where every step parsed and was answered, else "<step>: <what was wrong>"
}
"""What a teacher wrote."""

SCORED: dict[str, Any] = CANDIDATE | {
    "verified": pl.Boolean,  # right, wrong; null where there is no verifier or it cannot tell
    "verifier_note": pl.String,  # what the verifier expected, or why it cannot tell
    "reward": pl.Float64,  # the one score of a reward model that gives one, higher is better, on the model's scale; null elsewhere
    "attributes": RATINGS,  # of a reward model that gives five; null elsewhere
    "reward_model": pl.String,  # "<name>@<revision>"; null where none was asked
    "reward_note": pl.String,  # why the reward model that was asked gave no score; null elsewhere
    "support": pl.Float64,  # share of the response's words that stand in the context, 0 to 1; null for freeform
    "votes": VOTES,  # of each judge of the reward stage, in the line's order; score and good are null for an answer that did not parse
    "scoring": USAGE,  # each request to a served reward model and to judges, at the price of then; of rows that share one the first
}
"""A candidate with every score."""

VERDICT: dict[str, Any] = SCORED | {
    "goodness": pl.Float64,  # weighted attributes, else the reward, else 1.0 right and 0.0 wrong, else the share of good votes; or null
    "verdict": pl.String,  # "accepted" or "rejected"
    "reason": pl.String,  # the first reason of a refusal, from reward.verdict.REASONS; "accepted" for the accepted
    "matched_id": pl.String,  # record_id of what a duplicate or contaminated record matched; "<set>:<line>" of an evaluation set
    "matched_by": pl.String,  # how it matched: "exact", "near 0.93", "semantic 0.97", the words both hold; types of personal data
}
"""A scored candidate with its one verdict. `accepted` and `rejected` share it."""

PREFERENCE: dict[str, Any] = {
    "record_id": pl.String,
    "leaf": pl.String,
    "language": pl.String,
    "prompt": TURNS,  # all but the last message, the context in the first
    "chosen": TURNS,  # the assistant's last message
    "rejected": TURNS,
    "margin": pl.Float64,  # goodness of the chosen less that of the rejected; null where either has none
    "by": pl.String,  # what told them apart: "verifier", "judges", "comparison" or "goodness"
    "chosen_id": pl.String,  # record_id of the candidate, an accepted one
    "rejected_id": pl.String,
    "chosen_goodness": pl.Float64,
    "rejected_goodness": pl.Float64,
    "rejected_reason": pl.String,  # its verdict's
    "licence": pl.String,
    "depth": pl.Int32,
}
"""A preference pair, in TRL's conversational form with an explicit prompt."""

MIXED: dict[str, Any] = {
    "record_id": pl.String,
    "leaf": pl.String,
    "kind": pl.String,
    "language": pl.String,
    "instruction": pl.String,
    "context": pl.String,
    "response": pl.String,
    "turns": TURNS,
    "licence": pl.String,
    "goodness": pl.Float64,  # null for a real example
    "depth": pl.Int32,  # 0 for a real example
    "origin": pl.String,  # "release" (the newest), "earlier" (a release before it) or "real" (a seed example)
    "release": pl.String,  # version of the release that it is from, the newest that holds it; null for a real example
    "words": pl.Int64,  # of instruction, response and the turns between: what the share of real data is counted in
    "times": pl.Int32,  # how often one pass over the data reads it
}
"""What students are trained on: a record of a release, or a seed example in the form of one."""

METRIC: dict[str, Any] = {
    "report": pl.String,  # "fidelity", "privacy", "fairness" or "collapse"
    "metric": pl.String,
    "subject": pl.String,  # what was measured: "line", a leaf, a language, "<group>=<value>"
    "value": pl.Float64,
    "low": pl.Float64,  # confidence interval; null where the value is a count of all there is
    "high": pl.Float64,
    "confidence": pl.Float64,  # 0.95 for a 95 % interval; null with low and high
    "size": pl.Int64,  # records that the value rests on
    "direction": pl.String,  # "max": must not exceed the threshold; "min": must reach it; "info": never gates
    "threshold": pl.Float64,  # null for "info"
    "passed": pl.Boolean,  # null for "info"
    "waived_by": pl.String,  # person who let a failed gate through; null elsewhere
    "waiver_reason": pl.String,
    "waived_until": pl.Date,  # last day of the waiver
    "severity": pl.String,  # "block" or "warn": what a failure of this gate does; null for "info"
    "method": pl.String,  # the test or formula by name, with its source
}
"""One measured value, and, with a threshold, one gate."""

COUNTERFACTUAL: dict[str, Any] = {
    "record_id": pl.String,
    "original_id": pl.String,  # of the decided record that was copied
    "leaf": pl.String,
    "language": pl.String,
    "group": pl.String,  # of the line's group terms
    "first": pl.String,  # the two values whose words changed places, in the order of the line
    "second": pl.String,
    "named": pl.String,  # which of the two the original names; null where it names both
    "words": pl.Int32,  # how many changed places
    "score": pl.Float64,  # goodness by the reward model, else the share of good votes; null where neither says anything
    "score_swapped": pl.Float64,
    "verified": pl.Boolean,
    "verified_swapped": pl.Boolean,
    "good": pl.Boolean,  # good enough by the line's policy, whatever it is a copy of and whatever else was asked of its leaf
    "good_swapped": pl.Boolean,
    "reason": pl.String,  # why it is not good enough, from reward.verdict.REASONS; "accepted" where it is
    "reason_swapped": pl.String,
    "scoring": USAGE,  # each request that the copy took
}
"""A decided record beside its copy in which the words of two values of a group changed places."""

FUNNEL: dict[str, Any] = {
    "leaf": pl.String,
    "asked": pl.Int64,
    "parsed": pl.Int64,
    "judged": pl.Int64,  # not refused by a judge or filter of the flow
    "verified": pl.Int64,  # not refused by verifier or reward model
    "unique": pl.Int64,
    "accepted": pl.Int64,
    "most_refused_by": pl.String,  # the commonest reason; null where nothing was refused
}
"""How many records of a leaf came through each filter."""

ANSWER: dict[str, Any] = {
    "problem_id": pl.String,
    "leaf": pl.String,
    "language": pl.String,
    "origin": pl.String,  # "holdout" (a held-out seed example) or "fresh" (a new verified problem)
    "model": pl.String,  # "base", "tuned", "teacher" or "champion"
    "instruction": pl.String,
    "context": pl.String,
    "reference": pl.String,
    "response": pl.String,
    "correct": pl.Boolean,
}
"""One model's answer to one evaluation problem."""


def digest(value: Any) -> str:
    """Twenty hex digits (80 bits of BLAKE2b) of the canonical JSON of `value`: the same value, the same text, anywhere."""
    return hashlib.blake2b(write_canonical(value).encode(), digest_size=10).hexdigest()


def write_canonical(value: Any) -> str:
    """The one JSON text of `value`: keys sorted, no spaces. Raises TypeError or ValueError for what JSON has not, such as a date or NaN."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def record_id(kind: str, content: Mapping[str, Any]) -> str:
    """The id of a record: a hash of its kind, content and provenance. Nothing random: the same work, the same id."""
    return digest([kind, dict(content)])


def digest_frame(frame: pl.DataFrame) -> str:
    """Digest of a frame's column names and rows, in order; independent of Parquet encoding and library versions."""
    hasher = hashlib.blake2b(json.dumps(frame.columns).encode(), digest_size=10)
    hasher.update(frame.write_ndjson().encode())
    return hasher.hexdigest()


def take_examples(seeds: pl.DataFrame) -> pl.DataFrame:
    """The rows of a SEED frame that are examples made by people: no topics, no canaries. What compares seeds with records reads these."""
    return seeds.filter(pl.col("answer").is_not_null(), pl.col("kind").ne_missing(CANARY))


def empty(schema: Mapping[str, Any]) -> pl.DataFrame:
    """A frame of no rows with the columns of `schema`."""
    return pl.DataFrame(schema=dict(schema))
