"""Every bundled flow end to end against a server, in three scripts; and what flows do that freeform and grounded do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from misbehaving_server import MisbehavingServer
from polars.testing import assert_frame_equal
from shaped_answers import SCRIPTS, Script, write_shaped

from factory.faults import FactoryError
from factory.generation.flows import load_flow
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.server_teacher import ServerTeacher
from factory.line import GenerationSpec
from factory.line_flows import FLOWS, list_bundled
from factory.model_spec import ServerSpec
from factory.records import CANDIDATE, digest

LEAF = "compositional_skills/words/sort"
OTHER = "compositional_skills/words/count"
MakeFrame = Callable[..., pl.DataFrame]


@pytest.fixture(params=sorted(SCRIPTS))
def script(request: pytest.FixtureRequest) -> Script:
    return SCRIPTS[request.param]


@pytest.fixture
def write(make_seeds: MakeFrame, make_documents: MakeFrame, tmp_path: Path) -> Iterator[Callable[..., pl.DataFrame]]:
    """Writes the candidates of a leaf in a script by a flow, with a server that answers well; `servers` holds the server of each call."""
    opened: list[MisbehavingServer] = []

    def call(
        script: Script,
        flow: str | None,
        seeds: pl.DataFrame | None = None,
        documents: bool = True,
        answer: Any = None,
        ledger: str = "ledger",
        teachers: int = 1,
        **spec: Any,
    ) -> pl.DataFrame:
        server = MisbehavingServer(answer=answer or write_shaped(script)).__enter__()
        opened.append(server)
        names = [f"teacher-{n}" for n in range(teachers)]
        sections = [{"model": name, "server": {"base_url": server.base_url}, "price": {"prompt": 1.0, "completion": 2.0}} for name in names]
        settings = {"teacher": sections[0], "teachers": sections[1:], "judge": sections[0] | {"model": "judge"}} | spec
        section = GenerationSpec.model_validate(settings | ({"flows": {"*": flow}} if flow else {}))
        models = [ServerTeacher(name, ServerSpec(base_url=server.base_url)) for name in (*names, "judge")]
        chunks = make_documents((script.context, f"{script.context} 2"), leaf=LEAF) if documents else make_documents(())
        with Ledger(tmp_path / f"{ledger}.sqlite") as store:
            rows = seeds if seeds is not None else speak(make_seeds, script)
            call.server = server  # type: ignore[attr-defined]
            return generate_candidates(LEAF, rows, chunks, section, models[:-1], store, 5, judge=models[-1])

    yield call
    for server in opened:
        server.__exit__(None, None, None)


def speak(make_seeds: MakeFrame, script: Script, leaf: str = LEAF, **columns: Any) -> pl.DataFrame:
    questions = tuple(f"{script.question} {n}" for n in range(4))
    return make_seeds(questions, (script.context,) * 4, leaf=leaf, language=script.language, answer=script.answer, **columns)


def make_topics(make_seeds: MakeFrame, *topics: str) -> pl.DataFrame:
    return make_seeds(topics, leaf=LEAF, kind="topic", answer=None)


@pytest.mark.parametrize("flow", list_bundled())
def test_every_flow_runs_whole_in_every_script(write: Any, script: Script, flow: str) -> None:
    frame = write(script, flow, candidates_per_leaf=7)
    assert frame.schema == pl.Schema(CANDIDATE)
    assert frame.select("parse_fault", "refusal").unique().rows() == [(None, None)]
    assert frame["record_id"].n_unique() == 7
    assert frame["language"].unique().to_list() == [script.language]
    assert frame["instruction"].str.contains(script.word).all()
    assert frame["response"].str.contains(script.word).all()
    server = write.server
    assert not server.duplicates
    assert {asked.body["model"] for asked in server.asked} == {"teacher-0", *(["judge"] if load_flow(flow).asks_judge else [])}
    shown = "".join(message["content"] for asked in server.asked for message in asked.body["messages"])
    assert load_flow(flow).reads_examples <= (script.question in shown)
    assert load_flow(flow).reads_context <= (script.context in shown)
    counted = frame["usage"].list.len().sum()
    assert counted == len(server.asked), "each request is in one row"
    assert frame["cost"].sum() == pytest.approx(counted * (20 * 1.0 + 9 * 2.0) / 1e6)
    again = write(script, flow, candidates_per_leaf=7)
    assert_frame_equal(again, frame)
    assert not write.server.asked, "what is stored is not asked again"


def test_every_flow_cites_its_paper() -> None:
    for name in list_bundled():
        assert "arXiv" in load_flow(name).source, name
        assert load_flow(name).name == name == (FLOWS / f"{name}.yaml").stem


def test_a_dialogue_has_as_many_turns_as_the_leaf_or_the_line_says(write: Any, make_seeds: MakeFrame, script: Script) -> None:
    frame = write(script, None, candidates_per_leaf=3, turns=4)
    assert frame["flow"].unique().to_list() == ["dialogue"]
    for row in frame.iter_rows(named=True):
        assert [turn["role"] for turn in row["turns"]] == ["user", "assistant"] * 4
        assert (row["turns"][0]["content"], row["turns"][-1]["content"]) == (row["instruction"], row["response"])
        assert not any(script.polite.strip() in turn["content"] for turn in row["turns"])
    own = speak(make_seeds, script).with_columns(turns=pl.lit(2))
    assert write(script, None, seeds=own, candidates_per_leaf=3, turns=4, ledger="own")["turns"].list.len().unique().to_list() == [4]
    sent = [asked.body["messages"] for asked in write.server.asked if asked.body["messages"][0]["role"] == "user"]
    assert {tuple(message["role"] for message in messages) for messages in sent} == {("user",), ("user", "assistant", "user")}


def test_tone_and_language_reach_the_prompts(write: Any, make_seeds: MakeFrame, script: Script) -> None:
    write(script, "constrained", candidates_per_leaf=2, tone="formal")
    asked = [request.body["messages"][-1]["content"] for request in write.server.asked]
    assert sum("in a formal tone" in text and f'BCP 47 tag "{script.language}"' in text for text in asked) == 2
    write(script, "constrained", seeds=speak(make_seeds, script).with_columns(tone=pl.lit("playful")), candidates_per_leaf=2, tone="formal")
    assert sum("in a playful tone" in request.body["messages"][-1]["content"] for request in write.server.asked) == 2


def test_a_constraint_is_said_in_the_leafs_language_and_kept_for_a_verifier(write: Any, script: Script) -> None:
    frame = write(script, "constrained", candidates_per_leaf=12)
    drawn = {json.loads(constraint)["name"] for constraint in frame["constraint"]}
    assert len(drawn) > 3
    for row in frame.iter_rows(named=True):
        constraint = json.loads(row["constraint"])
        assert set(constraint) == {"name", "arguments"}
        assert all(str(value) in row["instruction"] for value in constraint["arguments"].values())
    if script.language != "en":
        assert not frame["instruction"].str.contains("Answer").any()


def test_a_language_without_constraints_is_named(write: Any, make_seeds: MakeFrame) -> None:
    with pytest.raises(
        FactoryError, match=r"no verifiable constraint is written in the language 'fi'; there are texts in ar, en, id, ja, zh"
    ):
        write(SCRIPTS["Latin"], "constrained", seeds=speak(make_seeds, SCRIPTS["Latin"]).with_columns(language=pl.lit("fi")))


def test_topics_given_by_hand_stand_in_for_found_ones_and_are_taken_in_turn(write: Any, make_seeds: MakeFrame) -> None:
    topics = make_topics(make_seeds, "rivers", "bridges", "boats")
    frame = write(SCRIPTS["Latin"], None, seeds=topics, documents=False, candidates_per_leaf=36)
    assert frame["flow"].unique().to_list() == ["open_questions"]
    asked = [request.body["messages"][-1]["content"] for request in write.server.asked]
    assert not any("broad topics" in text for text in asked)
    assert [sum(f'within "{topic}"' in text for text in asked) for topic in ("rivers", "bridges", "boats")] == [2, 2, 2]
    assert frame["seed_ids"].list.len().unique().to_list() == [1]
    before = set(frame["record_id"])
    more = write(SCRIPTS["Latin"], None, seeds=make_topics(make_seeds, "rivers", "bridges", "boats", "ports"), documents=False,
                 candidates_per_leaf=48)  # fmt: skip
    assert before <= set(more["record_id"]), "a new topic leaves what was written of the others"


def test_a_step_of_many_items_fills_its_slots_and_names_what_is_missing(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    good = write_shaped(latin)

    def short(body: dict[str, Any]) -> str:
        text = good(body)
        return "\n".join(text.splitlines()[:-1]) if "questions about" in body["messages"][-1]["content"] else text

    frame = write(latin, "open_questions", answer=short, candidates_per_leaf=13)
    assert frame.height == 13
    assert set(frame["parse_fault"].drop_nulls()) == {"questions: 1 items, 2 were asked for"}
    assert frame["parse_fault"].null_count() == 7
    assert frame["usage"].list.len().sum() == len(write.server.asked)
    broken = write(latin, "open_questions", answer=lambda body: "no list at all", ledger="broken", candidates_per_leaf=5)
    assert broken["parse_fault"].to_list() == ["macro_topics: no numbered or bulleted list"] * 5
    assert broken["usage"].list.len().to_list() == [1, 0, 0, 0, 0]
    assert broken["record_id"].n_unique() == 5


def test_an_item_that_the_model_did_not_write_is_refused(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    good = write_shaped(latin)

    def invent(body: dict[str, Any]) -> str:
        text = good(body)
        return text.replace('["tree', '["An invented task", "tree', 1) if text.startswith("{") else text

    frame = write(latin, "writing_tasks", answer=invent, candidates_per_leaf=3)
    assert frame["parse_fault"].to_list() == ["tasks: 'An invented task' does not stand in what the model wrote", None, None]


def test_a_structured_step_sends_its_schema(write: Any) -> None:
    write(SCRIPTS["Latin"], "writing_tasks", candidates_per_leaf=3)
    formats = [asked.body.get("response_format") for asked in write.server.asked]
    schemas = [form["json_schema"]["schema"] for form in formats if form]
    assert schemas and schemas[0]["required"] == ["tasks"]


def test_a_judges_refusal_is_kept_with_step_score_and_reason(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    good = write_shaped(latin)

    def strict(body: dict[str, Any]) -> str:
        return "[Score]1[/Score]" if "from 1 to 3" in body["messages"][-1]["content"] else good(body)

    frame = write(latin, "lab_skills", answer=strict, candidates_per_leaf=3)
    assert frame["refusal"].to_list() == ["pair_judge: score 1 is below 2"] * 3
    assert frame["parse_fault"].null_count() == frame["response"].len() - frame["response"].null_count() == 3
    assert frame["judgements"].to_list() == [[{"step": "instruction_judge", "score": 1.0}, {"step": "pair_judge", "score": 1.0}]] * 3


def test_a_judge_that_does_not_parse_is_asked_once_more_and_is_never_bad(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    good = write_shaped(latin)

    def mumble(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        return "Well, a fine task." if "[Score]" in asked and "Answer with [Score]" not in asked else good(body)

    frame = write(latin, "lab_skills", answer=mumble, candidates_per_leaf=3)
    assert frame.select("parse_fault", "refusal").unique().rows() == [(None, None)]
    steps = [request["step"] for request in frame["usage"][0]]
    assert steps == ["instructions", "instruction_judge", "instruction_judge", "response", "pair_judge", "pair_judge"]
    deaf = write(latin, "lab_skills", answer=lambda body: "Well." if "[Score]" in body["messages"][-1]["content"] else good(body),
                 ledger="deaf", candidates_per_leaf=3)  # fmt: skip
    wanted = "instruction_judge: expected one of 1, 0, found nothing (first expected one of 1, 0, found nothing)"
    assert deaf.select("parse_fault", "refusal", "response").unique().rows() == [(wanted, None, None)]


def test_responses_to_one_instruction_share_its_id_and_come_from_several_teachers(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    one = write(latin, "freeform", candidates_per_leaf=6)
    asked_once = len(write.server.asked)
    frame = write(latin, "freeform", candidates_per_leaf=24, responses_per_instruction=4)
    assert len(write.server.asked) == 24 + 6 - asked_once, "the first responses were there already"
    assert set(one["response"]) <= set(frame["response"])
    groups = frame.group_by("instruction_id", maintain_order=True).agg("instruction", "response")
    assert groups["instruction"].list.n_unique().unique().to_list() == [1]
    assert groups["response"].list.n_unique().to_list() == [4] * 6
    first = frame.row(0, named=True)
    assert first["instruction_id"] == digest(["instruction", LEAF, first["instruction"], None])
    mixed = write(latin, "freeform", candidates_per_leaf=40, responses_per_instruction=4, teachers=2, ledger="mixed")
    assert set(mixed["teacher"]) == {"teacher-0@served", "teacher-1@served"}
    assert mixed.group_by("instruction_id").agg(pl.col("teacher").n_unique())["teacher"].max() == 2


def test_pairs_of_one_step_have_no_further_responses(write: Any) -> None:
    with pytest.raises(
        FactoryError, match=r"flow 'lab_knowledge' writes instruction and response in one step.*responses_per_instruction to 1"
    ):
        write(SCRIPTS["Latin"], "lab_knowledge", responses_per_instruction=2)


def test_the_pool_of_self_instruct_is_the_line(write: Any, make_seeds: MakeFrame) -> None:
    latin = SCRIPTS["Latin"]
    other = make_seeds(("Count these: a b", "Count these: c"), leaf=OTHER)
    frame = write(latin, "self_instruct", seeds=pl.concat([speak(make_seeds, latin), other]), candidates_per_leaf=12)
    assert set(frame["seed_ids"].explode()) & set(other["record_id"])
    assert frame["leaf"].unique().to_list() == [LEAF]
    within = write(latin, "freeform", seeds=pl.concat([speak(make_seeds, latin), other]), candidates_per_leaf=12)
    assert not set(within["seed_ids"].explode()) & set(other["record_id"])


def test_the_first_pattern_that_matches_a_leaf_names_its_flow(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    flows = {"knowledge/*": "lab_knowledge", "*/words/*": "evolved", "*": "freeform"}
    assert write(latin, None, candidates_per_leaf=2, flows=flows)["flow"].unique().to_list() == ["evolved"]


def test_personas_follow_the_leaf(write: Any) -> None:
    latin = SCRIPTS["Latin"]
    write(latin, "lab_skills", candidates_per_leaf=1, personas={"*/words/*": "creative"}, creative={"temperature": 1.3})
    told = [asked.body for asked in write.server.asked if "inventive" in asked.body["messages"][0]["content"]]
    assert [body["temperature"] for body in told] == [1.3]


def test_what_does_not_go_together_is_named(write: Any, make_seeds: MakeFrame) -> None:
    latin = SCRIPTS["Latin"]
    with pytest.raises(FactoryError, match=r"flow 'lab_skills' asks a judge, and the line names none. Set generation.judge"):
        write(latin, "lab_skills", judge=None)
    with pytest.raises(FactoryError, match="3 turns are asked for, and flow 'freeform' writes 1"):
        write(latin, "freeform", turns=3)
    with pytest.raises(FactoryError, match="flow 'evolved' shows examples, and the leaf has topics alone"):
        write(latin, "evolved", seeds=make_topics(make_seeds, "rivers"), documents=False)
    bare = make_seeds(tuple(f"Sort: {n}, a" for n in range(3)), leaf=LEAF)
    with pytest.raises(FactoryError, match="flow 'lab_grounded_skills' shows the texts that examples are about, and the leaf's examples"):
        write(latin, "lab_grounded_skills", seeds=bare, documents=False)
    assert not write.server.asked
