"""Candidates of a leaf: what is shown, what is asked, what is never asked twice, and rows that are the same however the work went."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from factory.faults import FactoryError
from factory.generation.chat import Completion, Message, Request
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.units import select_material
from factory.line import GenerationSpec
from factory.personal_data.spec import PersonalDataSpec
from factory.records import CANDIDATE, DOCUMENT, SEED, digest, empty

LEAF = "compositional_skills/words/reverse_words"
MakeFrame = Callable[..., pl.DataFrame]
Generate = Callable[..., pl.DataFrame]


def is_instruction(prompt: str) -> bool:
    """Whether the prompt is the freeform flow's for a new task."""
    return prompt.startswith("Write one new task of the same kind")


class CountingTeacher(LocalTeacher):
    """Keeps every request that reaches the model."""

    def __init__(self, model: str, batch_size: int = 8) -> None:
        super().__init__(model, batch_size=batch_size)
        self.asked: list[list[Request]] = []

    def complete(self, requests: Sequence[Request], progress: Any = None) -> list[Completion]:
        self.asked.append([*requests])
        return super().complete(requests, progress)

    @property
    def prompts(self) -> list[str]:
        return [request.messages[-1].content for batch in self.asked for request in batch]


@pytest.fixture
def teacher(tiny_model: Path, tiny_teacher: LocalTeacher) -> CountingTeacher:
    counting = CountingTeacher(str(tiny_model))
    counting.__dict__["_opened"] = tiny_teacher._opened  # opened once for all tests
    return counting


@pytest.fixture
def generate(
    tmp_path: Path, teacher: CountingTeacher, small_spec: GenerationSpec, make_seeds: MakeFrame, no_documents: pl.DataFrame
) -> Generate:
    def call(
        seeds: pl.DataFrame | None = None,
        documents: pl.DataFrame = no_documents,
        spec: dict[str, Any] | None = None,
        ledger: str = "ledger",
        seed: int = 7,
        **others: Any,
    ) -> pl.DataFrame:
        merged = GenerationSpec.model_validate(small_spec.model_dump() | (spec or {}))
        frame = make_seeds() if seeds is None else seeds
        with Ledger(tmp_path / f"{ledger}.sqlite") as store:
            return generate_candidates(LEAF, frame, documents, merged, [others.pop("teacher", teacher)], store, seed, **others)

    return call


def test_every_unit_yields_one_row_of_the_schema(generate: Generate, teacher: CountingTeacher, make_seeds: MakeFrame) -> None:
    frame = generate(spec={"teacher": {"price": {"prompt": 2.0, "completion": 8.0}}})
    assert frame.schema == pl.Schema(CANDIDATE)
    assert frame.height == 20
    assert frame["record_id"].n_unique() == 20
    ids = set(make_seeds()["record_id"])
    for row in frame.iter_rows(named=True):
        assert len(row["seed_ids"]) == len(set(row["seed_ids"])) == 2
        assert set(row["seed_ids"]) <= ids
        assert (row["leaf"], row["kind"], row["language"]) == (LEAF, "compositional", "en")
        assert (row["licence"], row["verifier"], row["context"], row["document_id"]) == ("Apache-2.0", "reversed_words", None, None)
        assert row["verifier_settings"] == '{"least":2}'
        assert row["groups"] == [{"name": "domain", "value": "words"}]
        assert (row["flow"], row["teacher"], row["depth"]) == ("freeform", teacher.identity, 1)
        assert row["cost"] == pytest.approx((row["prompt_tokens"] * 2 + row["completion_tokens"] * 8) / 1e6)
        assert json.loads(row["sampling"]) == {
            "instruction": {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 24},
            "response": {"temperature": 0.8, "top_p": 1.0, "max_new_tokens": 16},
        }


def test_the_second_step_is_asked_only_for_what_parsed(generate: Generate, teacher: CountingTeacher) -> None:
    frame = generate(spec={"candidates_per_leaf": 60, "instruction": {"temperature": 1.0, "max_new_tokens": 12}})
    parsed = frame.filter(pl.col("parse_fault").is_null())
    no_instruction = frame.filter(pl.col("instruction").is_null())
    no_response = frame.filter(pl.col("instruction").is_not_null() & pl.col("response").is_null())
    assert min(parsed.height, no_instruction.height, no_response.height) > 0
    assert parsed["response"].null_count() == 0
    assert no_instruction["response"].null_count() == no_instruction.height
    assert no_instruction["parse_fault"].str.starts_with("instruction: ").all()
    assert no_response["parse_fault"].str.starts_with("response: ").all()
    asked = Counter(is_instruction(prompt) for prompt in teacher.prompts)
    assert asked == {True: 60, False: 60 - no_instruction.height}
    assert set(frame["instruction"].drop_nulls()) <= set(teacher.prompts)
    faults = {fault.split(": ")[1] for fault in frame["parse_fault"].drop_nulls()}
    assert {"did not end within 12 tokens", "holds a control token of the teacher"} <= faults


def test_tokens_are_the_sum_over_the_steps(generate: Generate, teacher: CountingTeacher) -> None:
    frame = generate()
    spent = Counter()
    for batch in teacher.asked:
        for request, answer in zip(batch, LocalTeacher.complete(teacher, batch), strict=True):
            spent["instruction" if is_instruction(request.messages[-1].content) else "response"] += answer.completion_tokens
    usage = frame.explode("usage").unnest("usage", separator="_")
    assert dict(usage.group_by("usage_step").agg(pl.col("usage_completion_tokens").sum()).iter_rows()) == spent
    summed = usage.group_by("record_id", maintain_order=True).agg(pl.col("usage_completion_tokens").sum())
    assert summed["usage_completion_tokens"].to_list() == frame["completion_tokens"].to_list()


def test_a_prompt_shows_the_drawn_examples_in_drawn_order(generate: Generate, teacher: CountingTeacher, make_seeds: MakeFrame) -> None:
    frame = generate()
    questions = dict(make_seeds().select("record_id", "question").iter_rows())
    shown = ["alone.\n" + "".join(f"\nTask: {questions[i]}" for i in ids) for ids in frame["seed_ids"]]
    asked = [prompt for prompt in teacher.prompts if is_instruction(prompt)]
    assert sorted(asked) == sorted(
        "Write one new task of the same kind as these, with other content. Answer with the task " + text for text in shown
    )


def test_examples_are_drawn_evenly_and_in_any_order(generate: Generate) -> None:
    frame = generate(spec={"candidates_per_leaf": 400, "instruction": {"max_new_tokens": 1}, "response": {"max_new_tokens": 1}})
    pairs = Counter(tuple(ids) for ids in frame["seed_ids"])
    assert len(pairs) == 20
    assert max(pairs.values()) < 45


def test_a_holdout_example_is_never_shown(generate: Generate, teacher: CountingTeacher, make_seeds: MakeFrame) -> None:
    hidden = make_seeds(("A hidden question",), ("A hidden context",), split="holdout")
    other = make_seeds(("A question of another leaf",), leaf="compositional_skills/other")
    frame = generate(pl.concat([make_seeds(), hidden, other]))
    assert not set(frame["seed_ids"].explode()) & {*hidden["record_id"], *other["record_id"]}
    assert not any("hidden" in prompt or "another leaf" in prompt for prompt in teacher.prompts)
    assert frame["flow"].unique().to_list() == ["freeform"]


def test_a_leaf_with_fewer_examples_than_asked_shows_all(generate: Generate, make_seeds: MakeFrame) -> None:
    seeds = make_seeds(("One?", "Two?"))
    frame = generate(seeds, spec={"examples_per_prompt": 5})
    assert all(sorted(ids) == sorted(seeds["record_id"]) for ids in frame["seed_ids"])


def test_a_leaf_with_nothing_to_show_is_named(generate: Generate, make_seeds: MakeFrame) -> None:
    with pytest.raises(FactoryError, match=rf"leaf {LEAF}: none of its 5 examples is in the seed split.*lower seeds.holdout"):
        generate(make_seeds(split="holdout"))


def test_a_grounded_leaf_asks_about_chunks_of_its_documents(
    generate: Generate, teacher: CountingTeacher, make_seeds: MakeFrame, make_documents: MakeFrame
) -> None:
    documents = make_documents(("the cat sleeps", "the dog runs", "the sun is red"), licence="CC-BY-4.0", depth=2)
    other = make_documents(("another leaf's text",), leaf="knowledge/other")
    frame = generate(documents=pl.concat([documents, other]))
    chunks = {row["record_id"]: row["text"] for row in documents.iter_rows(named=True)}
    assert frame["flow"].unique().to_list() == ["grounded"]
    assert set(frame["document_id"]) == set(chunks)
    assert [chunks[i] for i in frame["document_id"]] == frame["context"].to_list()
    assert frame["licence"].unique().to_list() == ["Apache-2.0 AND CC-BY-4.0"]
    assert frame["depth"].unique().to_list() == [3]
    for context, instruction in frame.filter(pl.col("instruction").is_not_null()).select("context", "instruction").iter_rows():
        assert f"{context}\n\n{instruction}" in teacher.prompts


def test_what_a_line_redacts_is_in_no_row_and_the_record_has_its_own_id(
    generate: Generate, teacher: CountingTeacher, make_documents: MakeFrame
) -> None:
    documents = make_documents(("the cat sleeps", "ask canary@mail.com"))
    plain = generate(documents=documents)
    calls = len(teacher.asked)
    redacted = generate(documents=documents, personal_data=PersonalDataSpec(policy="redact"))
    assert len(teacher.asked) == calls, "the teacher was shown the same, so nothing is asked again"
    holds = plain["context"] == "ask canary@mail.com"
    assert 0 < holds.sum() < 20
    assert redacted.filter(holds)["context"].unique().to_list() == ["ask <EMAIL_ADDRESS_1>"]
    assert redacted.filter(holds)["redacted"].to_list() == [[{"type": "EMAIL_ADDRESS", "count": 1}]] * holds.sum()
    assert "canary" not in redacted.write_ndjson()
    assert not set(redacted.filter(holds)["record_id"]) & set(plain["record_id"])
    assert_frame_equal(redacted.filter(~holds), plain.filter(~holds))
    assert_frame_equal(generate(documents=documents, personal_data=PersonalDataSpec(policy="refuse")), plain)


def test_without_documents_the_contexts_of_the_seed_split_are_asked_about(generate: Generate, make_seeds: MakeFrame) -> None:
    shown = make_seeds(("One?", "Two?", "Three?"), ("text a", "text a", "text b"))
    hidden = make_seeds(("Four?",), ("text c",), split="holdout")
    frame = generate(pl.concat([shown, hidden]))
    assert set(frame["context"]) == {"text a", "text b"}
    assert set(frame["document_id"]) <= set(shown["record_id"])
    assert frame["document_id"].n_unique() == 2
    assert frame["licence"].unique().to_list() == ["Apache-2.0"]


def test_a_flow_about_a_context_needs_one(generate: Generate) -> None:
    with pytest.raises(FactoryError, match=r"flow 'grounded' asks about a context.*generation.freeform_flow"):
        generate(spec={"freeform_flow": "grounded"})


def test_depth_counts_from_the_deepest_of_seeds_and_teacher(generate: Generate, make_seeds: MakeFrame) -> None:
    assert generate(make_seeds(depth=3))["depth"].unique().to_list() == [4]
    assert generate(make_seeds(depth=3), spec={"teacher": {"depth": 5}})["depth"].unique().to_list() == [6]


def test_the_same_work_gives_the_same_bytes(generate: Generate) -> None:
    first = generate(ledger="a")
    assert_frame_equal(generate(ledger="b"), first)
    assert_frame_equal(generate(ledger="b", seeds=None), first)
    other = generate(ledger="c", seed=8)
    assert not set(other["record_id"]) & set(first["record_id"])
    assert other["seed_ids"].to_list() != first["seed_ids"].to_list()


def test_row_order_of_the_seeds_does_not_matter(generate: Generate, make_seeds: MakeFrame) -> None:
    assert_frame_equal(generate(make_seeds().reverse(), ledger="a"), generate(ledger="b"))


def test_nothing_is_asked_twice(generate: Generate, teacher: CountingTeacher) -> None:
    first = generate()
    calls = len(teacher.asked)
    assert_frame_equal(generate(), first)
    assert len(teacher.asked) == calls


def test_a_stored_run_needs_no_model(generate: Generate, tiny_model: Path) -> None:
    first = generate()
    unopened = LocalTeacher(str(tiny_model), batch_size=8)
    assert_frame_equal(generate(teacher=unopened), first)
    assert "_opened" not in vars(unopened)


def test_more_candidates_leave_the_earlier_ones_as_they_were(generate: Generate, teacher: CountingTeacher) -> None:
    fewer = generate(ledger="a", spec={"candidates_per_leaf": 40})
    first_window = sorted(teacher.prompts[: teacher.window])
    calls = len(teacher.asked)
    more = generate(ledger="a", spec={"candidates_per_leaf": 50})
    assert_frame_equal(more.head(40), fewer)
    assert more["record_id"].n_unique() == 50
    assert sum(len(batch) for batch in teacher.asked[calls:]) <= 2 * 18  # the window that was not full, and no other
    calls = len(teacher.asked)
    assert_frame_equal(generate(ledger="b", spec={"candidates_per_leaf": 50}).head(32), fewer.head(32))
    assert sorted([request.messages[-1].content for batch in teacher.asked[calls:] for request in batch][: teacher.window]) == first_window


def test_a_changed_example_asks_again_only_where_it_is_shown(generate: Generate, make_seeds: MakeFrame, tmp_path: Path) -> None:
    before = make_seeds()
    questions = before["question"].to_list()
    after = make_seeds(("Reverse the order of these words: new ox", *questions[1:]))
    first, second = generate(before), generate(after)
    changed = [
        before["record_id"][0] in old or after["record_id"][0] in new
        for old, new in zip(first["seed_ids"], second["seed_ids"], strict=True)
    ]
    assert 0 < sum(changed) < 20
    kept = pl.Series(changed).not_()
    assert_frame_equal(second.filter(kept), first.filter(kept))
    asked = first.height + sum(changed)
    answered = first["instruction"].count() + second.filter(~kept)["instruction"].count()
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert len(ledger) == asked + answered


@pytest.mark.parametrize(
    "spec",
    [
        {"response": {"temperature": 0.5, "max_new_tokens": 16}},
        {"instruction": {"temperature": 1.0, "top_p": 0.9, "max_new_tokens": 24}},
        {"instruction": {"temperature": 1.0, "max_new_tokens": 20}},
    ],
)
def test_other_sampling_asks_again_only_its_step(generate: Generate, teacher: CountingTeacher, spec: dict[str, Any]) -> None:
    generate()
    calls = len(teacher.asked)
    generate(spec=spec)
    again = [request.messages[-1].content for batch in teacher.asked[calls:] for request in batch]
    assert any(is_instruction(prompt) for prompt in again) == ("instruction" in spec)
    assert again


def test_a_stored_answer_wins_over_one_computed_again(generate: Generate, tmp_path: Path) -> None:
    first = generate()
    import sqlite3

    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        stored = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        keys = [key for (key,) in connection.execute("SELECT key FROM answers ORDER BY key")]
        connection.executemany("DELETE FROM answers WHERE key = ?", [[key] for key in keys[::3]])
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE answers SET completion_tokens = completion_tokens + 1000")
    again = generate()
    assert_frame_equal(again.drop("completion_tokens", "usage"), first.drop("completion_tokens", "usage"))
    raised = (again["completion_tokens"] - first["completion_tokens"]).sum() // 1000
    assert raised == stored - len(keys[::3])


def test_two_units_with_the_same_texts_are_two_records(generate: Generate, make_seeds: MakeFrame) -> None:
    greedy = {"temperature": 0, "max_new_tokens": 16}
    frame = generate(make_seeds(("One?",)), spec={"instruction": greedy, "response": greedy})
    assert frame.select("instruction", "response", "prompt_hash").n_unique() == 1
    assert frame["record_id"].n_unique() == 20


def test_a_prompt_that_does_not_fit_names_its_record(
    generate: Generate, teacher: CountingTeacher, make_seeds: MakeFrame, make_documents: MakeFrame
) -> None:
    documents = make_documents(("a short text", "a long text " + "x" * 400))
    frame = generate(documents=documents)
    long = frame.filter(pl.col("document_id") == documents["record_id"][1])
    assert 0 < long.height < 20
    fault = (
        rf"prompt of \d{{3}} tokens and up to 24 new ones do not fit the teacher's context of 320 \(record {documents['record_id'][1]}\)"
    )
    assert long["parse_fault"].str.contains(f"^instruction: {fault}$").all()
    assert long.select("prompt_tokens", "completion_tokens", "cost").unique().row(0) == (0, 0, 0.0)
    assert not frame.filter(pl.col("document_id") == documents["record_id"][0])["parse_fault"].str.contains("fit").any()
    calls = len(teacher.asked)
    assert_frame_equal(generate(documents=documents), frame)
    assert len(teacher.asked) == calls


def test_progress_counts_every_step_of_every_unit(generate: Generate) -> None:
    seen: list[tuple[int, int]] = []
    generate(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert {total for _, total in seen} == {40}


def test_prompt_hash_tells_what_was_sent(generate: Generate, teacher: CountingTeacher) -> None:
    frame = generate()
    asked = [prompt for prompt in teacher.prompts if is_instruction(prompt)]
    for row in frame.iter_rows(named=True):
        answered = [] if row["instruction"] is None else [[["user", row["instruction"]]]]
        assert row["prompt_hash"] in {digest([[["user", prompt]], *answered]) for prompt in asked}


def test_a_flow_of_ones_own_with_three_steps(generate: Generate, teacher: CountingTeacher, tmp_path: Path) -> None:
    flow = tmp_path / "twice.yaml"
    flow.write_text(
        "name: twice\ndescription: d\nsource: s\nsteps:\n"
        '  - {name: instruction, prompt: "{{ examples[0].question }}", system: "In {{ language }}."}\n'
        '  - {name: draft, prompt: "draft {{ instruction }}"}\n'
        '  - {name: mend, prompt: "mend {{ draft }}", output: response}\n'
    )
    frame = generate(spec={"freeform_flow": str(flow), "candidates_per_leaf": 60})
    assert frame["flow"].unique().to_list() == ["twice"]
    assert frame["response"].drop_nulls().len() > 0
    assert {fault.split(":")[0] for fault in frame["parse_fault"].drop_nulls()} == {"instruction", "draft", "mend"}
    assert all(row["response"] is None for row in frame.filter(pl.col("parse_fault").is_not_null()).iter_rows(named=True))
    assert teacher.asked[0][0].messages[0] == Message("system", "In en.")


@pytest.mark.parametrize("fatal", [2, 5])
def test_a_killed_run_goes_on_to_the_same_frame(
    generate: Generate,
    teacher: CountingTeacher,
    small_spec: GenerationSpec,
    make_seeds: MakeFrame,
    tiny_model: Path,
    tmp_path: Path,
    fatal: int,
) -> None:
    whole = generate(ledger="whole")
    unbroken = teacher.asked[:]
    make_seeds().write_parquet(tmp_path / "seeds.parquet")
    script = Path(__file__).parent / "killed_run.py"
    arguments = [
        str(tiny_model),
        str(tmp_path / "seeds.parquet"),
        small_spec.model_dump_json(),
        str(tmp_path / "killed.sqlite"),
        str(fatal),
    ]
    path = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False, env=path)
    assert run.returncode == -9, run.stderr
    teacher.asked.clear()
    resumed = generate(ledger="killed")
    assert_frame_equal(resumed, whole)
    assert resumed.write_ndjson() == whole.write_ndjson()
    assert teacher.asked == unbroken[fatal - 1 :]


def test_a_topic_is_never_shown_as_an_example(make_seeds: MakeFrame) -> None:
    topics = make_seeds(("words",), answer=None, kind="topic")
    material = select_material(LEAF, pl.concat([make_seeds(), topics]), empty(DOCUMENT))
    assert [row["question"] for row in material.examples] == make_seeds()["question"].to_list()
    assert [row["question"] for row in material.topics] == topics["question"].to_list()
    with pytest.raises(FactoryError, match="none of its 0 examples is in the seed split"):
        select_material(LEAF, empty(SEED), empty(DOCUMENT))
