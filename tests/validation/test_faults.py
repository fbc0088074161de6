"""Gates catch what they must: each planted fault fails the gates that speak of it, and no other; clean data fails none."""

from __future__ import annotations

import random

import polars as pl
import pytest
from small_world import DOCUMENT_WORDS, LEAVES, TODAY, World, clean_world, decide, failed, measure_all

from factory.validation.evidence import Evidence
from factory.validation.gates import decide_gates, failed_gates, list_default_gates
from factory.validation.reports import measure_report
from factory.validation_spec import ValidationSpec


@pytest.fixture(scope="module")
def world() -> World:
    return clean_world()


def some(share: int) -> pl.Expr:
    """One record in `share`, spread over the leaves."""
    return pl.int_range(pl.len()) % share == 1


def replace_texts(world: World, chosen: pl.Expr, instructions: list[str], responses: list[str]) -> World:
    """The world with the texts of the chosen records replaced, in turn."""
    mask = world.verdicts.select(chosen).to_series().to_list()
    texts = list(zip(world.verdicts["instruction"], world.verdicts["response"], strict=True))
    at = 0
    for row, hit in enumerate(mask):
        if hit:
            texts[row] = (instructions[at % len(instructions)], responses[at % len(responses)])
            at += 1
    columns = [pl.Series("instruction", [text[0] for text in texts]), pl.Series("response", [text[1] for text in texts])]
    return world.with_verdicts(world.verdicts.with_columns(columns))


def test_clean_data_passes_every_gate(world: World) -> None:
    gates = decide(world)
    decided = gates.filter(pl.col("passed").is_not_null())
    assert decided.height == len(list_default_gates())
    assert decided["passed"].all()


@pytest.mark.parametrize("seed", (1, 2))
def test_clean_splits_raise_no_alarm(seed: int) -> None:
    clean = clean_world(seed)
    metrics = pl.concat(
        [
            measure_report("fidelity", Evidence(clean.accepted, clean.seeds)),
            measure_report("fairness", Evidence(clean.accepted, clean.seeds, verdicts=clean.verdicts)),
            measure_report("collapse", Evidence(clean.accepted, clean.seeds)),
        ]
    )
    failures = failed_gates(decide_gates(metrics, ValidationSpec(), TODAY))
    assert set(failures["report"]) == {"privacy"}  # which was not measured here


@pytest.mark.parametrize(("split", "gate"), [("seed", "privacy.seed_copies"), ("holdout", "privacy.holdout_copies")])
def test_copied_examples(world: World, split: str, gate: str) -> None:
    examples = world.seeds.filter(pl.col("split") == split)
    copied = replace_texts(world, some(20), [text.upper() for text in examples["question"]], [f" {text}" for text in examples["answer"]])
    gates = failed(copied)
    assert gate in gates
    assert gates <= {gate, "privacy.repeated_responses", "privacy.near_seed_copies"}


def test_responses_repeated_from_seeds_under_new_instructions(world: World) -> None:
    answers = world.seeds.filter((pl.col("split") == "seed") & (pl.col("answer").str.count_matches(" ") > 9))["answer"].to_list()
    instructions = world.verdicts.filter(some(5))["instruction"].to_list()
    assert failed(replace_texts(world, some(5), instructions, answers)) == {"privacy.repeated_responses", "privacy.near_seed_copies"}


def test_long_run_of_a_private_document(world: World) -> None:
    responses = [" ".join(DOCUMENT_WORDS[start : start + 60]) for start in range(0, 120, 7)]
    instructions = world.verdicts.filter(some(30))["instruction"].to_list()
    assert failed(replace_texts(world, some(30), instructions, responses)) == {"privacy.long_runs", "privacy.repeated_responses"}


def test_a_run_of_the_records_own_context_is_no_leak(world: World) -> None:
    responses = [" ".join(DOCUMENT_WORDS[:60])]
    quoted = replace_texts(world, some(30), world.verdicts.filter(some(30))["instruction"].to_list(), responses)
    with_context = pl.when(some(30)).then(pl.lit(" ".join(DOCUMENT_WORDS))).otherwise(None).alias("context")
    assert failed(quoted.with_verdicts(quoted.verdicts.with_columns(with_context))) == set()


def test_personal_data_in_one_record_of_twenty(world: World) -> None:
    mail = pl.concat_str(pl.lit("Write to ana"), pl.int_range(pl.len()), pl.lit("@mail.co.id. "), "response")
    planted = world.verdicts.with_columns(pl.when(some(20)).then(mail).otherwise("response").alias("response"))
    assert failed(world.with_verdicts(planted)) == {"privacy.personal_data"}


def test_a_language_thrown_away_by_the_filter(world: World) -> None:
    refused = pl.when(pl.col("language") == "id").then(pl.lit("rejected")).otherwise("verdict").alias("verdict")
    assert failed(world.with_verdicts(world.verdicts.with_columns(refused))) == {
        "fairness.language_selection",
        "fairness.language_shift",
        "fidelity.leaf_coverage",
    }


def test_a_declared_group_mostly_thrown_away_by_the_filter(world: World) -> None:
    people = pl.col("groups").list.first().struct.field("value") == "people"
    refused = pl.when(people & (pl.int_range(pl.len()) % 5 < 3)).then(pl.lit("rejected")).otherwise("verdict").alias("verdict")
    assert failed(world.with_verdicts(world.verdicts.with_columns(refused))) == {"fairness.group_selection"}


def test_half_of_the_leaves_missing() -> None:
    large = clean_world(records=120)
    half = large.verdicts.filter(pl.col("leaf").is_in(list(LEAVES)[::2]))
    assert failed(large.with_verdicts(half)) == {"fidelity.leaf_coverage", "fairness.leaf_shift"}


def test_all_lengths_doubled(world: World) -> None:
    """Each record goes on with the text of the next record of its leaf."""
    doubled = [pl.concat_str(name, pl.lit(" "), pl.col(name).reverse().over("leaf")).alias(name) for name in ("instruction", "response")]
    assert failed(world.with_verdicts(world.verdicts.with_columns(doubled))) == {
        "fidelity.instruction_words",
        "fidelity.response_words",
        "collapse.length_tails",
    }


def test_the_long_half_of_each_leaf_missing(world: World) -> None:
    size = (pl.col("instruction").str.count_matches(" ") + pl.col("response").str.count_matches(" ")).rank("ordinal").over("leaf")
    short = world.verdicts.filter(size <= pl.len().over("leaf") * 0.7)
    assert failed(world.with_verdicts(short)) == {"collapse.length_tails"}


def test_another_vocabulary(world: World) -> None:
    swapped = [pl.col(name).str.replace_all(r"[a-z]{3,}", "${0}zz").alias(name) for name in ("instruction", "response")]
    assert failed(world.with_verdicts(world.verdicts.with_columns(swapped))) == {"fidelity.vocabulary"}


def test_a_generator_that_repeats_three_instructions_with_small_changes(world: World) -> None:
    rng = random.Random(3)
    rows = []
    for (_,), leaf in world.verdicts.group_by("leaf", maintain_order=True):
        modes = list(zip(leaf["instruction"], leaf["response"], strict=True))[:3]
        for at in range(leaf.height):
            instruction, response = modes[at % 3]
            changed = instruction.split()
            changed[-1] = rng.choice(["amber.", "nasi.", "river.", "padi."])
            rows.append((" ".join(changed), response))
    texts = [pl.Series("instruction", [row[0] for row in rows]), pl.Series("response", [row[1] for row in rows])]
    caught = failed(world.with_verdicts(world.verdicts.with_columns(texts)))
    assert caught == {"collapse.distinct_pairs", "collapse.incompressibility", "collapse.likeness", "collapse.repeated_texts"}


def test_a_fifth_generation(world: World) -> None:
    assert failed(world.with_verdicts(world.verdicts.with_columns(pl.lit(5, pl.Int32).alias("depth")))) == {"collapse.depth"}


def test_nothing_accepted_fails_every_gate_but_none_by_a_crash(world: World) -> None:
    empty = world.with_verdicts(world.verdicts.with_columns(pl.lit("rejected").alias("verdict")))
    gates = decide(empty).filter(pl.col("threshold").is_not_null())
    assert not gates.filter(pl.col("metric") == "records")["passed"].item()
    assert gates["passed"].sum() == 0
    assert not gates["value"].is_nan().any()


def test_no_candidates_at_all_fails_every_gate(world: World) -> None:
    nothing = world.with_verdicts(world.verdicts.clear())
    assert failed(nothing) == set(list_default_gates())


def test_the_order_of_rows_changes_nothing() -> None:
    world = clean_world(records=24, examples=8)
    shuffled = World(
        world.seeds.sample(fraction=1, shuffle=True, seed=1), world.documents, world.verdicts.sample(fraction=1, shuffle=True, seed=2)
    )
    assert measure_all(world).equals(measure_all(shuffled))
