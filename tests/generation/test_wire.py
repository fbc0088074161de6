"""What one try makes of what a server says: refusals told apart by all of it, text that is no text mended, headers looked over first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving_server import MisbehavingServer, in_order

from factory.faults import FactoryError
from factory.generation.chat import Completion, Message, Request
from factory.generation.ledger import Ledger
from factory.generation.replies import mend_json, mend_text
from factory.generation.server_teacher import ServerTeacher
from factory.model_spec import Sampling, ServerSpec

SCHEMA = '{"properties":{"question":{"type":"string"}},"required":["question"],"type":"object"}'


def put(server: MisbehavingServer, count: int = 1, **settings: Any) -> list[Completion]:
    """The answers to `count` requests with a schema, one after the other."""
    teacher = ServerTeacher("granite", ServerSpec(base_url=server.base_url, tries=1, **settings))

    async def run() -> list[Completion]:
        requests = [Request((Message("user", "Hi"),), seed, Sampling(), SCHEMA) for seed in range(count)]
        try:
            return [await teacher.ask(request) for request in requests]
        finally:
            await teacher.close()

    return asyncio.run(run())


def test_a_refusal_of_a_content_filter_is_of_the_request_and_not_of_its_schema() -> None:
    with MisbehavingServer(in_order("400 content_filter")) as server:
        refused, answered = put(server, 2)
    assert (refused.finish_reason, answered.finish_reason) == ("failed", "stop")
    assert refused.text.startswith("400 made-up fault 400 content_filter")
    assert ["response_format" in asked.body for asked in server.asked] == [True, True]


def test_what_a_server_says_last_is_read_as_well() -> None:
    long = "this and that, " * 40
    with MisbehavingServer(in_order(f"400 {long} maximum context length", None, f"400 {long} content_policy")) as server:
        too_long, _, filtered = put(server, 3)
    assert too_long.finish_reason == "overflow"
    assert filtered.finish_reason == "failed" and len(server.asked) == 3
    assert len(filtered.text) < 350, "what is shown is cut"


def test_half_a_surrogate_pair_is_mended_wherever_a_server_sends_it(tmp_path: Path) -> None:
    with MisbehavingServer(in_order(None, "400 half \ud83d"), answer=lambda body: "half \ud83d a 🙂 and \\ud83d") as server:
        answered, refused = put(server, 2, structured_output=False)
    assert answered.text == "half \ufffd a 🙂 and \\ud83d"
    assert "half \ufffd" in refused.text
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.put({"a": answered, "b": refused})
        assert ledger.get(["a", "b"]) == {"a": answered, "b": refused}


@given(st.text(st.characters(exclude_categories=[])))
def test_only_what_is_no_text_is_mended(text: str) -> None:
    mended = mend_text(text)
    mended.encode()
    assert mended == text or any("\ud800" <= character <= "\udfff" for character in text)


@given(st.binary())
def test_what_is_no_json_is_left_as_it_is(content: bytes) -> None:
    assert mend_json(b'\\ud800{"' + content) == b'\\ud800{"' + content


@pytest.mark.parametrize(
    "header", [{"X-Team": "a\nb: c"}, {"X-Team": "a\r"}, {"X-Team": "“quoted”"}, {"X Team": "a"}, {"": "a"}, {"é": "a"}]
)
def test_a_header_that_cannot_be_sent_is_refused_before_anything_is_asked(header: dict[str, str]) -> None:
    (name,) = header
    with pytest.raises(FactoryError, match=rf"server http://a/v1, model m: the name or value of the header {name!r} holds a line break"):
        ServerTeacher("m", ServerSpec(base_url="http://a/v1", headers=header))


def test_a_key_of_odd_characters_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "clé-secrète")
    with pytest.raises(FactoryError, match="TEACHER_KEY in the environment holds") as caught:
        ServerTeacher("m", ServerSpec(base_url="http://a/v1", key_variable="TEACHER_KEY"))
    assert "secr" not in str(caught.value)
