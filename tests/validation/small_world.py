"""A small world of real examples for the validation tests: leaves in two languages, and samples drawn from them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from factory.records import DOCUMENT, SEED, VERDICT
from factory.validation.evidence import Evidence
from factory.validation.gates import decide_gates, failed_gates
from factory.validation.reports import REPORTS, measure_report
from factory.validation_spec import ValidationSpec

ENGLISH = "amber basket candle daisy engine forest garden harbour island jacket kettle lantern meadow needle orchard pepper quarry river"
INDONESIAN = "angin bambu cermin danau emas fajar gunung hujan ikan jalan kursi langit madu nasi obor padi rumah sungai taman ubin"
TODAY = date(2026, 6, 1)
LEAVES = {
    "compositional_skills/words/story": ("en", "people"),
    "compositional_skills/words/letter": ("en", "people"),
    "compositional_skills/words/summary": ("en", "work"),
    "foundational_skills/logic/order": ("en", "work"),
    "foundational_skills/logic/compare": ("en", "work"),
    "foundational_skills/logic/choose": ("en", "people"),
    "compositional_skills/bahasa/cerita": ("id", "people"),
    "foundational_skills/bahasa/urutan": ("id", "work"),
}
DOCUMENT_WORDS = [f"{word}{number}" for number in range(12) for word in ENGLISH.split()]


def write_real(rng: random.Random, leaf: str) -> tuple[str, str]:
    """A question and an answer as people would write them for the leaf."""
    language, _ = LEAVES[leaf]
    pool = (INDONESIAN if language == "id" else ENGLISH).split()
    topic, length = rng.sample(pool, k=rng.randint(2, 7)), rng.randint(4, 16)
    task = leaf.rsplit("/", 1)[-1]
    opening = rng.choice(["Tulis", "Buat", "Coba tulis"] if language == "id" else ["Write", "Please give", "Make"])
    number = rng.randint(10, 99)
    return f"{opening} {task} {number}: {' '.join(topic)}.", f"{' '.join(rng.choices(pool, k=length))} {number}."


@dataclass(frozen=True)
class World:
    """Frames of one line: seeds, documents, all verdicts, and the accepted among them."""

    seeds: pl.DataFrame
    documents: pl.DataFrame
    verdicts: pl.DataFrame

    @property
    def accepted(self) -> pl.DataFrame:
        return self.verdicts.filter(pl.col("verdict") == "accepted")

    def with_verdicts(self, verdicts: pl.DataFrame) -> World:
        return replace(self, verdicts=verdicts)


def clean_world(seed: int = 0, records: int = 80, examples: int = 20) -> World:
    """Accepted records that are real examples too: one half of the same population against the other."""
    rng = random.Random(seed)
    seeds, verdicts = [], []
    for leaf, (language, domain) in LEAVES.items():
        about: dict[str, Any] = {
            "leaf": leaf,
            "kind": leaf.split("_")[0],
            "language": language,
            "groups": [{"name": "domain", "value": domain}],
        }
        for at in range(examples):
            question, answer = write_real(rng, leaf)
            split = "holdout" if at % 3 == 0 else "seed"
            seeds.append(about | {"record_id": f"s{leaf}{at:03}", "question": question, "answer": answer, "split": split, "depth": 0})
        for at in range(records):
            instruction, response = write_real(rng, leaf)
            verdicts.append(
                about
                | {
                    "record_id": f"r{leaf}{at:03}",
                    "instruction": instruction,
                    "response": response,
                    "depth": 1,
                    "verified": True,
                    "verdict": "accepted" if at % 8 else "rejected",
                    "reason": "accepted" if at % 8 else "near_duplicate",
                }
            )
    document = {"record_id": "d1", "leaf": next(iter(LEAVES)), "language": "en", "text": " ".join(DOCUMENT_WORDS), "depth": 0}
    return World(pl.DataFrame(seeds, schema=SEED), pl.DataFrame([document], schema=DOCUMENT), pl.DataFrame(verdicts, schema=VERDICT))


def measure_all(world: World) -> pl.DataFrame:
    """The rows of the four reports."""
    evidence = Evidence(world.accepted, world.seeds, world.documents, world.verdicts)
    return pl.concat([measure_report(report, evidence) for report in REPORTS])


def decide(world: World, **spec: Any) -> pl.DataFrame:
    """The gate table of a world."""
    return decide_gates(measure_all(world), ValidationSpec(**spec), TODAY)


def failed(world: World) -> set[str]:
    """`<report>.<metric>` of the gates that a world fails."""
    return set(failed_gates(decide(world)).select(pl.concat_str("report", "metric", separator=".")).to_series())


def line_value(metrics: pl.DataFrame, metric: str) -> float | None:
    """The value of a metric for the line."""
    values = metrics.filter((pl.col("metric") == metric) & (pl.col("subject") == "line"))["value"].to_list()
    assert len(values) == 1
    return values[0]
