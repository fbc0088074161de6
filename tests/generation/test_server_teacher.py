"""The teacher behind a server: what goes over the wire, what is tried again, what is given up, and that no key is ever told."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving_server import FAULTS, RETRY_AFTER_SECONDS, Asked, MisbehavingServer, in_order, reply, spread

from factory.faults import FactoryError
from factory.generation.chat import Completion, Message, ParkedError, Request
from factory.generation.local_teacher import LocalTeacher
from factory.generation.replies import read_retry_after
from factory.generation.server_teacher import ServerTeacher
from factory.generation.tokens import MESSAGE_TOKENS, ChatTokenizer
from factory.generation.wire import Setback
from factory.model_spec import Sampling, ServerSpec, TeacherSpec
from resources.models import Models

CANARY = "canary-key-5f1d0c"
SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=64)


def ask(text: str = "Reverse: apple tree", seed: int = 7, **more: Any) -> Request:
    return Request((Message("user", text),), seed, SAMPLING, **more)


def open_teacher(server: MisbehavingServer, model: str = "granite", **settings: Any) -> ServerTeacher:
    return ServerTeacher(model, ServerSpec(base_url=server.base_url, **{"deadline_seconds": 0.4, "park_seconds": 0.2} | settings))


def put(teacher: ServerTeacher, *requests: Request) -> list[Completion]:
    """The answers to `requests`, asked all at once."""

    async def run() -> list[Completion]:
        try:
            return await asyncio.gather(*(teacher.ask(request) for request in requests))
        finally:
            await teacher.close()

    return asyncio.run(run())


def put_each(teacher: ServerTeacher, requests: Sequence[Request]) -> list[Completion | BaseException]:
    """What becomes of each of `requests`, asked all at once."""

    async def run() -> list[Completion | BaseException]:
        found = await asyncio.gather(*(teacher.ask(request) for request in requests), return_exceptions=True)
        await teacher.close()
        return found

    return asyncio.run(run())


def test_a_request_goes_over_the_wire_as_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", CANARY)
    monkeypatch.setenv("TEAM", "data")
    messages = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "¿Qué? 何"))
    with MisbehavingServer() as server:
        teacher = open_teacher(server, key_variable="TEACHER_KEY", headers={"X-Team": "${TEAM}-$$1"})
        answer = put(teacher, Request(messages, 2**62 + 5, SAMPLING))[0]
    asked = server.asked[0]
    assert asked.body == {
        "model": "granite",
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 5,
    }
    assert (asked.headers["authorization"], asked.headers["x-team"]) == (f"Bearer {CANARY}", "data-$1")
    assert answer == Completion(reply(asked.body), "stop", 20, 9)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_survived(fault: str) -> None:
    with MisbehavingServer(in_order(fault)) as server:
        answer = put(open_teacher(server), ask())[0]
    assert answer == Completion(reply(server.asked[0].body), "stop", 20, 9)
    assert [asked.body for asked in server.asked] == [server.asked[0].body] * 2
    if "after" in fault or "date" in fault:
        assert server.asked[1].at - server.asked[0].at >= RETRY_AFTER_SECONDS


def test_under_every_fault_at_once_each_request_is_answered_once() -> None:
    requests = [ask(f"Task {number}", number) for number in range(300)]
    with MisbehavingServer(spread(0.01)) as server:
        answers = put(open_teacher(server, in_flight=32), *requests)
    assert len({answer.text for answer in answers}) == 300
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert server.duplicates == []
    assert set(server.met) == {*FAULTS, "none"}
    assert server.most_open <= 32


def test_tokens_are_estimated_where_the_server_counts_none() -> None:
    with MisbehavingServer(lambda asked: "no usage", answer=lambda body: "an answer of some twelve tokens or so") as server:
        answer = put(open_teacher(server), ask("word " * 40))[0]
    assert 30 <= answer.prompt_tokens <= 120
    assert 6 <= answer.completion_tokens <= 20


def test_a_prompt_too_long_for_the_server_overflows_and_is_not_tried_again() -> None:
    with MisbehavingServer(lambda asked: "context") as server:
        teacher = open_teacher(server)
        answer = put(teacher, ask("word " * 40))[0]
        assert answer == Completion("", "overflow", teacher.count_tokens(ask("word " * 40).messages), 0)
        assert len(server.asked) == 1


def test_an_answer_that_a_filter_cut_is_given_up_at_once() -> None:
    with MisbehavingServer(lambda asked: "filter") as server:
        answer = put(open_teacher(server), ask())[0]
    assert (answer.finish_reason, len(server.asked)) == ("failed", 1)
    assert "content filter" in answer.text


@pytest.mark.parametrize(
    ("status", "why"),
    [("401", "the key is not accepted"), ("403", "the key may not"), ("404", "no such model"), ("402", "no credit"), ("307", "redirects")],
)
def test_what_no_second_try_mends_stops_at_once(status: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", CANARY)
    with MisbehavingServer(lambda asked: status) as server:
        teacher = open_teacher(server, key_variable="TEACHER_KEY")
        with pytest.raises(FactoryError, match=rf"server {server.base_url}, model granite, the key in \$TEACHER_KEY: .*{why}.*{status}"):
            put(teacher, ask())
        assert len(server.asked) == 1


def test_a_server_that_takes_no_request_like_this_is_named_with_what_it_says() -> None:
    with MisbehavingServer(lambda asked: "400") as server:
        with pytest.raises(FactoryError, match=r"refuses what it is asked \(leaf x, unit 3\): 400 made-up fault 400"):
            put(open_teacher(server), ask(subject="leaf x, unit 3"))

        # Once it has answered, it is the request that is at fault.
        server.schedule = lambda asked: "400" if asked.body["seed"] == 8 else None
        teacher = open_teacher(server)
        assert put(teacher, ask(), ask())[0].finish_reason == "stop"
        assert put(teacher, ask(seed=8)) == [Completion("400 made-up fault 400, made_up, made_up (tried 1 time)", "failed", 0, 0)]


def test_an_account_without_credit_is_not_waited_for() -> None:
    with MisbehavingServer(lambda asked: "429 insufficient_quota") as server:
        with pytest.raises(FactoryError, match=r"no key \(name one by key_variable\): the account has no credit"):
            put(open_teacher(server), ask())
        assert len(server.asked) == 1


def test_a_server_that_wants_the_length_under_another_name_gets_it() -> None:
    with MisbehavingServer(lambda asked: "400 use max_completion_tokens" if "max_tokens" in asked.body else None) as server:
        teacher = open_teacher(server)
        assert [answer.finish_reason for answer in put(teacher, ask()) + put(teacher, ask(seed=8))] == ["stop", "stop"]
        assert [asked.body.get("max_completion_tokens") for asked in server.asked] == [None, 64, 64]


def test_a_schema_is_sent_and_left_out_for_good_where_the_server_refuses_it() -> None:
    schema = '{"properties":{"question":{"type":"string"}},"required":["question"],"type":"object"}'
    with MisbehavingServer() as server:
        put(open_teacher(server), ask(schema=schema))
        put(open_teacher(server, structured_output=False), ask(schema=schema))
    sent = server.asked[0].body["response_format"]
    assert (sent["type"], sent["json_schema"]["schema"]["required"]) == ("json_schema", ["question"])
    assert "response_format" not in server.asked[1].body
    with MisbehavingServer(takes_schemas=False) as server:
        teacher = open_teacher(server)
        answers = put(teacher, ask(schema=schema)) + put(teacher, ask("b", schema=schema))
    assert [answer.finish_reason for answer in answers] == ["stop", "stop"]
    assert ["response_format" in asked.body for asked in server.asked] == [True, False, False]


def test_never_more_are_in_flight_than_allowed() -> None:
    rng = random.Random(3)
    with MisbehavingServer(lambda asked: rng.choice([None] * 16 + ["429", "500", "reset"]), latency=0.01) as server:
        answers = put(open_teacher(server, in_flight=5, tries=20), *[ask(f"Task {number}", number) for number in range(60)])
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert 1 < server.most_open <= 5


def test_a_server_that_bears_less_is_asked_for_less() -> None:
    with MisbehavingServer(latency=0.02, most=4) as server:
        answers = put(open_teacher(server, in_flight=32), *[ask(f"Task {number}", number) for number in range(400)])
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert server.met["429"] < 0.25 * len(server.asked)


def test_a_request_is_given_up_where_the_server_answers_others() -> None:
    def poison(asked: Asked) -> str | None:
        return "500" if "poison" in asked.body["messages"][0]["content"] else None

    with MisbehavingServer(poison, latency=0.05) as server:
        others = [ask(f"Task {number}", number) for number in range(40)]
        answers = put(open_teacher(server, tries=2, in_flight=2), ask("poison"), *others)
    assert answers[0] == Completion("500 made-up fault 500, made_up, made_up (tried 2 times)", "failed", 0, 0)
    assert {answer.finish_reason for answer in answers[1:]} == {"stop"}
    assert sum("poison" in str(asked.body) for asked in server.asked) == 2


def test_the_last_request_is_given_up_and_parks_nobody_where_it_alone_fails() -> None:
    with MisbehavingServer(in_order(None, "500", "500", "500", "500", "500", "500")) as server:
        teacher = open_teacher(server, tries=2, in_flight=1)
        assert put(teacher, ask())[0].finish_reason == "stop"
        assert put(teacher, ask("b"))[0].finish_reason == "failed"
        # With another that fails, it is the server.
        assert isinstance(put_each(teacher, [ask("c")])[0], ParkedError)


def test_a_dead_server_is_parked_and_tried_again_later() -> None:
    with MisbehavingServer(lambda asked: "500") as server:
        teacher = open_teacher(server, tries=2)
        found = put_each(teacher, [ask(f"Task {number}", number) for number in range(10)])
        assert {type(each) for each in found} == {ParkedError}
        assert f"server {server.base_url} is left alone" in str(found[0])
        assert "said last: 500 made-up fault" in str(found[0])
        assert "tried again in" in str(found[0])
        asked = len(server.asked)
        assert asked <= 20
        assert isinstance(put_each(teacher, [ask()])[0], ParkedError)
        assert len(server.asked) == asked

        async def wait_and_ask() -> list[Completion | BaseException]:
            await asyncio.sleep(0.25)
            return await asyncio.gather(*(teacher.ask(ask(f"Task {number}", number)) for number in range(10)), return_exceptions=True)

        # Half-open: one request tries it out, the others wait for what becomes of it.
        assert {type(each) for each in asyncio.run(wait_and_ask())} == {ParkedError}
        assert len(server.asked) == asked + 1
        server.schedule = lambda asked: None
        asyncio.run(asyncio.sleep(0.25))
        assert {type(each) for each in asyncio.run(wait_and_ask())} == {Completion}
        assert server.most_open <= 32


def test_a_parked_server_that_says_later_lives() -> None:
    with MisbehavingServer(in_order("500", "500", "429 after")) as server:
        teacher = open_teacher(server, tries=2)
        parked = put_each(teacher, [ask()])[0]
        assert isinstance(parked, ParkedError)
        left = parked.retry_at - time.monotonic()
        assert 0 < left <= 0.2
        time.sleep(left)
        found = put_each(teacher, [ask(f"Task {number}", number) for number in range(5)])
    assert {type(each) for each in found} == {Completion}


def test_what_the_server_asks_to_wait_for_is_no_failed_try() -> None:
    with MisbehavingServer(in_order("500 after", "502 date")) as server:
        assert put(open_teacher(server, tries=1), ask())[0].finish_reason == "stop"
        assert len(server.asked) == 3


def test_an_error_that_asks_to_wait_for_ever_is_of_the_request_where_others_are_answered() -> None:
    def poison(asked: Asked) -> str | None:
        return "500 after" if "poison" in asked.body["messages"][0]["content"] else None

    with MisbehavingServer(poison, latency=0.1) as server:
        teacher = open_teacher(server, tries=1, patience_seconds=2, in_flight=2)
        found = put_each(teacher, [ask("poison"), *(ask(f"Task {number}", number) for number in range(30))])
        assert {each.finish_reason for each in found[1:] if isinstance(each, Completion)} == {"stop"}
        assert isinstance(found[0], Completion) and found[0].text.startswith("500 made-up fault 500 after")
        server.schedule = lambda asked: "500 after"
        assert isinstance(put_each(teacher, [ask("b")])[0], ParkedError)


def test_a_server_that_is_not_there_is_parked() -> None:
    with MisbehavingServer() as server:
        gone = server.base_url
    teacher = ServerTeacher("granite", ServerSpec(base_url=gone, tries=2))
    with pytest.raises(ParkedError, match=r"answered nobody, and said last: the connection failed: ConnectionRefusedError"):
        put(teacher, ask())


def test_later_is_never_a_failure_of_the_request_even_where_others_were_answered() -> None:
    with MisbehavingServer(in_order(None, "429 after", "429 after", "429 after", "429 after")) as server:
        teacher = open_teacher(server, patience_seconds=0.5, in_flight=1)
        found = put_each(teacher, [ask("a"), ask("b"), ask("c")])
    assert isinstance(found[0], Completion) and found[0].finish_reason == "stop"
    assert all(isinstance(each, ParkedError) for each in found[1:])


def test_delays_stay_finite_after_any_number_of_tries() -> None:
    with MisbehavingServer(in_order(*["429"] * 3)) as server:
        teacher = open_teacher(server)
        assert put(teacher, ask())[0].finish_reason == "stop"
        setback = Setback("429", later=True)
        assert max(teacher._choose_delay(ask(), attempt, setback) for attempt in (1, 10, 2000)) <= 75


def test_a_server_that_always_says_later_is_parked_when_patience_ends() -> None:
    with MisbehavingServer(lambda asked: "429") as server:
        with pytest.raises(ParkedError, match=r"429 made-up fault"):
            put(open_teacher(server, patience_seconds=1, tries=1), ask())
        assert len(server.asked) == 2


@pytest.mark.parametrize("fault", ["401 echo", "500 echo", "400 echo", "429 echo", "truncated", "hang", None])
def test_keys_are_told_to_nobody_but_the_server(
    fault: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TEACHER_KEY", CANARY)
    monkeypatch.setenv("TEACHER_TOKEN", f"{CANARY}-token")
    caplog.set_level(logging.DEBUG)
    with MisbehavingServer(lambda asked: fault) as server:
        secret = {"key_variable": "TEACHER_KEY", "headers": {"X-Token": "Token ${TEACHER_TOKEN}"}}
        teacher = open_teacher(server, **secret, tries=1, patience_seconds=0.1)
        found = put_each(teacher, [ask()])[0]
    assert server.asked[0].headers["authorization"] == f"Bearer {CANARY}"
    assert server.asked[0].headers["x-token"] == f"Token {CANARY}-token"
    told = [
        repr(teacher),
        repr(teacher.server),
        teacher.identity,
        str(found),
        caplog.text,
        *(str(vars(record)) for record in caplog.records),
    ]
    if isinstance(found, BaseException):
        told += traceback.format_exception(found)
        assert "echo" not in str(fault) or "Token ***" in str(found)
    assert caplog.records
    assert CANARY not in "\n".join(told)


def test_a_missing_key_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(FactoryError, match=r"the environment has no EMPTY, NO_SUCH_KEY; set them before the run \(export EMPTY=\.\.\.\)"):
        ServerTeacher("m", ServerSpec(base_url="http://localhost/v1", key_variable="NO_SUCH_KEY", headers={"X-Key": "${EMPTY}"}))


def test_a_key_that_no_header_can_carry_is_named_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", f"{CANARY}\nsecond line")
    with pytest.raises(FactoryError, match="TEACHER_KEY in the environment holds a line break") as caught:
        ServerTeacher("m", ServerSpec(base_url="http://localhost/v1", key_variable="TEACHER_KEY"))
    assert CANARY not in str(caught.value)


def test_one_teacher_serves_one_event_loop_after_another() -> None:
    with MisbehavingServer() as server:
        teacher = open_teacher(server)
        assert [put(teacher, ask(seed=seed))[0].finish_reason for seed in range(3)] == ["stop"] * 3


def test_a_cancelled_request_gives_its_slot_back() -> None:
    with MisbehavingServer(in_order("hang")) as server:

        async def run() -> Completion:
            teacher = open_teacher(server, in_flight=1, deadline_seconds=30)
            hanging = asyncio.create_task(teacher.ask(ask()))
            await asyncio.sleep(0.2)
            hanging.cancel()
            return await asyncio.wait_for(teacher.ask(ask("b")), 5)

        assert asyncio.run(run()).finish_reason == "stop"


SECONDS = st.integers(0, 100_000)
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0))


@given(SECONDS, INSTANTS)
def test_retry_after_is_read_in_each_of_its_forms(seconds: int, now: datetime) -> None:
    then = now + timedelta(seconds=seconds)
    assert read_retry_after({"retry-after": str(seconds)}) == seconds
    assert read_retry_after({"retry-after-ms": str(seconds * 1000), "retry-after": "1"}) == seconds
    assert read_retry_after({"retry-after": format_datetime(then, usegmt=True), "date": format_datetime(now, usegmt=True)}) == seconds
    assert read_retry_after({"retry-after": format_datetime(now, usegmt=True), "date": format_datetime(then, usegmt=True)}) == 0


@given(st.text(), st.text(), st.text())
def test_a_retry_after_that_cannot_be_read_is_none(after: str, milliseconds: str, date: str) -> None:
    found = read_retry_after({"retry-after": after, "retry-after-ms": milliseconds, "date": date})
    assert found is None or 0 <= found < float("inf")


def test_the_line_opens_the_teacher_that_it_names(tiny_model: Path) -> None:
    models = Models()
    served = TeacherSpec(model="granite", server=ServerSpec(base_url="http://localhost:1/v1"), revision="v2")
    local = TeacherSpec(model=str(tiny_model), batch_size=3)
    assert models.teacher(served).identity == "granite@v2"
    assert models.teacher(served.model_copy(update={"weight": 2.0})) is models.teacher(served)
    opened = models.teacher(local)
    assert isinstance(opened, LocalTeacher)
    assert opened.batch_size == 3


def test_where_a_server_listens_is_no_part_of_who_it_is() -> None:
    here, there = (ServerSpec(base_url=f"http://{host}/v1") for host in ("a", "b"))
    assert ServerTeacher("meta/llama", here).identity == ServerTeacher("meta/llama", there).identity == "meta/llama@served"
    assert ServerTeacher("meta/llama", here, "2026-11").identity == "meta/llama@2026-11"


def test_a_tokenizer_counts_exactly_and_refuses_beforehand(tiny_model: Path, tiny_teacher: LocalTeacher) -> None:
    with MisbehavingServer() as server:
        teacher = open_teacher(server, tokenizer=str(tiny_model), context_tokens=320)
        messages = (Message("user", "apple tree"), Message("assistant", "sun"), Message("user", "a" * 100))
        assert teacher.count_tokens(messages) == tiny_teacher.count_tokens(messages)
        fits, over = "a" * (320 - 64 - 3), "a" * (320 - 64 - 2)
        assert teacher.find_overflow(ask(fits)) is None
        assert teacher.find_overflow(ask(over)) == Completion("", "overflow", 320 - 64 + 1, 0)
        assert put(teacher, ask(fits))[0].finish_reason == "stop"


def test_without_a_tokenizer_the_estimate_says_what_fits() -> None:
    teacher = ServerTeacher("m", ServerSpec(base_url="http://localhost:1/v1", context_tokens=320))
    room = 320 - SAMPLING.max_new_tokens
    fits = "a" * (3 * (room - 2 * MESSAGE_TOKENS))
    assert teacher.find_overflow(ask(fits)) is None
    assert teacher.find_overflow(ask(fits + "a")) == Completion("", "overflow", room + 1, 0)
    assert ServerTeacher("m", ServerSpec(base_url="http://localhost:1/v1")).find_overflow(ask("a" * 10**6)) is None


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=60)), min_size=1, max_size=4))
def test_what_is_not_counted_does_fit(tiny_model: Path, turns: list[tuple[Any, str]]) -> None:
    request = Request(tuple(Message(role, text) for role, text in turns), 7, SAMPLING)
    for counted in ({}, {"tokenizer": str(tiny_model)}):
        teacher = ServerTeacher("m", ServerSpec(base_url="http://localhost:1/v1", context_tokens=SAMPLING.max_new_tokens + 90, **counted))
        assert (teacher.find_overflow(request) is None) == (teacher.count_tokens(request.messages) <= 90)


def test_most_prompts_are_known_to_fit_without_being_counted(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded, encode = list[Any](), ChatTokenizer.encode
    monkeypatch.setattr(ChatTokenizer, "encode", lambda self, chats: encoded.append(chats) or encode(self, chats))
    teacher = ServerTeacher("m", ServerSpec(base_url="http://localhost:1/v1", context_tokens=320, tokenizer=str(tiny_model)))
    assert {teacher.find_overflow(ask(f"Task {number}")) for number in range(50)} == {None}
    assert len(encoded) == 1, "the template, once"


def test_how_tokens_are_counted_is_told_by_what_the_tokenizer_is_and_not_where(tiny_model: Path, tmp_path: Path) -> None:
    def describe(**settings: Any) -> list[Any]:
        return ServerTeacher("m", ServerSpec(base_url="http://localhost:1/v1", **settings)).describe_counting()

    moved, changed = (tmp_path / place / tiny_model.name for place in ("moved", "changed"))
    for folder in (moved, changed):
        shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (changed / "chat_template.jinja").write_text("{{ messages }}")
    here = describe(tokenizer=str(tiny_model))
    assert here == describe(tokenizer=str(moved))
    told = [describe(), here, describe(tokenizer=str(changed)), describe(context_tokens=320), describe(context_tokens=321)]
    assert len({str(each) for each in told}) == 5
