"""A model of the hub bears the commit that is opened, and stays at it for the length of a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from factory.faults import FactoryError
from factory.generation.chat import Message, Request
from factory.generation.local_teacher import LocalTeacher
from factory.model_spec import Sampling
from factory.pico.models import WEIGHTS, find_commit, identify_model, model_revision, pin_revision
from factory.reward.models import name_reward_model, open_reward_model
from factory.reward_spec import RewardSpec

FIRST, SECOND = "1" * 40, "2" * 40
REQUEST = Request((Message("user", "What is 47 + 85?"),), 5, Sampling(temperature=0, max_new_tokens=24))

Fetch = Callable[..., None]


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Puts a bundled model into the cache of a hub out of reach, as a commit of someone/<name> at which a branch or tag stands."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    find_commit.cache_clear()

    def put(name: str, commit: str, model: str, revision: str = "main") -> None:
        cached = tmp_path / f"models--someone--{name}"
        for folder in ("refs", "snapshots"):
            (cached / folder).mkdir(parents=True, exist_ok=True)
        (cached / "refs" / revision).write_text(commit)
        (cached / "snapshots" / commit).symlink_to(WEIGHTS / model)

    return put


def test_a_teacher_opens_the_commit_that_it_is_named_by_though_main_moves(fetch: Fetch) -> None:
    fetch("teacher", FIRST, "pico-student")
    teacher = LocalTeacher("someone/teacher")
    assert teacher.identity == f"someone/teacher@{FIRST}"
    fetch("teacher", SECOND, "pico-teacher")
    said, student, moved = (LocalTeacher(name).complete([REQUEST]) for name in ("someone/teacher", "pico-student", "pico-teacher"))
    assert teacher.complete([REQUEST]) == said == student != moved
    find_commit.cache_clear()
    assert LocalTeacher("someone/teacher").identity == f"someone/teacher@{SECOND}", "the next process opens what the branch holds then"


def test_a_branch_or_tag_is_resolved_and_a_commit_is_itself(fetch: Fetch) -> None:
    fetch("tagged", SECOND, "pico-teacher")
    fetch("tagged", FIRST, "pico-student", "v1")
    assert LocalTeacher("someone/tagged", "v1").identity == LocalTeacher("someone/tagged", FIRST).identity == f"someone/tagged@{FIRST}"
    assert LocalTeacher("someone/tagged", "v1").complete([REQUEST]) == LocalTeacher("pico-student").complete([REQUEST])
    assert model_revision("someone/never-fetched", FIRST) == FIRST, "nobody is asked what a commit is"


def test_a_reward_model_is_named_alike_opened_or_not(fetch: Fetch, tmp_path: Path) -> None:
    fetch("reward", FIRST, "pico-reward", "v1")
    spec = RewardSpec(model="someone/reward", revision="v1")
    assert name_reward_model(spec) == f"someone/reward@{FIRST}"
    fetch("reward", SECOND, "pico-teacher", "v2")
    (tmp_path / "models--someone--reward" / "refs" / "v1").write_text(SECOND)
    assert open_reward_model(spec, tmp_path / "ledger").identity == f"someone/reward@{FIRST}", "and the other is no reward model"


def test_bases_are_told_apart_by_name_and_by_commit(fetch: Fetch) -> None:
    for name, commit in (("one", FIRST), ("other", FIRST)):
        fetch(name, commit, "pico-student")
        assert identify_model(f"someone/{name}") == f"someone/{name}@{commit}"


def test_the_hub_is_asked_once_for_a_model_also_where_it_does_not_answer(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import hf_hub_download

    asked: list[str] = []
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda model, *rest, **how: asked.append(model) or hf_hub_download(model, *rest, **how)
    )
    fetch("once", FIRST, "pico-student")
    for _ in range(2):
        LocalTeacher("someone/once").complete([REQUEST])
        lost = LocalTeacher("someone/lost")
        assert lost.identity == "someone/lost@main"
        with pytest.raises(FactoryError, match=r"no commit of its revision main can be had.* download the model elsewhere"):
            lost.complete([REQUEST])
        with pytest.raises(OSError, match="no commit of its revision v1"):
            pin_revision("someone/lost", "v1")
    assert asked == ["someone/once", "someone/lost", "someone/lost"]
