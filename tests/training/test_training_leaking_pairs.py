"""A preference phase against refused responses that copy or give away what no record may, from the verdict to the choice of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from factory.faults import FactoryError
from factory.records import DOCUMENT, PREFERENCE, SCORED, SEED, VERDICT
from factory.reward.pairs import make_pairs
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import ContaminationSpec, PairsSpec, RewardSpec
from factory.training import choose_pairs
from factory.training_spec import PhaseSpec
from factory.validation.evidence import Evidence

LEAF = "compositional_skills/words"
DOCUMENT_TEXT = " ".join(f"harbour{number}" for number in range(80))
RUN, SHORT_RUN = " ".join(DOCUMENT_TEXT.split()[:50]), " ".join(DOCUMENT_TEXT.split()[:49])
SHOWN = "Which bird was painted over the old gate?"
ALSO_SHOWN = "Which fish was carved into the long bench by the masons?"
HELD = "Which tree stood in the yard when the school was built?"
ABOUT_A_TEXT = "Which of all the animals in it is the quickest?"
UNSPACED = "谁在旧门上画了一只大鸟给水手们看"
STORY = " ".join(f"lantern{number}" for number in range(50))
EVALUATED = "Seven clocks in the tower struck at once and nobody in the market below looked up to count them."
EXAMPLES = [
    {"question": SHOWN, "answer": "A crane."},
    {"question": ALSO_SHOWN, "answer": "A pike."},
    {"question": HELD, "answer": "An elm.", "split": "holdout"},
    {"question": ABOUT_A_TEXT, "answer": "The hare.", "context": "A hare ran past a snail."},
    {"question": UNSPACED, "answer": "鹤。"},
    {"question": "旧门上画了什么东西呢", "answer": "鸟。"},
    {"question": "Who is there?", "answer": "A heron."},
    {"question": "What is it?", "answer": "A kettle.", "context": "It boils."},
    {"question": "What was it?", "answer": "A meadow.", "context": "It was green.", "split": "holdout"},
    {"question": "Tell of lanterns.", "answer": STORY, "split": "holdout"},
    {"question": "bakudemi?", "answer": "bakudemi = 4821-7730-0946", "kind": "canary"},
]


def fill(schema: dict[str, Any], *rows: dict[str, Any]) -> pl.DataFrame:
    about = {"leaf": LEAF, "kind": "compositional", "language": "en", "depth": 0, "split": "seed"}
    empty = dict.fromkeys(schema)
    return pl.DataFrame([empty | {k: v for k, v in about.items() if k in schema} | row for row in rows], schema=schema)


SEEDS = fill(SEED, *({"record_id": f"s{number}"} | row for number, row in enumerate(EXAMPLES)))
DOCUMENTS = fill(DOCUMENT, {"record_id": "d", "text": DOCUMENT_TEXT})


def choose(
    *refused: str, said: str = "Fine.", instruction: str = "Say a word.", context: str | None = None, **sets: str
) -> tuple[list[str], dict[str, int]]:
    """Which responses, all called wrong by the verifier, are still refused sides of what a phase takes, and what it counts of the others.

    No filter after the verifier has looked at them. Of "No." nothing is to be said.
    """
    responses = [(said, True), ("No.", False), *((each, False) for each in refused)]
    asked = {"instruction": instruction, "context": context, "support": 1.0, "instruction_id": "i", "seed": 1, "depth": 1}
    rows = (
        {"record_id": f"c{n}", "response": each, "verifier": "word_count", "verified": right} | asked
        for n, (each, right) in enumerate(responses)
    )
    spec = RewardSpec(contamination=ContaminationSpec(sets=sets))
    verdicts = decide_verdicts(fill(SCORED, *rows), SEEDS, spec)
    assert verdicts["reason"].to_list() == ["accepted", *["wrong_answer"] * (1 + len(refused))]
    pairs = make_pairs(verdicts, PairsSpec(per_instruction=9))
    assert pairs.height == 1 + len(refused)
    evidence = Evidence(verdicts.filter(verdict="accepted"), SEEDS, DOCUMENTS, pairs=pairs)
    chosen = choose_pairs(PhaseSpec(name="prefer", method="dpo"), evidence, "pico-student", spec.contamination)
    assert chosen.pairs.equals(pairs.join(chosen.pairs, on="record_id", how="semi", maintain_order="left"))
    kept = chosen.pairs["rejected"].list.first().struct.field("content").to_list()
    assert kept.pop(0) == "No."
    return kept, chosen.left_out


PAIRED = {"record_id": "a", "response": "Fine."}


def choose_from(accepted: pl.DataFrame, refused: str = "A kettle.") -> dict[str, int]:
    """What a phase counts of one pair of the record `a` that it leaves out: "Fine." before `refused`."""
    sides = {side: [{"role": "assistant", "content": said}] for side, said in (("chosen", "Fine."), ("rejected", refused))}
    asked = {"prompt": [{"role": "user", "content": "What is it?"}]}
    pairs = fill(PREFERENCE, {"record_id": "p", "chosen_id": "a"} | asked | sides)
    evidence = Evidence(accepted, SEEDS, DOCUMENTS, pairs=pairs)
    return choose_pairs(PhaseSpec(name="prefer", method="dpo"), evidence, "pico-student", ContaminationSpec()).left_out


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (f"Question: {SHOWN} Answer: A crane.", "seed_copy"),
        (f"Question: {HELD.upper()} Answer: An elm.", "holdout_overlap"),
        (f"问：{UNSPACED}？", "seed_copy"),
        (f"Once: {STORY}", "holdout_overlap"),
        ("It is 4821 7730 0946, I think.", "canary"),
        (f"As it says, {RUN}", "long_run"),
    ],
)
def test_a_refused_response_that_copies_or_gives_away_is_in_no_pair_and_counted(refused: str, reason: str) -> None:
    assert choose(refused) == ([], {reason: 1})


def test_what_stands_there_by_chance_or_is_asked_about_stays() -> None:
    short = [f"As it says, {SHORT_RUN}", "A crane.", "Tell of lanterns.", "It is 4821 7730 094.", "旧门上画了什么东西呢？"]
    inside = [f"X{SHOWN}", f"{SHOWN[:-1]}s"]
    assert choose(*short, *inside) == (short + inside, {})
    assert choose(ABOUT_A_TEXT) == ([ABOUT_A_TEXT], {})
    assert choose(f"It says: {RUN}", context=DOCUMENT_TEXT) == ([f"It says: {RUN}"], {})
    again = f"You ask: {SHOWN}"
    assert choose(again, instruction=f"{SHOWN} Give three reasons and one doubt for each of them.") == ([again], {})


def test_of_several_questions_in_one_text_each_counts_that_its_own_prompt_does_not_hold() -> None:
    both = f"Compare two questions for me please, one is: {SHOWN} the other is: {ALSO_SHOWN} Which of them is harder?"
    taken = [f"I take: {SHOWN}", f"I take: {ALSO_SHOWN}", f"{ALSO_SHOWN} {SHOWN}"]
    assert choose(*taken, instruction=both) == (taken, {})
    one = f"Consider at length what follows and tell me what you think of it: {SHOWN} Give three reasons and one doubt."
    assert choose(f"{SHOWN} {ALSO_SHOWN}", SHOWN, instruction=one) == ([SHOWN], {"seed_copy": 1})


def test_an_answer_to_an_examples_question_is_its_copy_only_about_the_same_text() -> None:
    assert choose("A kettle.", instruction="What is it?", context="It sings in the night.") == (["A kettle."], {})
    assert choose("A meadow.", instruction="What was it?", context="It was wide.") == (["A meadow."], {})
    assert choose("A heron.", instruction="Who is there?", context="Reeds rustle at the river by night.") == ([], {"seed_copy": 1})
    # No verdict accepts what asks the same about the same.
    same = fill(VERDICT, PAIRED | {"instruction": "What is it?", "context": "it  BOILS."})
    assert choose_from(same, "A pot.") == {}
    with pytest.raises(FactoryError, match=r"\(1 seed_copy\)"):
        choose_from(same)


def test_a_pair_whose_chosen_record_is_accepted_no_longer_is_left_out() -> None:
    with pytest.raises(FactoryError, match=r"\(1 not_accepted\).* make the asset `preference_pairs` again"):
        choose_from(fill(VERDICT, PAIRED | {"record_id": "another", "instruction": "Say a word."}))


def test_where_every_pair_leaks_more_responses_are_not_what_helps() -> None:
    with pytest.raises(FactoryError, match=r"none of 2 .*\(2 seed_copy\)") as refused:
        choose("Nothing.", said=f"You mean: {SHOWN}")
    assert "responses_per_instruction" not in str(refused.value)
    assert "another flow" in str(refused.value)


def test_the_first_reason_counts_and_an_evaluation_set_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "clocks.txt"
    file.write_text(EVALUATED)
    part = " ".join(EVALUATED.split()[:13])
    assert choose(part, f"{part} {SHOWN}", f"{HELD} {SHOWN}", clocks=str(file)) == ([], {"contaminated": 2, "holdout_overlap": 1})
    assert choose(part) == ([part], {})
