"""A made-up but likely line of 19 leaves: the frames that the stages would hand to the release."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from factory.line import Line
from factory.records import DOCUMENT, METRIC, SEED, VERDICT, record_id
from factory.reward.funnel import count_funnel

MODELS = {"teacher": "pico-teacher@3f2a91c07be4", "reward": "pico-reward@88d1e0b2a6c5"}

LEAVES = {  # leaf: (language, verifier)
    "compositional_skills/bahasa/bilangan": ("id", "number_words"),
    "compositional_skills/bahasa/urutkan_kata": ("id", "sorted_words"),
    "compositional_skills/data/json_record": ("en", "json_fields"),
    "compositional_skills/dates/add_days": ("en", "date_after"),
    "compositional_skills/dates/weekday_after": ("en", "weekday_after"),
    "compositional_skills/units/convert_units": ("en", "unit_conversion"),
    "compositional_skills/words/count_words": ("en", "word_count"),
    "compositional_skills/words/reverse_words": ("en", "reversed_words"),
    "compositional_skills/words/sort_words": ("en", "sorted_words"),
    "compositional_skills/writing/thank_you_note": ("en", None),
    "foundational_skills/arithmetic/addition": ("en", "arithmetic"),
    "foundational_skills/arithmetic/multiplication": ("en", "arithmetic"),
    "foundational_skills/arithmetic/subtraction": ("en", "arithmetic"),
    "foundational_skills/bahasa/penjumlahan": ("id", "arithmetic"),
    "foundational_skills/numbers/largest_number": ("en", "largest_number"),
    "foundational_skills/numbers/next_number": ("en", "next_number"),
    "knowledge/budaya/alat_musik": ("id", None),
    "knowledge/food/indonesian_dishes": ("en", None),
    "knowledge/nature/island_animals": ("en", None),
}

REASONS = ("parse_fault", "wrong_answer", "low_goodness", "duplicate", "near_duplicate", "holdout_overlap")
WORDS = ["apple", "tree", "house", "river", "stone", "cloud", "paper", "light", "garden", "window", "bread", "salt", "moon", "road"]


@dataclass(frozen=True)
class MadeUpLine:
    """The frames of one run of a line."""

    line: Line
    seeds: pl.DataFrame
    documents: pl.DataFrame
    verdicts: pl.DataFrame
    funnel: pl.DataFrame
    gates: pl.DataFrame

    @property
    def accepted(self) -> pl.DataFrame:
        return self.verdicts.filter(pl.col("verdict") == "accepted")


def make_line(candidates: int = 12, *, seed: int = 0, leaves: int = 19) -> MadeUpLine:
    """A line with `candidates` for each of its leaves."""
    generator = random.Random(seed)
    chosen = list(LEAVES)[:leaves]
    documents = [_document(leaf, place) for leaf in chosen if leaf.startswith("knowledge/") for place in range(2)]
    seeds = [_seed(leaf, place) for leaf in chosen for place in range(7)]
    verdicts = []
    for leaf in chosen:
        shown = [row["record_id"] for row in seeds if row["leaf"] == leaf and row["split"] == "seed"]
        chunks = [row for row in documents if row["leaf"] == leaf]
        verdicts += [_verdict(leaf, place, shown, chunks, generator) for place in range(candidates)]
    frame = pl.DataFrame(verdicts, schema=VERDICT)
    line = Line(
        name="pico", description="Small skills with right answers, in English and Indonesian.", seeds={"taxonomy": Path("taxonomy")}
    )
    return MadeUpLine(
        line, pl.DataFrame(seeds, schema=SEED), pl.DataFrame(documents, schema=DOCUMENT), frame, count_funnel(frame), gate_table(chosen)
    )


def gate(
    report: str, metric: str, value: float, bound: float | None, direction: str, method: str, subject: str = "line"
) -> dict[str, object]:
    """A row of the gate table with its verdict; `bound` is None for a value without a gate."""
    passed = None if bound is None else value <= bound if direction == "max" else value >= bound
    spread = 0.04 * max(abs(value), 0.01)
    row = {"report": report, "metric": metric, "subject": subject, "value": value, "low": max(value - spread, 0.0), "high": value + spread}
    row |= {"confidence": 0.95, "size": 1480, "direction": direction, "threshold": bound, "passed": passed, "method": method}
    return row | {"waived_by": None, "waiver_reason": None, "waived_until": None, "severity": "block"}


def gate_table(leaves: list[str]) -> pl.DataFrame:
    """A decided gate table: every gate passed but one, which a person waived."""
    ks = "two-sample Kolmogorov-Smirnov statistic, bootstrap interval (Efron 1979)"
    rows = [
        gate("fidelity", "response_length_ks", 0.182, 0.35, "max", ks),
        gate("fidelity", "instruction_length_ks", 0.141, 0.35, "max", ks),
        gate("fidelity", "vocabulary_js", 0.213, 0.4, "max", "Jensen-Shannon divergence of word frequencies (Lin 1991)"),
        gate("privacy", "personal_data_rate", 0.0, 0.001, "max", "share of records with a checksummed identifier, Wilson interval"),
        gate("privacy", "verbatim_overlap", 0.011, 0.05, "max", "share of records holding 8 words in a row of a seed, Wilson interval"),
        gate("privacy", "identical_rows", 0.0, 0.0, "max", "exact match of instruction and response with a seed or a held-out example"),
        gate("fairness", "least_leaf_share", 0.018, 0.01, "min", "smallest share of a leaf among the accepted, Wilson interval"),
        gate("fairness", "language_share_gap", 0.083, 0.1, "max", "largest difference between asked and accepted share of a language"),
        gate("collapse", "max_depth", 1.0, 2.0, "max", "largest depth of a record"),
        gate("collapse", "distinct_bigrams_ratio", 0.871, 0.6, "min", "distinct-2 of accepted over distinct-2 of seeds (Li et al. 2016)"),
        gate("collapse", "self_bleu", 0.46, 0.45, "max", "self-BLEU-4 over 500 pairs (Zhu et al. 2018)")
        | {"waived_by": "Rina Hartati", "waiver_reason": "short arithmetic phrasings repeat by nature", "waived_until": date(2100, 1, 1)},
    ]
    rows += [
        gate("fairness", "leaf_share", 1 / (place + 12), None, "info", "share of accepted records", leaf)
        for place, leaf in enumerate(leaves)
    ]
    return pl.DataFrame(rows, schema=METRIC)


def _document(leaf: str, place: int) -> dict[str, object]:
    text = f"The babirusa lives on Sulawesi and on islands near it ({place}). Its tusks grow through the skin of its snout, and bend back."
    content = {"leaf": leaf, "text": text}
    row = {"leaf": leaf, "language": LEAVES[leaf][0], "document": f"{leaf}/animals.md", "heading": "Animals > Babirusa", "text": text}
    return row | {"record_id": record_id("document", content), "licence": "CC-BY-4.0", "document_digest": "ab" * 32, "depth": 0}


def _seed(leaf: str, place: int) -> dict[str, object]:
    language, verifier = LEAVES[leaf]
    question, answer = _exchange(leaf, random.Random(f"{leaf} {place}"))
    row = {"leaf": leaf, "kind": _kind(leaf), "language": language, "question": question, "answer": answer, "licence": "Apache-2.0"}
    row |= {"record_id": record_id("seed", row), "context": None, "groups": [], "verifier": verifier, "problems": None, "depth": 0}
    return row | {"split": "holdout" if place % 3 == 2 else "seed", "source": f"{leaf}/qna.yaml:{4 + 3 * place}"}


def _verdict(leaf: str, place: int, shown: list[str], chunks: list[dict[str, object]], generator: random.Random) -> dict[str, object]:
    language, verifier = LEAVES[leaf]
    kind = _kind(leaf)
    instruction, response = _exchange(leaf, generator)
    ease = 0.35 + 0.6 * (sum(map(ord, leaf)) % 17) / 17
    draw = generator.random()
    reason = "accepted" if draw < ease else generator.choice(REASONS if verifier is None else [r for r in REASONS if r != "low_goodness"])
    reason = "low_goodness" if reason == "wrong_answer" and verifier is None else reason
    chunk = chunks[place % len(chunks)] if chunks else None
    right = None if verifier is None or reason == "parse_fault" else reason != "wrong_answer"
    reward = (
        None
        if verifier or reason == "parse_fault"
        else generator.uniform(-2, -0.1)
        if reason == "low_goodness"
        else generator.uniform(0, 3)
    )
    row: dict[str, object] = {
        "leaf": leaf, "kind": kind, "language": language, "instruction": instruction, "context": chunk and chunk["text"],
        "response": None if reason == "parse_fault" else response, "licence": "CC-BY-4.0" if chunk else "Apache-2.0", "groups": [],
        "verifier": verifier, "seed_ids": sorted(generator.sample(shown, 3)), "document_id": chunk and chunk["record_id"],
        "flow": "grounded" if chunk else "freeform", "teacher": MODELS["teacher"], "prompt_hash": f"{generator.getrandbits(80):020x}",
        "sampling": '{"instruction":{"temperature":1.0},"response":{"temperature":0.7}}', "seed": place, "depth": 1, "prompt_tokens": 140,
        "completion_tokens": 12 + len(response) // 3, "cost": 0.0,
        "refusal": "pair_judge: score 1 is below 2" if reason == "judge_refused" else None,
        "parse_fault": "response: no text before the end mark" if reason == "parse_fault" else None,
    }  # fmt: skip
    row["record_id"] = record_id("candidate", row)
    goodness = float(right) if right is not None else reward
    spent = {"model": MODELS["teacher"], "prompt_tokens": 70, "cost": 0.0}
    usage = [
        spent | {"step": "instruction", "completion_tokens": 12},
        spent | {"step": "response", "completion_tokens": len(response) // 3},
    ]
    return row | {
        "usage": usage, "verified": right, "verifier_note": "expected another result" if right is False else None, "reward": reward,
        "attributes": None, "votes": [], "matched_by": None,
        "reward_model": MODELS["reward"] if reward is not None else None, "goodness": goodness,
        "verdict": "accepted" if reason == "accepted" else "rejected", "reason": reason,
        "matched_id": shown[0] if reason in ("duplicate", "near_duplicate", "holdout_overlap") else None,
    }  # fmt: skip


def _exchange(leaf: str, generator: random.Random) -> tuple[str, str]:
    a, b = generator.randint(10, 999), generator.randint(10, 999)
    words = generator.sample(WORDS, generator.randint(3, 6))
    match leaf.rsplit("/", 1)[-1]:
        case "sort_words" | "urutkan_kata":
            return f"Sort these words alphabetically: {', '.join(words)}", ", ".join(sorted(words))
        case "reverse_words":
            return f"Reverse the order of these words: {' '.join(words)}", " ".join(reversed(words))
        case "json_record":
            return f"Write a JSON object with name Ana, age {a} and city Bogor.", f'{{"name": "Ana", "age": {a}, "city": "Bogor"}}'
        case "thank_you_note":
            item = generator.choice(words)
            return (
                f"Write a thank-you note to Rina for the blue {item}.",
                f"Dear Rina, thank you for the blue {item}. I think of you each time.",
            )
        case "island_animals" | "indonesian_dishes" | "alat_musik":
            return (
                f"Where does the babirusa live ({a})?",
                f"The babirusa lives on Sulawesi and on islands near it, and it has been seen {b} times.",
            )
        case _:
            return f"What is {a} + {b}?", f"{a} + {b} = {a + b}"


def _kind(leaf: str) -> str:
    return leaf.split("/")[0].removesuffix("_skills")
