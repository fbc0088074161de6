"""`factory serve`: which student, what it says before it starts, and one that answers over HTTP as it does in this process."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from plant import ADDITION, PROJECT, Plant, Said

from assets.layout import asset_key
from assets.shelf import open_store
from factory.generation.chat import Message, Request
from factory.generation.local_teacher import LocalTeacher
from factory.generation.server_teacher import ServerTeacher
from factory.model_spec import Sampling, ServerSpec
from factory.records import digest_frame, take_examples
from resources.store import Stamp

Call = Callable[..., Said]


@contextmanager
def take_port() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_line_without_a_student_is_told_how_to_get_one(fresh: Plant, cli: Call) -> None:
    said = cli("serve", "tiny")
    assert said.code == 2 and "no student of phase 'sft' yet: `factory run tiny` makes one" in said.err


def test_a_missing_library_is_named_with_its_extra(made: Plant, cli: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    said = cli("serve", "tiny")
    assert said.code == 2 and "needs openai" in said.err and "pip install 'data-factory[serving]'" in said.err


def test_the_champion_goes_before_the_newest_student_and_a_phase_before_both(copied: Plant, cli: Call) -> None:
    pytest.importorskip("openai")
    student = copied.frame("student_sft").row(0, named=True)
    older = shutil.copytree(student["model"], copied.root / "older")
    history = copied.frame("champion").with_columns(promoted=pl.lit(True), model=pl.lit(str(older)), release=pl.lit("v-older"))
    open_store(copied.home).write(asset_key(copied.line, "champion"), None, history, Stamp("", digest_frame(history)))
    with take_port() as port:
        said = cli("serve", "tiny", "--port", str(port))
        assert f"champion, trained on release v-older: {older}\n" in said.out
        assert said.code == 2 and f"cannot listen on 127.0.0.1:{port}" in said.err and "another port with --port" in said.err
        said = cli("serve", "tiny", "--port", str(port), "--phase", "sft")
        assert f"student of phase sft, trained on release {student['release']}: {student['model']}\n" in said.out
    said = cli("serve", "tiny", "--phase", "sftt")
    assert said.code == 2 and "Did you mean 'sft'?" in said.err


def test_a_served_student_answers_as_it_does_here_and_leaves_no_process(made: Plant) -> None:
    pytest.importorskip("openai")
    command = [sys.executable, "-c", "from assets.cli import main; main()", "serve", "tiny"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(command, env=environment, **options) as served:  # type: ignore[call-overload]
        told = []
        for line in served.stdout:
            told.append(line)
            if line.startswith("Ctrl-C"):
                break
        children = Path(f"/proc/{served.pid}/task/{served.pid}/children").read_text().split()
        try:
            url = next(line.split()[-1] for line in told if line.startswith("base URL"))
            check_curl(next(line for line in told if line.startswith("curl")), made)
            with urllib.request.urlopen(f"{url}/models") as listed:
                assert [model["id"] for model in json.load(listed)["data"]] == ["tiny_student"]
            check_answers(url, made)
        finally:
            served.send_signal(signal.SIGINT)
        assert served.wait(timeout=30) == 0
    assert children and not [child for child in children if Path(f"/proc/{child}").exists()]


def read_questions(plant: Plant) -> list[str]:
    return take_examples(plant.frame("seed_examples")).filter(leaf=ADDITION)["question"].to_list()


def check_curl(line: str, plant: Plant) -> None:
    """The line that is told asks a question of a leaf."""
    url, *given = [word for word in shlex.split(line) if word not in ("curl", "-s")]
    body = given[given.index("-d") + 1]
    assert json.loads(body)["messages"][0]["content"] in read_questions(plant)
    request = urllib.request.Request(url, data=body.encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answered:
        assert json.load(answered)["choices"][0]["message"]["role"] == "assistant"


def check_answers(url: str, plant: Plant) -> None:
    """Greedy answers to a leaf's questions over HTTP are those of the same weights in this process."""
    sampling = Sampling(temperature=0, max_new_tokens=24)
    requests = [Request((Message("user", question),), 0, sampling) for question in read_questions(plant)[:4]]
    teacher = ServerTeacher("tiny_student", ServerSpec(base_url=url))

    async def ask() -> list[str]:
        answers = [(await teacher.ask(request)).text for request in requests]
        await teacher.close()
        return answers

    here = LocalTeacher(plant.frame("student_sft")["model"][0])
    answers = asyncio.run(ask())
    assert answers == [here.complete([request])[0].text for request in requests]
    assert any(answers)
