"""All that a release publishes in words is read for private text: the middle of a dialogue, its topic, and what was noted of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from small_world import World, clean_world
from test_text_privacy import make_pairs, measure

from factory.records import TURNS
from factory.validation.text import hash_runs, ngrams

THANKS = "Thanks a lot."
SOME = pl.int_range(pl.len()) % 20 == 1
"""One record in twenty."""


@pytest.fixture(scope="module")
def world() -> World:
    return clean_world(records=24, examples=8)


def put_between(world: World, asked: pl.Expr, answered: pl.Expr) -> World:
    """Some of the records as dialogues that begin and end as before, the turns given in between."""
    said = [("user", "instruction"), ("assistant", pl.lit("Of course.")), ("user", asked), ("assistant", answered)]
    said += [("user", pl.lit(THANKS)), ("assistant", "response")]
    turns = pl.concat_list(pl.struct(role=pl.lit(role), content=content) for role, content in said).cast(TURNS)
    return world.with_verdicts(world.verdicts.with_columns(turns=pl.when(SOME).then(turns)))


def take_document(world: World) -> pl.Expr:
    return pl.lit(" ".join(world.documents["text"][0].split()[:60]))


@pytest.mark.parametrize("turn", ["asked", "answered"])
def test_a_document_in_the_middle_of_a_dialogue_is_found(world: World, turn: str) -> None:
    turns = {"asked": pl.lit("Go on."), "answered": pl.lit("As you like.")} | {turn: take_document(world)}
    planted = put_between(world, **turns)
    share = planted.accepted["turns"].count() / planted.accepted.height
    assert measure(planted, "long_runs")["line"] == pytest.approx(share)
    assert measure(planted, "longest_span")["line"] == 60
    assert measure(planted, "repeated_responses")["line"] == pytest.approx(share if turn == "answered" else 0)


def test_an_example_in_the_middle_of_a_dialogue_is_a_copy_and_a_near_one(world: World) -> None:
    shown = world.seeds.filter(split="seed").group_by("leaf").first().select("leaf", "question", "answer")
    examples = world.with_verdicts(world.verdicts.join(shown, on="leaf", maintain_order="left"))
    planted = put_between(examples, pl.col("question").str.to_uppercase(), "  " + pl.col("answer"))
    share = planted.accepted["turns"].count() / planted.accepted.height
    assert measure(planted, "seed_copies")["line"] == pytest.approx(share)
    assert measure(planted, "near_seed_copies")["near=shown"] == pytest.approx(share)
    parted = put_between(examples, pl.lit("Go on."), pl.col("answer"))
    assert measure(parted, "seed_copies")["line"] == 0


def test_a_dialogue_that_says_nothing_private_moves_no_share(world: World) -> None:
    harmless = put_between(world, pl.lit("Go on."), pl.lit("As you like."))
    for name in ("long_runs", "longest_span", "seed_copies", "near_seed_copies", "repeated_responses", "personal_data"):
        assert measure(harmless, name)["line"] == measure(world, name)["line"]


def test_the_turns_of_a_pairs_prompt_are_read(world: World) -> None:
    pairs = make_pairs(world, ["No more than words.", "Nor here."])
    first, asked = pairs["prompt"][0].to_list(), world.documents["text"][0]
    longer = [[*first, {"role": "assistant", "content": asked}, {"role": "user", "content": THANKS}], pairs["prompt"][1].to_list()]
    found = measure(world, "pair_leaks", pairs.with_columns(pl.Series("prompt", longer, dtype=TURNS)))
    assert {subject: value for subject, value in found.items() if value} == {
        "line": 0.5,
        "side=chosen": 0.5,
        "side=rejected": 0.5,
        "leak=long_runs": 0.5,
    }


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("topic", "the life of ana@mail.co.id"),
        ("verifier_note", "ana@mail.co.id is no number"),
        ("reward_note", "no score for ana@mail.co.id"),
        ("votes", [{"judge": "j", "note": None}, {"judge": "j", "note": "not a number: ana@mail.co.id"}]),
    ],
)
def test_personal_data_is_found_in_every_column_that_is_published(world: World, column: str, value: Any) -> None:
    noted = pl.Series(column, [value if at % 20 == 1 else None for at in range(world.verdicts.height)], world.verdicts.schema[column])
    planted = world.with_verdicts(world.verdicts.with_columns(noted))
    assert measure(world, "personal_data") == {"line": 0} | dict.fromkeys(world.accepted["leaf"], 0)
    assert measure(planted, "personal_data")["type=EMAIL_ADDRESS"] == pytest.approx(
        planted.accepted[column].count() / planted.accepted.height
    )


def test_runs_of_words_have_one_number_each() -> None:
    rng = np.random.default_rng(0)
    text = rng.choice(["a", "b", "ä", "我"], 3_000).tolist()
    for n in (1, 8, 50):
        runs, hashed = [*ngrams(text, n)], hash_runs(text, n).tolist()
        assert len({*zip(runs, hashed, strict=True)}) == len({*runs}) == len({*hashed})
    assert hash_runs(["a"], 2).size == 0
