"""Quotas: a leaf is topped up in rounds of one plan, and stops with its reason where more would be waste."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from misbehaving_server import MisbehavingServer
from polars.testing import assert_frame_equal

from factory.generation.generate import LeafWriter, generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.models import Teacher
from factory.generation.quota import Review, Written, count_most, is_reviewed, write_in_rounds
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, empty

LEAF = "compositional_skills/words/reverse_words"
MakeFrame = Callable[..., pl.DataFrame]


def review_each(every: int) -> Callable[[pl.DataFrame], Review]:
    """Accepts each so-manyth candidate; 0 accepts none."""

    def review(frame: pl.DataFrame) -> Review:
        accepted = frame.height // every if every else 0
        return Review(
            accepted, {"asked": frame.height, "accepted": accepted}, "the verifier refused 9 of 10: write better", ("a", "b", "c")
        )

    return review


def write(
    spec: GenerationSpec, teacher: Teacher, seeds: pl.DataFrame, ledger: Path, review: Any, rounds: list[int] | None = None
) -> Written:
    with Ledger(ledger) as store:
        writer = LeafWriter(LEAF, seeds, empty(DOCUMENT), spec, [teacher], store, 7, most=count_most(spec))
        return write_in_rounds(writer, spec, review, None if rounds is None else lambda funnel: rounds.append(funnel["asked"]))


def serve(server: MisbehavingServer, **more: Any) -> tuple[GenerationSpec, Teacher]:
    served = {"model": "granite", "server": {"base_url": server.base_url, "in_flight": 8}}
    spec = GenerationSpec.model_validate({"teacher": served, "candidates_per_leaf": 10} | more)
    return spec, open_teacher(spec.teacher)


def test_a_leaf_is_topped_up_until_enough_are_accepted_and_a_second_run_asks_nothing(make_seeds: MakeFrame, tmp_path: Path) -> None:
    with MisbehavingServer() as server:
        spec, teacher = serve(server, accepted_per_leaf=9, yield_after=10)
        rounds: list[int] = []
        written = write(spec, teacher, make_seeds(), tmp_path / "ledger", review_each(3), rounds)
        assert written.stopped is None
        assert rounds[0] == 10 and rounds[-1] == written.frame.height and written.frame.height // 3 >= 9
        assert rounds == sorted(set(rounds)) and all(later <= 2 * earlier for earlier, later in pairwise(rounds))
        asked = len(server.asked)
        assert asked == 2 * written.frame.height
        again = write(spec, teacher, make_seeds(), tmp_path / "ledger", review_each(3))
        assert_frame_equal(again.frame, written.frame)
        assert len(server.asked) == asked
        at_once = spec.model_copy(update={"candidates_per_leaf": written.frame.height})
        with Ledger(tmp_path / "other") as store:
            assert_frame_equal(generate_candidates(LEAF, make_seeds(), empty(DOCUMENT), at_once, [teacher], store, 7), written.frame)


def test_rounds_of_a_model_in_this_process_end_with_whole_windows(
    tiny_model: Path, make_seeds: MakeFrame, small_spec: GenerationSpec, tmp_path: Path
) -> None:
    teacher = LocalTeacher(str(tiny_model), batch_size=2)
    quota = GenerationSpec.model_validate(
        small_spec.model_dump()
        | {"candidates_per_leaf": 5, "accepted_per_leaf": 4, "yield_after": 5, "teacher": {"model": str(tiny_model)}}
    )
    rounds: list[int] = []
    written = write(quota, teacher, make_seeds(), tmp_path / "ledger", review_each(5), rounds)
    assert rounds == [8, 16, 24], "a window is 8 candidates"
    plain = quota.model_copy(update={"accepted_per_leaf": None})
    assert [is_reviewed(plain.model_copy(update={"candidates_per_leaf": count}), [teacher]) for count in (8, 9)] == [False, True]
    at_once = quota.model_copy(update={"candidates_per_leaf": 24})
    with Ledger(tmp_path / "other") as store:
        whole = generate_candidates(LEAF, make_seeds(), empty(DOCUMENT), at_once, [teacher], store, 7)
    assert written.frame.write_ndjson() == whole.write_ndjson()


@pytest.mark.parametrize(
    ("quota", "every", "height", "why"),
    [
        ({"accepted_per_leaf": 50, "yield_after": 20, "min_yield": 0.2}, 10, 20, "yield of 10.0% is below generation.min_yield, 20.0%"),
        ({"accepted_per_leaf": 50, "yield_after": 90, "most_candidates_per_leaf": 35}, 10, 35, "most_candidates_per_leaf, 35, is reached"),
        ({"candidates_per_leaf": 60, "yield_after": 25}, 0, 25, "nothing of the first 25 candidates got through, so the other 35"),
    ],
    ids=["yield", "most", "nothing"],
)  # fmt: skip
def test_a_leaf_stops_with_its_reason_the_filter_and_samples(
    make_seeds: MakeFrame, tmp_path: Path, quota: dict[str, Any], every: int, height: int, why: str
) -> None:
    with MisbehavingServer() as server:
        spec, teacher = serve(server, **quota)
        written = write(spec, teacher, make_seeds(), tmp_path / "ledger", review_each(every))
        assert written.frame.height == height and len(server.asked) == 2 * height
    assert written.stopped is not None and why in written.stopped
    assert "the verifier refused 9 of 10: write better. For example:\n  a\n  b\n  c" in written.stopped


def test_without_a_quota_everything_is_asked_where_anything_gets_through(make_seeds: MakeFrame, tmp_path: Path) -> None:
    with MisbehavingServer() as server:
        spec, teacher = serve(server, candidates_per_leaf=60, yield_after=25)
        written = write(spec, teacher, make_seeds(), tmp_path / "ledger", review_each(25))
        assert (written.frame.height, written.stopped) == (60, None)
        spec, teacher = serve(server, candidates_per_leaf=20, yield_after=25)

        def never(frame: pl.DataFrame) -> Review:
            raise AssertionError("few candidates are not reviewed")

        assert write(spec, teacher, make_seeds(), tmp_path / "ledger", never).frame.height == 20
