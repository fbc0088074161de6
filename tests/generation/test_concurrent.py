"""The concurrent driver: its bound, kills, failures, a parked server, a mixed line; and that a key is written nowhere."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from misbehaving_server import ANSWERED_ALIKE, FAULTS, RETRY_AFTER_SECONDS, MisbehavingServer, in_order, reply, spread
from polars.testing import assert_frame_equal

from factory.faults import FactoryError
from factory.generation.chat import Completion, ParkedError, Request
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.server_teacher import ServerTeacher
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, empty

LEAF = "compositional_skills/words/reverse_words"
ROOT = Path(__file__).parents[2]
CANARY = "canary-key-93b1aa"
MakeFrame = Callable[..., pl.DataFrame]


def specify(server: MisbehavingServer, candidates: int, in_flight: int = 8, settings: dict[str, Any] | None = None, **more: Any) -> Any:
    served = {"base_url": server.base_url, "in_flight": in_flight, "deadline_seconds": 0.5, "park_seconds": 0.2} | (settings or {})
    return GenerationSpec.model_validate({"teacher": {"model": "granite", "server": served}, "candidates_per_leaf": candidates} | more)


def generate(spec: GenerationSpec, seeds: pl.DataFrame, ledger: Path, **more: Any) -> pl.DataFrame:
    with Ledger(ledger) as store:
        return generate_candidates(LEAF, seeds, empty(DOCUMENT), spec, [open_teacher(spec.teacher)], store, 7, **more)


def test_never_more_in_flight_than_the_bound_and_a_unit_does_not_wait_for_others(make_seeds: MakeFrame, tmp_path: Path) -> None:
    with MisbehavingServer(latency=0.01) as server:
        frame = generate(specify(server, 60), make_seeds(), tmp_path / "ledger")
        assert len(server.asked) == 120
        assert server.most_open <= 8
        is_second = [len(asked.body["messages"][0]["content"]) < 30 for asked in server.asked]
        assert is_second.index(True) < 24, "a response is asked long before the last instruction"
    assert frame["parse_fault"].null_count() == 60


def test_order_of_the_answers_does_not_show(make_seeds: MakeFrame, tmp_path: Path) -> None:
    with MisbehavingServer(latency=0.002) as server:
        alone = generate(specify(server, 30, in_flight=1), make_seeds(), tmp_path / "a")
        together = generate(specify(server, 30, in_flight=16), make_seeds(), tmp_path / "b")
    assert_frame_equal(together, alone)
    assert together.write_ndjson() == alone.write_ndjson()


def test_killed_at_random_moments_a_run_loses_no_more_than_what_was_in_flight(make_seeds: MakeFrame, tmp_path: Path) -> None:
    seeds, in_flight, kills = make_seeds(), 8, 3
    seeds.write_parquet(tmp_path / "seeds.parquet")
    draw = random.Random(11)
    with MisbehavingServer(latency=0.02) as server:
        spec = specify(server, 60, in_flight)
        whole = generate(spec, seeds, tmp_path / "whole.sqlite")
        least = len(server.asked)
        server.asked.clear()
        arguments = [str(tmp_path / "seeds.parquet"), spec.model_dump_json(), str(tmp_path / "killed.sqlite")]
        for _ in range(kills):
            before = len(server.asked)
            moment = before + draw.randint(1, 30)
            run = subprocess.Popen(
                [sys.executable, str(Path(__file__).parent / "killed_server_run.py"), *arguments],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stderr=subprocess.PIPE,
            )
            while len(server.asked) < moment and run.poll() is None:
                time.sleep(0.002)
            run.kill()
            _, told = run.communicate()
            assert run.returncode == -9, told.decode()
        resumed = generate(spec, seeds, tmp_path / "killed.sqlite")
        asked = len(server.asked)
    assert resumed.write_ndjson() == whole.write_ndjson()
    assert least <= asked <= least + kills * in_flight


def test_every_fault_of_a_server_is_survived_or_accounted_for_once(make_seeds: MakeFrame, tmp_path: Path) -> None:
    faults = (*FAULTS, "context", "duplicate")
    with MisbehavingServer(schedule=spread(0.02, faults)) as server:
        spec = specify(server, 150, in_flight=32, settings={"tries": 2, "deadline_seconds": 1.0})
        frame = generate(spec, make_seeds(), tmp_path / "ledger")
        assert {fault for fault, times in server.met.items() if times} == {*faults, "none"}
        assert frame.height == frame["record_id"].n_unique() == 150
        failed = frame.filter(pl.col("parse_fault").is_not_null())
        assert failed["parse_fault"].str.contains("^(instruction|response): (no answer: |prompt of .* do not fit)").all()
        assert 0 < failed.height < 60
        assert not server.duplicates, "a right answer is never paid for twice"
        texts = [*frame["instruction"].drop_nulls(), *frame["response"].drop_nulls()]
        assert len(texts) == len(server.answered), "every right answer is in one record"
        answers = {reply(asked.body) for asked in server.asked if asked.key in server.answered}
        assert {*texts} - answers == {ANSWERED_ALIKE}
        assert max(texts.count(text) for text in {*texts} & answers) == 1
        server.asked.clear()
        assert_frame_equal(generate(spec, make_seeds(), tmp_path / "ledger"), frame)
        assert not server.asked, "what failed is not asked again by itself"
        server.schedule = lambda asked: None
        with Ledger(tmp_path / "ledger") as ledger:
            assert ledger.forget_failed() == failed["parse_fault"].str.contains("no answer").sum()
        mended = generate(spec, make_seeds(), tmp_path / "ledger")
        too_long = failed.filter(pl.col("parse_fault").str.contains("do not fit"))
        assert mended["parse_fault"].drop_nulls().to_list() == too_long["parse_fault"].to_list(), "what the server refused stays"
        roomy = specify(server, 150, in_flight=32, settings={"context_tokens": 100_000})
        assert generate(roomy, make_seeds(), tmp_path / "ledger")["parse_fault"].null_count() == 150


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ZeroDivisionError])
def test_nothing_is_asked_or_left_running_once_a_run_has_stopped(
    stop: type[BaseException], make_seeds: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MisbehavingServer(latency=0.1) as server:
        spec = specify(server, 200)
        if stop is KeyboardInterrupt:
            threading.Timer(0.6, signal.pthread_kill, [threading.get_ident(), signal.SIGINT]).start()
        else:
            ask = ServerTeacher.ask

            async def fail_once(teacher: ServerTeacher, request: Request, begin: Callable[[], None]) -> Completion:
                return 1 / 0 if len(server.asked) >= 20 else await ask(teacher, request, begin)  # type: ignore[return-value]

            monkeypatch.setattr(ServerTeacher, "ask", fail_once)
        with pytest.raises(stop):
            generate(spec, make_seeds(), tmp_path / "ledger")
        asked = len(server.asked)
        with Ledger(tmp_path / "ledger") as ledger:
            stored = len(ledger)
        assert 8 <= asked < 400
        assert asked - stored <= (8 if stop is KeyboardInterrupt else 0), "what is in flight at an error is answered and stored"
        time.sleep(0.3)
        assert len(server.asked) == asked


def test_a_parked_server_stops_the_leaf_and_keeps_what_was_answered(make_seeds: MakeFrame, tmp_path: Path) -> None:
    with MisbehavingServer(schedule=lambda asked: "500" if asked.number >= 40 else None) as server:
        spec = specify(server, 60, settings={"tries": 2})
        with pytest.raises(ParkedError, match=server.base_url):
            generate(spec, make_seeds(), tmp_path / "ledger")
        with Ledger(tmp_path / "ledger") as ledger:
            assert ledger.forget_failed() <= 8
            assert len(ledger) == 40
        server.schedule = lambda asked: None
        before = server.answered.total()
        assert generate(spec, make_seeds(), tmp_path / "ledger")["parse_fault"].null_count() == 60
        assert server.answered.total() - before == 80
        assert not server.duplicates


def test_many_candidates_keep_few_drafts_alive(make_seeds: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.generation import drafts

    def count() -> int:
        gc.collect()  # what tests before have left in cycles is not alive
        return sum(isinstance(each, drafts.Draft) for each in gc.get_objects())

    before, most = count(), 0
    write_rows = drafts.write_rows

    def watch(*arguments: Any) -> Any:
        nonlocal most
        if arguments[0].slots.start % 40 == 39:
            most = max(most, count() - before)
        return write_rows(*arguments)

    monkeypatch.setattr("factory.generation.generate.write_rows", watch)
    with MisbehavingServer() as server:
        generate(specify(server, 160, in_flight=8), make_seeds(), tmp_path / "ledger")
    assert 0 < most <= 3 * 2 * 8, "two writers for each request in flight, and what they part into"


def test_a_judge_behind_a_server_judges_a_model_in_this_process(tiny_teacher: LocalTeacher, make_seeds: MakeFrame, tmp_path: Path) -> None:
    flow = tmp_path / "judged.yaml"
    flow.write_text(
        "name: judged\ndescription: d\nsource: s\nsteps:\n"
        '  - {name: instruction, prompt: "{{ examples[0].question }}", sampling: instruction}\n'
        '  - {name: response, prompt: "{{ instruction }}"}\n'
        '  - {name: verdict, asks: judge, prompt: "{{ response }}", filter: {min_score: 1}, '
        'parser: {kind: score, values: {"1": 1, "0": 0}}}\n'
    )

    def judge(body: dict[str, Any]) -> str:
        return str(len(body["messages"][0]["content"]) % 2)

    with MisbehavingServer(answer=judge, latency=0.01) as server:
        spec = specify(server, 40)
        sections = {"teacher": {"model": "pico-teacher"}, "judge": spec.teacher.model_dump(), "flows": {"*": str(flow)}}
        short = {"instruction": {"max_new_tokens": 24}, "response": {"max_new_tokens": 16}}
        mixed = GenerationSpec.model_validate(spec.model_dump() | sections | short)
        with Ledger(tmp_path / "ledger") as ledger:
            arguments = (LEAF, make_seeds(), empty(DOCUMENT), mixed, [tiny_teacher], ledger, 7)
            frame = generate_candidates(*arguments, judge=open_teacher(mixed.judge))
            asked = len(server.asked)
            assert_frame_equal(generate_candidates(*arguments, judge=open_teacher(mixed.judge)), frame)
        assert len(server.asked) == asked == frame["judgements"].list.len().sum()
        assert 1 < server.most_open <= 8
    refused = frame.filter(pl.col("refusal").is_not_null())
    assert refused["refusal"].unique().to_list() == ["verdict: score 0 is below 1"]
    assert refused.height == frame["judgements"].list.first().struct.field("score").eq(0).sum() > 0
    assert frame["teacher"].unique().to_list() == [tiny_teacher.identity]


def test_it_may_be_called_where_a_loop_runs_already(make_seeds: MakeFrame, tmp_path: Path) -> None:
    import asyncio

    async def notebook() -> pl.DataFrame:
        return generate(spec, make_seeds(), tmp_path / "ledger")

    with MisbehavingServer() as server:
        spec = specify(server, 4)
        assert asyncio.run(notebook()).height == 4


def test_a_long_context_loses_sentences_where_the_step_may_shorten_it(
    tiny_model: Path, make_seeds: MakeFrame, make_documents: MakeFrame, tmp_path: Path
) -> None:
    sentences = [f"the cat number {n} sleeps. " for n in range(40)]
    with MisbehavingServer() as server:
        counted = {"context_tokens": 320, "tokenizer": str(tiny_model)}
        spec = specify(server, 6, settings=counted, flows={"*": "closed_questions"}, instruction={"max_new_tokens": 24},
                       precise={"max_new_tokens": 24})  # fmt: skip
        server._answer = lambda body: "\n".join(f"{n}. {reply(body)} {n}" for n in range(1, 4))
        documents = make_documents(("".join(sentences),))
        with Ledger(tmp_path / "ledger") as ledger:
            frame = generate_candidates(LEAF, make_seeds(), documents, spec, [open_teacher(spec.teacher)], ledger, 7)
    assert frame["parse_fault"].null_count() == 6
    for context in frame["context"]:
        assert "".join(sentences).startswith(context)
        assert context.endswith("sleeps.")
        assert 1 <= context.count(".") < 40
    assert all(asked.body["messages"][-1]["content"].count("sleeps") < 40 for asked in server.asked)


def test_a_changed_context_has_effect_and_what_did_not_fit_is_stored_nowhere(
    make_seeds: MakeFrame, make_documents: MakeFrame, tmp_path: Path
) -> None:
    documents = make_documents(("".join(f"the cat number {n} sleeps. " for n in range(40)),))
    flow, short = {"flows": {"*": "grounded"}, "examples_per_prompt": 1}, {"max_new_tokens": 24}

    def write(server: MisbehavingServer, context_tokens: int) -> pl.DataFrame:
        spec = specify(server, 6, settings={"context_tokens": context_tokens}, instruction=short, response=short, **flow)
        with Ledger(tmp_path / "ledger") as ledger:
            return generate_candidates(LEAF, make_seeds(), documents, spec, [open_teacher(spec.teacher)], ledger, 7)

    with MisbehavingServer() as server:
        assert write(server, 200)["parse_fault"].str.contains("do not fit the teacher's context of 200").all()
        assert not server.asked
        with Ledger(tmp_path / "ledger") as ledger:
            assert len(ledger) == 0
        assert write(server, 4000)["parse_fault"].null_count() == 6
        server.schedule = lambda asked: "context"
        assert len(server.asked) == 12


def test_what_a_server_refused_for_its_length_is_asked_again_when_the_line_says_otherwise_of_its_context(
    make_seeds: MakeFrame, tmp_path: Path
) -> None:
    with MisbehavingServer(lambda asked: "context") as server:
        first = generate(specify(server, 4), make_seeds(), tmp_path / "ledger")
        assert first["parse_fault"].str.contains("do not fit").all()
        asked = len(server.asked)
        assert_frame_equal(generate(specify(server, 4), make_seeds(), tmp_path / "ledger"), first)
        assert len(server.asked) == asked
        server.schedule = lambda asked: None
        again = generate(specify(server, 4, settings={"context_tokens": 8000}), make_seeds(), tmp_path / "ledger")
        assert again["parse_fault"].null_count() == 4


def test_a_record_lists_what_was_shown_and_not_what_had_to_be_left_out(make_seeds: MakeFrame, tmp_path: Path) -> None:
    short = make_seeds(tuple(f"Short {n}: {'s ' * 75}" for n in range(2)), depth=0)
    long = make_seeds(tuple(f"Long {n}: {'word ' * 100}" for n in range(2)), depth=4, licence="CC-BY-4.0")
    seeds = pl.concat([short, long])
    few = {"instruction": {"max_new_tokens": 24}, "response": {"max_new_tokens": 24}, "examples_per_prompt": 2}
    with MisbehavingServer() as server:
        frame = generate(specify(server, 40, settings={"context_tokens": 250}, **few), seeds, tmp_path / "ledger")
    prompts = [asked.body["messages"][0]["content"] for asked in server.asked]
    shown = {tuple(row["record_id"] for row in seeds.iter_rows(named=True) if row["question"] in prompt) for prompt in prompts} - {()}
    assert {tuple(row for row in seeds["record_id"] if row in ids) for ids in frame["seed_ids"]} == shown
    assert {len(ids) for ids in frame["seed_ids"]} == {1, 2}
    is_short = pl.col("seed_ids").list.set_difference([*short["record_id"]]).list.len() == 0
    assert frame.select(is_short, "depth", "licence").unique().sort("depth").rows() == [(True, 1, "Apache-2.0"), (False, 5, "CC-BY-4.0")]


def test_requests_that_wait_for_their_next_try_leave_no_slot_empty(make_seeds: MakeFrame, tmp_path: Path) -> None:
    with MisbehavingServer(in_order(*["500 after"] * 8)) as server:
        frame = generate(specify(server, 60, in_flight=8), make_seeds(), tmp_path / "ledger")
    waited_until = min(asked.at for asked in server.asked) + RETRY_AFTER_SECONDS
    assert sum(asked.at < waited_until for asked in server.asked) > 8
    assert frame["parse_fault"].null_count() == 60


def test_no_key_is_written_or_told(make_seeds: MakeFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setenv("TEACHER_KEY", CANARY)
    monkeypatch.setenv("TEACHER_TOKEN", f"{CANARY}-too")
    keys = {"key_variable": "TEACHER_KEY", "headers": {"X-Token": "${TEACHER_TOKEN}"}, "tries": 2}
    caplog.set_level(0)
    with MisbehavingServer(schedule=lambda asked: "500 echo" if asked.number % 5 == 4 else None) as server:
        frame = generate(specify(server, 30, settings=keys), make_seeds(), tmp_path / "ledger")
        frame.write_parquet(tmp_path / "candidates.parquet")
        assert server.asked[0].headers["authorization"] == f"Bearer {CANARY}"
        server.schedule = lambda asked: None
        server._answer = lambda body: f"You sent me {CANARY}." if body["seed"] % 3 else reply(body)
        repeated = generate(specify(server, 12, settings=keys), make_seeds(), tmp_path / "repeated")
        told = repeated["parse_fault"].drop_nulls()
        assert (
            told.len() and told.str.ends_with("no answer: the answer repeats a secret that was sent to the server, so it is not kept").all()
        )
        server.schedule = lambda asked: "401 echo"
        with pytest.raises(FactoryError) as caught:
            generate(specify(server, 30, settings=keys), make_seeds(leaf=LEAF), tmp_path / "other")
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert CANARY.encode() not in written
    assert CANARY not in f"{caught.value} {caught.value.__cause__!r} {caplog.text} {frame.write_ndjson()} {repeated.write_ndjson()}"
