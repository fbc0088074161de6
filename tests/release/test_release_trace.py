"""A trace leads from any record to all that it came of and all that came of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from conftest import publish
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_line import MODELS, MadeUpLine, make_line

from factory.faults import FactoryError
from factory.records import SEED, VERDICT
from factory.release.trace import trace_record
from factory.release.trace_view import describe_trace
from factory.release.writer import Release


def frames_of(line: MadeUpLine) -> dict[str, pl.DataFrame]:
    return {"seeds": line.seeds, "documents": line.documents, "verdicts": line.verdicts}


def students_of(release: Release) -> list[dict[str, str | None]]:
    return [
        {"model": "pico-student-7", "phase": "sft", "release_version": release.version, "alias": "champion"},
        {"model": "pico-student-6", "phase": "sft", "release_version": "v-000000000000", "alias": None},
    ]


def pick(line: MadeUpLine, **equals: str) -> dict[str, object]:
    return line.verdicts.filter(**equals).sort("record_id").row(0, named=True)


def test_an_accepted_record_leads_back_to_its_seeds_and_forward_to_the_student(made_up: MadeUpLine, release: Release) -> None:
    row = pick(made_up, verdict="accepted", kind="knowledge")
    trace = trace_record(row["record_id"], frames_of(made_up), [release.folder], students_of(release))
    assert (trace.kind, trace.leaf, trace.instruction, trace.response) == ("candidate", row["leaf"], row["instruction"], row["response"])
    assert [seed.record_id for seed in trace.seeds] == row["seed_ids"]
    assert all(seed.leaf == row["leaf"] and seed.split == "seed" and "qna.yaml" in seed.source for seed in trace.seeds)
    assert trace.document and trace.document.record_id == row["document_id"] and trace.document.text == row["context"]
    assert trace.writing and (trace.writing.teacher, trace.writing.prompt_hash) == (MODELS["teacher"], row["prompt_hash"])
    assert trace.scores and trace.scores.reward == row["reward"]
    assert trace.verdict and trace.verdict.verdict == "accepted"
    assert [(held.version, held.records) for held in trace.releases] == [(release.version, 1)]
    assert [(student.model, student.alias) for student in trace.students] == [("pico-student-7", "champion")]


def test_a_student_that_was_trained_on_more_or_less_than_a_release_is_told_by_what_it_was_trained_on(
    made_up: MadeUpLine, release: Release
) -> None:
    row, other = (made_up.verdicts.filter(verdict="accepted").sort("record_id").row(place, named=True) for place in (0, 1))
    seed = row["seed_ids"][0]
    later = {"model": "later", "phase": "sft", "release_version": "v-000000000000", "alias": None}
    mixed = [
        students_of(release)[0] | {"trained_on": pl.Series([other["record_id"]])},
        later | {"trained_on": pl.Series([row["record_id"]])},
        later | {"model": "read the seed itself", "trained_on": pl.Series([seed])},
    ]
    trace = trace_record(row["record_id"], frames_of(made_up), [release.folder], mixed)
    assert [student.model for student in trace.students] == ["later"]
    assert "with release v-000000000000" in describe_trace(trace)
    assert {student.model for student in trace_record(seed, frames_of(made_up), [], mixed).students} >= {"later", "read the seed itself"}


def test_a_record_that_was_not_rated_shows_why_and_what_it_cost(made_up: MadeUpLine) -> None:
    asked = {"step": "reward model", "model": "m@1", "prompt_tokens": 1200, "completion_tokens": 0, "cost": 0.5}
    unrated = {"reward": None, "reward_model": "m@1", "reward_note": "no answer: 500", "scoring": [asked]}
    row = pick(made_up, verdict="rejected") | unrated
    told = describe_trace(trace_record(row["record_id"], {"verdicts": pl.DataFrame([row], schema=VERDICT)}))
    assert "not rated  no answer: 500  m@1" in told and "step reward model  1,200 read, 0 written, cost 0.5, m@1" in told


def test_a_dialogue_shows_its_turns_steps_judgements_and_refusal(made_up: MadeUpLine) -> None:
    row = pick(made_up, verdict="accepted") | {
        "turns": [{"role": role, "content": f"{role} {n}"} for n in range(2) for role in ("user", "assistant")],
        "usage": [{"step": "user_turn", "model": "m@1", "prompt_tokens": 1200, "completion_tokens": 7, "cost": 0.5}],
        "judgements": [{"step": "pair_judge", "score": 2.0}],
        "refusal": "pair_judge: score 2 is below 3",
        "topic": "rivers",
        "constraint": '{"arguments":{},"name":"no_commas"}',
    }
    trace = trace_record(row["record_id"], {"candidates": pl.DataFrame([row], schema=VERDICT)})
    assert trace.turns == (("user", "user 0"), ("assistant", "assistant 0"), ("user", "user 1"), ("assistant", "assistant 1"))
    told = describe_trace(trace)
    for part in (
        "user  user 1", "assistant  assistant 1", "step user_turn  1,200 read, 7 written, cost 0.5", "judged by pair_judge  2",
        "refused  pair_judge: score 2 is below 3", "topic  rivers", "no_commas",
    ):  # fmt: skip
        assert part in told


def test_a_refused_record_tells_what_it_matched_and_is_in_no_release(made_up: MadeUpLine, release: Release) -> None:
    row = pick(made_up, reason="near_duplicate")
    trace = trace_record(row["record_id"], frames_of(made_up), [release.folder], students_of(release))
    matched = made_up.seeds.filter(record_id=row["matched_id"])["question"].item()
    assert trace.verdict and (trace.verdict.reason, trace.verdict.matched_text) == ("near_duplicate", matched)
    assert trace.releases == () and trace.students == ()


def test_a_seed_leads_forward_to_all_that_was_made_from_it(made_up: MadeUpLine, release: Release) -> None:
    seed = made_up.seeds.filter(split="seed").row(0, named=True)
    made = made_up.verdicts.filter(pl.col("seed_ids").list.contains(seed["record_id"]))
    trace = trace_record(seed["record_id"], frames_of(made_up), [release.folder], students_of(release))
    assert trace.kind == "seed" and trace.instruction == seed["question"] and trace.writing is None
    assert [child.record_id for child in trace.made] == made["record_id"].sort().to_list()
    assert trace.releases[0].records == made.filter(verdict="accepted").height
    assert len(trace.students) == 1


def test_a_held_out_example_leads_to_nothing(made_up: MadeUpLine, release: Release) -> None:
    seed = made_up.seeds.filter(split="holdout").row(0, named=True)
    trace = trace_record(seed["record_id"], frames_of(made_up), [release.folder])
    assert trace.made == () and trace.releases == ()


def test_a_document_chunk_leads_forward(made_up: MadeUpLine) -> None:
    chunk = made_up.documents.row(0, named=True)
    trace = trace_record(chunk["record_id"], frames_of(made_up))
    assert trace.kind == "document" and trace.context == chunk["text"]
    assert len(trace.made) == made_up.verdicts.filter(document_id=chunk["record_id"]).height > 0


def test_a_released_record_is_found_after_the_frames_moved_on(made_up: MadeUpLine, release: Release) -> None:
    row = pick(made_up, verdict="accepted")
    trace = trace_record(row["record_id"], {"seeds": pl.DataFrame(schema=SEED)}, [release.folder])
    assert trace.instruction == row["instruction"] and trace.releases[0].version == release.version
    assert all(seed.question is None for seed in trace.seeds)
    assert "no longer in the taxonomy" in describe_trace(trace)


def test_a_context_that_came_from_a_seed_example_leads_to_that_example(made_up: MadeUpLine) -> None:
    seed = made_up.seeds.row(0, named=True)
    grounded = made_up.verdicts.head(1).with_columns(document_id=pl.lit(seed["record_id"]))
    seeds = made_up.seeds.with_columns(context=pl.lit("A text of a person."))
    trace = trace_record(grounded["record_id"].item(), {"seeds": seeds, "verdicts": grounded})
    assert trace.document and (trace.document.text, trace.document.document) == ("A text of a person.", seed["source"])


def test_a_candidate_before_its_scores_has_a_trace(made_up: MadeUpLine) -> None:
    row = made_up.verdicts.row(0, named=True)
    candidates = made_up.verdicts.drop("goodness", "verdict", "reason", "matched_id", "verified", "verifier_note", "reward", "reward_model")
    trace = trace_record(row["record_id"], {"candidates": candidates})
    assert trace.scores is None and trace.verdict is None and trace.writing
    assert row["record_id"] in describe_trace(trace)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_unique_prefix_names_its_record(data: st.DataObject) -> None:
    ids = LINE.verdicts["record_id"].to_list()
    wanted = data.draw(st.sampled_from(ids))
    prefix = wanted[: data.draw(st.integers(6, 20))]
    given_id = data.draw(st.sampled_from([prefix, prefix.upper(), f" {prefix}\n"]))
    assert [known for known in ids if known.startswith(prefix)] == [wanted]
    assert trace_record(given_id, {"verdicts": LINE.verdicts}).record_id == wanted


LINE = make_line(4)


def test_an_unknown_id_is_met_with_the_nearest(made_up: MadeUpLine) -> None:
    known = made_up.verdicts["record_id"][0]
    wrong = known[:9] + ("0" if known[9] != "0" else "1") + known[10:]
    with pytest.raises(FactoryError, match=rf"no record '{wrong}' among [\d,]+; nearest ids: {known}"):
        trace_record(wrong, frames_of(made_up))


def test_prefixes_too_short_or_shared_are_refused(made_up: MadeUpLine) -> None:
    first = made_up.verdicts.row(0, named=True)["record_id"]
    twins = made_up.verdicts.head(2).with_columns(record_id=pl.Series([first[:8] + "a" * 12, first[:8] + "b" * 12]))
    with pytest.raises(FactoryError, match="too short"):
        trace_record(first[:5], {"verdicts": twins})
    with pytest.raises(FactoryError, match=r"beginning of 2 record ids: .*a, .*b; give more digits"):
        trace_record(first[:8], {"verdicts": twins})
    with pytest.raises(FactoryError, match="holds no record yet"):
        trace_record(first, {})


def test_releases_of_other_content_do_not_hold_it_and_a_broken_one_is_named(made_up: MadeUpLine, release: Release, tmp_path: Path) -> None:
    row = pick(made_up, verdict="accepted")
    other = publish(tmp_path, make_line(3, seed=9, leaves=2))
    assert [held.version for held in trace_record(row["record_id"], frames_of(made_up), [other.folder, release.folder]).releases] == [
        release.version
    ]
    broken = shutil.copytree(other.folder, tmp_path / other.version)
    (broken / "data.parquet").write_bytes(b"PAR1")
    with pytest.raises(FactoryError, match=r"data\.parquet cannot be read"):
        trace_record(row["record_id"], frames_of(made_up), [broken])


def test_the_text_of_a_trace_tells_all_of_it(made_up: MadeUpLine, release: Release) -> None:
    row = pick(made_up, verdict="accepted", kind="compositional")
    text = describe_trace(trace_record(row["record_id"], frames_of(made_up), [release.folder], students_of(release)), width=200)
    told = [row["record_id"], row["instruction"], row["prompt_hash"], MODELS["teacher"], "right", "accepted", release.version, "champion"]
    assert [part for part in told if str(part) not in text] == []


def test_a_record_steers_no_terminal_and_is_read_as_no_markup(made_up: MadeUpLine) -> None:
    hostile = "[bold red]x[/bold red] \x1b]0;title\x07 \x9b2J [link=http://evil.example]y[/link] [/unopened]"
    verdicts = made_up.verdicts.with_columns(instruction=pl.lit(hostile), response=pl.lit(hostile), verifier_note=pl.lit(hostile))
    row = verdicts.filter(pl.col("verifier").is_not_null()).row(0, named=True)
    text = describe_trace(trace_record(row["record_id"], frames_of(replace(made_up, verdicts=verdicts))), width=400)
    assert "[bold red]x[/bold red]" in text and "[/unopened]" in text
    assert not {"\x1b", "\x07", "\x9b"} & set(text)


def test_a_topic_has_a_trace(made_up: MadeUpLine) -> None:
    topic = dict.fromkeys(SEED) | {"record_id": "70b1c", "leaf": "knowledge/sea", "kind": "topic", "question": "whales", "split": "seed"}
    seeds = pl.concat([made_up.seeds, pl.DataFrame([topic], schema=SEED)])
    trace = trace_record("70b1c", frames_of(made_up) | {"seeds": seeds}, [], [])
    assert (trace.kind, trace.instruction, trace.response) == ("seed", "whales", None)
    assert "whales" in describe_trace(trace)
