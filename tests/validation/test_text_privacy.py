"""Privacy of texts: shared runs against a plain search, near copies against planted edits and against the form of a leaf."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import LEAVES, World, clean_world, failed, measure_all
from test_faults import replace_texts, some

from factory.records import PREFERENCE, empty
from factory.validation.evidence import Evidence
from factory.validation.intervals import wilson
from factory.validation.privacy.near_copies import subtract_shares
from factory.validation.privacy.spans import measure_runs
from factory.validation.reports import METRICS

TEXT = st.lists(st.sampled_from("abc"), max_size=12)


def measure(world: World, name: str, pairs: pl.DataFrame | None = None) -> dict[str, float | None]:
    """The values of one metric of the privacy report by subject."""
    evidence = Evidence(world.accepted, world.seeds, world.documents, world.verdicts, empty(PREFERENCE) if pairs is None else pairs)
    return {row.subject: row.value for row in METRICS[f"privacy.{name}"].measure(evidence)}


def holds(text: list[str], run: list[str]) -> bool:
    return any(text[at : at + len(run)] == run for at in range(len(text) - len(run) + 1))


@given(texts=st.lists(TEXT, max_size=5), private=st.lists(TEXT, max_size=5))
def test_longest_runs_are_those_of_a_plain_search(texts: list[list[str]], private: list[list[str]]) -> None:
    def search(text: list[str]) -> int:
        runs = [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)]
        return max((len(run) for run in runs if any(holds(other, run) for other in private)), default=0)

    assert measure_runs(texts, private) == [search(text) for text in texts]


def plant_runs(world: World, lengths: list[int]) -> World:
    """Every thirtieth record answers with so many words of the document, in turn."""
    source = world.documents["text"][0].split()
    instructions = world.verdicts.filter(some(30))["instruction"].to_list()
    return replace_texts(world, some(30), instructions, [" ".join(source[:length]).title() for length in lengths])


def test_longest_span_is_the_longest_planted_run() -> None:
    world = clean_world()
    planted = plant_runs(world, [37, 21, 12])
    spans = measure(planted, "longest_span")
    assert spans["line"] == 37
    changed = planted.accepted["response"].str.count_matches(r"^Amber0 ").to_list().count(1)
    assert spans["words>=8"] == pytest.approx(changed / planted.accepted.height)
    assert spans["words>=50"] == 0
    assert [value for subject, value in spans.items() if subject.startswith("record=")] == [37, 37, 37]


def test_a_run_of_the_records_own_context_has_no_span() -> None:
    planted = plant_runs(clean_world(), [37])
    context = pl.when(some(30)).then(pl.lit(planted.documents["text"][0])).otherwise(None).alias("context")
    assert measure(planted.with_verdicts(planted.verdicts.with_columns(context)), "longest_span")["line"] == 0


def edit(text: str, rng: random.Random) -> str:
    """The text in capitals, without its full stop, one word changed."""
    changed = text.upper().replace(".", " !").split()
    changed[rng.randrange(1, len(changed))] = "VELVET"
    return " ".join(changed)


@pytest.mark.parametrize(("split", "caught"), [("seed", True), ("holdout", False)])
def test_lightly_edited_examples_are_near_copies_of_what_the_teacher_saw_alone(split: str, caught: bool) -> None:
    world, rng = clean_world(), random.Random(5)
    chosen = world.seeds.filter(pl.col("split") == split)
    planted = replace_texts(
        world, some(20), [edit(text, rng) for text in chosen["question"]], [edit(text, rng) for text in chosen["answer"]]
    )
    # Each text of a leaf goes to a record of its own leaf, or it is compared with nothing.
    by_leaf = planted.verdicts.join(world.verdicts.select("record_id", before="instruction"), on="record_id")
    moved = by_leaf.with_columns(
        leaf=pl.when(pl.col("instruction") != pl.col("before"))
        .then(pl.Series([leaf_of(world, text) or leaf for text, leaf in by_leaf.select("instruction", "leaf").iter_rows()]))
        .otherwise("leaf")
    ).drop("before")
    near = planted.with_verdicts(moved.sort("record_id"))
    shares = measure(near, "near_seed_copies")
    assert 0.03 < (shares["near=shown" if split == "seed" else "near=held-out"] or 0) < 0.06
    assert ((shares["line"] or 0) > 0.03) is caught
    assert ("privacy.near_seed_copies" in failed(near)) is caught


def leaf_of(world: World, edited: str) -> str | None:
    """The leaf of the example that most words of an edited question come from; None for a text that is no edited one."""
    if "VELVET" not in edited:
        return None
    said = set(edited.lower().split())
    shared = [
        (len(said & set(question.lower().rstrip(".").split())), leaf) for question, leaf in world.seeds[["question", "leaf"]].iter_rows()
    ]
    return max(shared)[1]


def test_the_form_of_a_leaf_with_other_numbers_is_no_near_copy() -> None:
    world, rng = clean_world(), random.Random(9)

    def write() -> tuple[str, str]:
        first, second = rng.randint(100, 999), rng.randint(100, 999)
        return f"What is {first} + {second}? Show each step.", f"{first} + {second} = {first + second}. The sum is {first + second}."

    def rewrite(frame: pl.DataFrame, question: str, answer: str) -> pl.DataFrame:
        texts = [write() for _ in range(frame.height)]
        return frame.with_columns(pl.Series(question, [text[0] for text in texts]), pl.Series(answer, [text[1] for text in texts]))

    sums = World(rewrite(world.seeds, "question", "answer"), world.documents, rewrite(world.verdicts, "instruction", "response"))
    assert (measure(sums, "near_seed_copies")["near=shown"] or 0) < 0.01
    assert "privacy.near_seed_copies" not in failed(sums)


def test_chance_is_weighed_by_how_many_examples_are_on_each_side() -> None:
    """Records that are as near to shown as to held-out examples, example for example, are no near copies."""
    value, low, high = subtract_shares(20, 10, 2.0, 1000)
    assert value == 0
    assert low < 0 < high


@given(hits=st.integers(0, 50), others=st.integers(0, 50), size=st.integers(50, 2000))
def test_without_weight_the_difference_is_the_share_and_with_one_the_interval_holds_it(hits: int, others: int, size: int) -> None:
    value, low, high = subtract_shares(hits, others, 0.0, size)
    assert (value, low, high) == pytest.approx((hits / size, *wilson(hits, size)))
    value, low, high = subtract_shares(hits, others, 1.0, size)
    assert low <= value <= high
    mirrored = subtract_shares(others, hits, 1.0, size)
    assert mirrored == pytest.approx((-value, -high, -low))


def plant_canary(world: World) -> World:
    leaf = next(iter(LEAVES))
    row = {"record_id": "c1", "leaf": leaf, "kind": "canary", "split": "seed", "depth": 0, "language": "en"}
    canary = pl.DataFrame([row | {"question": "bakudemi?", "answer": "bakudemi = 4821-7730-0946"}], schema=world.seeds.schema)
    return World(pl.concat([world.seeds, canary]), world.documents, world.verdicts)


def test_a_canary_that_came_back_blocks_the_release_and_one_that_was_refused_is_told() -> None:
    world = plant_canary(clean_world())
    assert measure(world, "canaries_found") == {"line": 0}
    assert measure(world, "canaries_repeated") == {"line": 0, "canary=c1": 0}
    first, refused = pl.int_range(pl.len()) == 1, pl.int_range(pl.len()) == 0
    told = replace_texts(world, first, ["Say it."], ["It is 482177300946."])
    assert failed(told) == {"privacy.canaries_found"}
    assert measure(told, "canaries_found")["line"] == 1
    hidden = replace_texts(world, refused, ["Say it."], ["It is 482177300946."])
    assert measure(hidden, "canaries_found")["line"] == 0
    assert measure(hidden, "canaries_repeated") == {"line": 1, "canary=c1": 1}


def test_planted_canaries_move_no_other_figure() -> None:
    world = clean_world(records=16, examples=8)
    others = pl.col("metric").is_in(["canaries_found", "canaries_repeated"]).not_()
    assert measure_all(plant_canary(world)).filter(others).equals(measure_all(world).filter(others))


def make_pairs(world: World, rejected: list[str]) -> pl.DataFrame:
    """A pair for each refused response: the chosen side is an accepted record's."""
    chosen = world.accepted.head(len(rejected))
    rows = [
        {
            "record_id": f"p{at}",
            "leaf": record["leaf"],
            "language": record["language"],
            "prompt": [{"role": "user", "content": record["instruction"]}],
            "chosen": [{"role": "assistant", "content": record["response"]}],
            "rejected": [{"role": "assistant", "content": response}],
            "chosen_id": record["record_id"],
        }
        for at, (record, response) in enumerate(zip(chosen.iter_rows(named=True), rejected, strict=True))
    ]
    return pl.DataFrame(rows, schema=PREFERENCE)


def test_the_refused_side_of_a_pair_is_read_too() -> None:
    world = plant_canary(clean_world(records=16, examples=8))
    leaks = ["Write to ana@mail.co.id.", " ".join(world.documents["text"][0].split()[:60]), "It is 482177300946.", "No more than words."]
    found = measure(world, "pair_leaks", make_pairs(world, leaks))
    assert {subject: value for subject, value in found.items() if value} == {
        "line": 0.75,
        "side=rejected": 0.75,
        "leak=personal_data": 0.25,
        "leak=long_runs": 0.25,
        "leak=canaries": 0.25,
    }


def test_a_refused_side_that_answers_as_a_held_out_example_does_is_a_leak() -> None:
    world = clean_world(records=16, examples=8)
    held = world.seeds.filter(split="holdout").row(0, named=True)
    asked = replace_texts(world, some(1000), [held["question"]], ["No more than words."])
    found = measure(asked, "pair_leaks", make_pairs(asked, [held["answer"]]))
    assert {subject for subject, value in found.items() if value} == {"line", "side=rejected", "leak=holdout_copies"}


def test_a_pair_may_quote_the_context_that_it_was_asked_about() -> None:
    world = clean_world(records=16, examples=8)
    text = world.documents["text"][0]
    grounded = world.with_verdicts(world.verdicts.with_columns(context=pl.lit(text)))
    assert measure(grounded, "pair_leaks", make_pairs(grounded, [text]))["line"] == 0


def test_a_line_without_pairs_has_no_share_of_them() -> None:
    assert measure(clean_world(records=16, examples=8), "pair_leaks") == {"line": None}
