"""A model of the hub bears the commit that is opened, and stays at it for the length of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from factory.faults import FactoryError
from factory.generation.chat import Message, Request
from factory.generation.local_teacher import LocalTeacher
from factory.generation.tokens import ChatTokenizer
from factory.model_spec import Sampling
from factory.pico import hub_commits
from factory.pico.models import WEIGHTS, identify_model, model_revision, pin_revision
from factory.reward.models import name_reward_model, open_reward_model
from factory.reward_spec import RewardSpec
from factory.training.student import open_tokenizer

FIRST, SECOND = "1" * 40, "2" * 40
REQUEST = Request((Message("user", "What is 47 + 85?"),), 5, Sampling(temperature=0, max_new_tokens=24))

Fetch = Callable[..., None]


def begin_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked of the hub is forgotten, until the end of the test."""
    monkeypatch.setattr(hub_commits, "KNOWN", {})
    monkeypatch.setattr(hub_commits, "ASK_AGAIN", {})


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Puts a bundled model into the cache of a hub out of reach, as a commit of someone/<name> at which a branch or tag stands."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    begin_process(monkeypatch)

    def put(name: str, commit: str, model: str, revision: str = "main") -> None:
        cached = tmp_path / f"models--someone--{name}"
        for folder in ("refs", "snapshots"):
            (cached / folder).mkdir(parents=True, exist_ok=True)
        (cached / "refs" / revision).write_text(commit)
        (cached / "snapshots" / commit).symlink_to(WEIGHTS / model)

    return put


def test_a_teacher_opens_the_commit_that_it_is_named_by_though_main_moves(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("teacher", FIRST, "pico-student")
    teacher = LocalTeacher("someone/teacher")
    assert teacher.identity == f"someone/teacher@{FIRST}"
    fetch("teacher", SECOND, "pico-teacher")
    said, student, moved = (LocalTeacher(name).complete([REQUEST]) for name in ("someone/teacher", "pico-student", "pico-teacher"))
    assert teacher.complete([REQUEST]) == said == student != moved
    assert LocalTeacher("someone/teacher", "main").identity == teacher.identity, "main is where nothing is asked for"
    begin_process(monkeypatch)
    assert LocalTeacher("someone/teacher").identity == f"someone/teacher@{SECOND}", "the next process opens what the branch holds then"


def test_a_branch_or_tag_is_resolved_and_a_commit_is_itself(fetch: Fetch) -> None:
    fetch("tagged", SECOND, "pico-teacher")
    fetch("tagged", FIRST, "pico-student", "v1")
    assert LocalTeacher("someone/tagged", "v1").identity == LocalTeacher("someone/tagged", FIRST).identity == f"someone/tagged@{FIRST}"
    assert LocalTeacher("someone/tagged", "v1").complete([REQUEST]) == LocalTeacher("pico-student").complete([REQUEST])
    assert model_revision("someone/never-fetched", FIRST) == FIRST, "nobody is asked what a commit is"
    assert model_revision("someone/tagged", "v2") == "v2", "which nobody here knows"


def test_a_reward_model_is_named_alike_opened_or_not(fetch: Fetch, tmp_path: Path) -> None:
    fetch("reward", FIRST, "pico-reward", "v1")
    spec = RewardSpec(model="someone/reward", revision="v1")
    assert name_reward_model(spec) == f"someone/reward@{FIRST}"
    fetch("reward", SECOND, "pico-teacher", "v2")
    (tmp_path / "models--someone--reward" / "refs" / "v1").write_text(SECOND)
    assert open_reward_model(spec, tmp_path / "ledger").identity == f"someone/reward@{FIRST}", "and the other is no reward model"


def test_bases_are_told_apart_by_name_and_by_commit(fetch: Fetch) -> None:
    for name, commit in (("one", FIRST), ("other", FIRST), ("moved", SECOND)):
        fetch(name, commit, "pico-student")
        assert identify_model(f"someone/{name}") == f"someone/{name}@{commit}"


def test_a_repository_that_holds_a_tokenizer_alone_is_named_and_opened(fetch: Fetch, tmp_path: Path) -> None:
    words = tmp_path / "tokenizer"
    words.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (words / file).symlink_to(WEIGHTS / "pico-student" / file)
    fetch("words", FIRST, str(words))
    absent = tmp_path / "models--someone--words" / ".no_exist" / FIRST
    absent.mkdir(parents=True)
    for file in ("config.json", "tokenizer.model", "added_tokens.json", "special_tokens_map.json"):
        (absent / file).touch()
    assert model_revision("someone/words", weights=False) == FIRST
    messages = [REQUEST.messages]
    assert ChatTokenizer("served", "someone/words").encode(messages) == ChatTokenizer("m", str(words)).encode(messages)


def test_a_commit_that_was_had_is_not_asked_for_again_and_one_that_was_not_is_after_a_while(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = HfApi.resolve_revision

    def ask(api: HfApi, model: str, *, revision: str, **how: bool) -> str:
        if revision == "main":  # transformers asks too, for what is a commit by then
            asked.append(model)
        return resolve(api, model, revision=revision, **how)

    monkeypatch.setattr(HfApi, "resolve_revision", ask)
    fetch("once", FIRST, "pico-student")
    for _ in range(2):
        LocalTeacher("someone/once").complete([REQUEST])
        assert LocalTeacher("someone/late").identity == "someone/late@main"
    assert asked == ["someone/once", "someone/late"]
    fetch("late", FIRST, "pico-student")
    now = time.monotonic()
    monkeypatch.setattr("factory.pico.hub_commits.time.monotonic", lambda: now + 61)
    assert LocalTeacher("someone/late").identity == f"someone/late@{FIRST}"


def test_a_hub_that_fails_is_asked_with_a_bound_and_then_its_cache(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[float] = []

    def fail(api: HfApi, *, timeout: float | None = None, **how: object) -> None:
        bounds.append(timeout or inf)
        raise OSError("401: your token has expired")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "repo_info", fail)
    fetch("gated", FIRST, "pico-student")
    assert pin_revision("someone/gated") == FIRST and max(bounds) <= 10


def test_what_cannot_be_opened_says_why(fetch: Fetch) -> None:
    with pytest.raises(FactoryError, match=r"couldn't find them in the cached files.* download the model elsewhere"):
        LocalTeacher("someone/lost").complete([REQUEST])
    with pytest.raises(FactoryError, match="student '/gone/model' cannot be opened: there is no folder /gone/model, and a hub id reads"):
        open_tokenizer("/gone/model")
