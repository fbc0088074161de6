"""What is trained on: the release alone or with what the line mixes in, how the share of real data is held, and what never gets in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.line import Line
from factory.mixing_spec import MOST_TIMES
from factory.records import CANARY, MIXED, SEED, TOPIC, VERDICT, digest
from factory.reward.words import normalise
from factory.training import Mix, measure_real_share, mix_records, repeat_rows

LEAF = "foundational_skills/sums"


def make_line(**sections: Any) -> Line:
    return Line.model_validate({"name": "pico", "seeds": {"taxonomy": Path("taxonomy")}} | sections)


def record(instruction: str, response: str = "one two three", **values: Any) -> dict[str, Any]:
    row = {"leaf": LEAF, "kind": "foundational", "language": "en", "licence": "MIT", "depth": 1, "goodness": 1.0}
    row |= {"instruction": instruction, "response": response} | values
    return {"record_id": digest(row)} | row


def records(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(VERDICT) | row for row in rows], schema=VERDICT)


def example(question: str, answer: str | None = "a b", split: str = "seed", kind: str = "foundational") -> dict[str, Any]:
    row = {"leaf": LEAF, "kind": kind, "language": "en", "question": question, "answer": answer, "split": split, "depth": 0}
    return dict.fromkeys(SEED) | {"record_id": digest(["seed", row])} | row


def seeds(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SEED)


def mix(
    released: pl.DataFrame, people: pl.DataFrame, earlier: dict[str, pl.DataFrame] | None = None, line: Line | None = None, **mixing: Any
) -> Mix:
    line = (line or make_line()).model_copy(update={"mixing": make_line(mixing=mixing).mixing})
    made = mix_records(line, "v-now", released, people, earlier or {})
    assert made.rows.schema == pl.Schema(MIXED)
    return made


def reasons(made: Mix) -> dict[tuple[str, str], int]:
    return {(origin, reason): count for origin, reason, count, _ in made.left_out.iter_rows()}


def origins(made: Mix) -> dict[str, str]:
    """By instruction, where each row is from."""
    return {row["instruction"]: row["release"] or row["origin"] for row in made.rows.iter_rows(named=True)}


NOW = records(record("how now"), record("brown cow"))
PEOPLE = seeds(
    example("what is real"),
    example("what is kept", split="holdout"),
    example("a topic", None, kind=TOPIC),
    example("a secret", "1234", kind=CANARY),
)


def test_without_more_it_is_the_release() -> None:
    made = mix(NOW, PEOPLE, {"v-old": records(record("long ago"))})
    assert made.rows.select("record_id", "instruction", "response").equals(
        NOW.sort("record_id").select("record_id", "instruction", "response")
    )
    assert set(made.rows["origin"]) == {"release"} and set(made.rows["times"]) == {1} and made.left_out.is_empty()


def test_earlier_releases_give_what_the_line_would_still_take_each_record_once() -> None:
    old = records(
        NOW.row(0, named=True),
        record("brown cow", goodness=0.5),
        record("long ago"),
        record("far from it", depth=3),
        record("under another", licence="GPL-3.0-only"),
        record("write to me at ana.lee@mail.co.id"),
        record("What is KEPT"),
    )
    older = records(record("long ago"), record("longer ago"), record("long ago", context="of another text"))
    line = make_line(seeds={"taxonomy": Path("taxonomy"), "licences": {"allow": ["MIT"]}})
    made = mix(NOW, PEOPLE, {"v-old": old, "v-older": older}, line, policy="accumulate", greatest_depth=2)
    assert origins(made) == {"how now": "v-now", "brown cow": "v-now", "long ago": "v-older", "longer ago": "v-older"}
    assert made.rows.filter(release="v-old")["instruction"].to_list() == ["long ago"]
    assert made.rows.filter(release="v-older").sort("instruction", "context", nulls_last=True)["context"].to_list() == [
        "of another text",
        None,
    ]
    found = {reason: count for (origin, reason), count in reasons(made).items() if origin == "earlier"}
    assert found == {"duplicate": 3, "licence": 1, "too_deep": 1, "personal_data": 1, "holdout_overlap": 1}


def test_a_new_evaluation_set_keeps_out_what_an_earlier_release_holds_of_it(tmp_path: Path) -> None:
    held = "on which day of the week does the market of the old town open its gates"
    (tmp_path / "exam.txt").write_text(held)
    line = make_line(reward={"contamination": {"sets": {"exam": str(tmp_path / "exam.txt")}}})
    made = mix(NOW, PEOPLE, {"v-old": records(record(held), record("long ago"))}, line, policy="accumulate")
    assert reasons(made) == {("earlier", "contaminated"): 1} and "long ago" in origins(made)


def test_real_examples_are_repeated_before_records_are_left_out() -> None:
    released = records(*(record(f"question number {number}", "w " * 7) for number in range(4)))  # 10 words each
    people = seeds(example("one two", "three"), example("four", "five", split="holdout"))  # 3 words
    for share, times, left in (
        (0.01, 1, 0),
        (3 / 43, 1, 0),
        (0.07, 2, 0),
        (0.15, 3, 0),
        (0.2, 4, 0),
        (12 / 52, 4, 0),
        (0.24, 4, 1),
        (0.5, 4, 3),
        (1, 4, 4),
    ):
        made = mix(released, people, least_real_share=share)
        (real,) = made.rows.filter(origin="real").iter_rows(named=True)
        assert (real["times"], real["depth"], real["words"], real["instruction"]) == (times, 0, 3, "one two"), share
        assert reasons(made) == ({("release", "too_little_real"): left} if left else {}), share
        assert repeat_rows(made.rows).height == times + 4 - left


def test_least_good_records_go_first_of_each_leaf_alike_and_of_earlier_releases_before() -> None:
    leaves = {"compositional_skills/words": 10, "knowledge/sea": 30}
    worth = {
        leaf: [record(f"{leaf} {place}", "w", leaf=leaf, goodness=float(place)) for place in range(many)] for leaf, many in leaves.items()
    }
    released = records(*(row for rows in worth.values() for row in rows))
    people = seeds(example("one two three four", "five six seven eight nine ten"))
    whole = mix(released, people, least_real_share=0.01).rows.filter(origin="release")
    cut = mix(released, people, least_real_share=0.4).rows.filter(origin="release")
    gone = whole.join(cut, on="record_id", how="anti")
    shares = {leaf: gone.filter(leaf=leaf).height / many for leaf, many in leaves.items()}
    assert gone.height > 8 and abs(shares["knowledge/sea"] - shares["compositional_skills/words"]) < 0.1
    for leaf in leaves:
        assert gone.filter(leaf=leaf)["goodness"].max() < cut.filter(leaf=leaf)["goodness"].min()
    old = records(*(record(f"old {place}", "w", goodness=99.0) for place in range(5)))
    both = mix(released, people, {"v-old": old}, policy="accumulate", least_real_share=0.4)
    assert both.rows.filter(pl.col("origin") != "real").equals(cut)
    assert reasons(both)[("earlier", "too_little_real")] == 5


def test_where_nothing_is_real_it_says_so_and_why() -> None:
    alone = seeds(example("a topic", None, kind=TOPIC), example("what is kept", split="holdout"))
    with pytest.raises(FactoryError, match=r"least_real_share is 0\.1, but .* \(its seeds hold none .* lower `seeds.holdout`"):
        mix(NOW, alone, least_real_share=0.1)
    with pytest.raises(FactoryError, match=r"\(1 holdout_overlap, 1 personal_data\)"):
        mix(NOW, pl.concat([alone, seeds(example("what is  KEPT"), example("mail ana.lee@mail.co.id"))]), least_real_share=0.1)


def test_all_turns_of_a_dialogue_count_and_its_context_does_not() -> None:
    turns = [{"role": role, "content": "one two"} for role in ("user", "assistant", "user", "assistant")]
    rows = records(record("one two", "one two", turns=turns, context="a b c d"), record("eins", "日本 zwei"))
    assert sorted(mix(rows, PEOPLE).rows["words"]) == [4, 8]


TEXT = st.sampled_from(["sea", "sun and sea", "a boat on the sea"])
RECORDS = st.lists(
    st.builds(
        record, TEXT, TEXT, leaf=st.sampled_from([LEAF, "knowledge/sea"]), goodness=st.sampled_from([0.0, 1.0]), depth=st.integers(1, 3)
    ),
    max_size=8,
    unique_by=lambda row: row["record_id"],
)
EXAMPLES = st.lists(
    st.builds(example, TEXT, st.none() | TEXT, st.sampled_from(["seed", "holdout"]), st.sampled_from(["foundational", CANARY])),
    max_size=6,
    unique_by=lambda row: row["record_id"],
)


@settings(max_examples=60)
@given(
    released=RECORDS.map(lambda rows: [row | {"instruction": f"new {row['instruction']}"} for row in rows]),
    earlier=st.lists(RECORDS, max_size=3),
    people=EXAMPLES,
    policy=st.sampled_from(["replace", "accumulate"]),
    share=st.just(0.0) | st.floats(0, 1),
    depth=st.none() | st.integers(1, 3),
    shuffled=st.integers(0, 9),
)
def test_whatever_is_given_the_mix_keeps_its_promises(
    released: list[dict[str, Any]],
    earlier: list[list[dict[str, Any]]],
    people: list[dict[str, Any]],
    policy: str,
    share: float,
    depth: int | None,
    shuffled: int,
) -> None:
    assume(share == 0 or share > 1e-9)
    now, asked = records(*released), seeds(*people)
    before = {f"v-{number}": records(*rows) for number, rows in enumerate(earlier)}
    given_mixing = {"policy": policy, "least_real_share": share, "greatest_depth": depth}
    try:
        made = mix(now, asked, before, **given_mixing)
    except FactoryError:
        assert share > 0
        return
    rows = made.rows
    assert rows["record_id"].is_unique().all()
    others = rows.filter(pl.col("origin") != "release")
    ids = {split: set(asked.filter(split=split)["record_id"]) for split in ("seed", "holdout")}
    assert not set(rows["record_id"]) & ids["holdout"]
    assert set(rows.filter(origin="real")["record_id"]) <= ids["seed"] - set(asked.filter(kind=CANARY)["record_id"])
    kept = {normalise(text) for text in asked.filter(pl.col("answer").is_not_null(), split="holdout", kind="foundational")["question"]}
    assert not kept & {normalise(text) for text in others["instruction"]}
    texts = others.select("instruction", "context", "response")
    assert texts.is_unique().all()
    assert (others["depth"].max() or 0) <= (depth or 3)
    assert policy == "accumulate" or "earlier" not in set(rows["origin"])
    assert (share > 0) == (rows.filter(origin="real").height > 0)
    if share:
        assert (measure_real_share(rows) or 0) >= share
        cut = made.left_out.filter(reason="too_little_real")
        times = rows.filter(origin="real")["times"].unique().to_list()
        assert len(times) == 1 and (cut.is_empty() or times == [MOST_TIMES])
        if times[0] > 1:
            once = rows.with_columns(times=pl.when(origin="real").then(times[0] - 1).otherwise("times").cast(pl.Int32))
            assert not cut.is_empty() or (measure_real_share(once) or 0) < share
    else:
        assert set(now["record_id"]) == set(rows.filter(origin="release")["record_id"])
    stirred = {version: frame.sample(fraction=1, shuffle=True, seed=shuffled) for version, frame in before.items()}
    again = mix(
        now.sample(fraction=1, shuffle=True, seed=shuffled), asked.sample(fraction=1, shuffle=True, seed=shuffled), stirred, **given_mixing
    )
    assert again.rows.equals(rows) and again.left_out.equals(made.left_out)
