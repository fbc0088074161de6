"""What has not changed is never made again; what has changed is made alone; a broken leaf harms no other."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from plant import ADDITION, COUNT, LEAVES, SORT, THANKS, Plant

from assets.run import group_neighbours
from factory.faults import FactoryError
from factory.generation.local_teacher import LocalTeacher
from factory.release.manifest import find_releases, verify_release
from resources.home import open_instance

LIGHT = """
import sys
from assets.cli import main
try:
    main()
finally:
    print("loaded:", sorted({"torch", "transformers", "trl"} & set(sys.modules)))
"""


def snapshot(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in sorted(folder.rglob("*")) if file.is_file()}


def written(before: dict[str, tuple[int, bytes]], after: dict[str, tuple[int, bytes]]) -> list[str]:
    """The leaves whose stored frame is new or was written again."""
    return [leaf for leaf in after if after[leaf] != before.get(leaf)]


def partitions(plant: Plant) -> list[str]:
    with open_instance(plant.home) as instance:
        return sorted(instance.get_dynamic_partitions("tiny_leaves"))


def forbid_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(LocalTeacher, "complete", refuse)


def test_a_new_leaf_is_made_alone_and_a_second_run_makes_nothing_and_loads_no_model(copied: Plant) -> None:
    before = copied.stored("candidates")
    copied.add_leaf(COUNT)
    copied.run()
    assert written(before, copied.stored("candidates")) == [COUNT]
    assert written(before, copied.stored("scored")) and partitions(copied) == sorted([*LEAVES, COUNT])
    assert set(copied.frame("accepted")["leaf"]) | set(copied.frame("rejected")["leaf"]) == {*LEAVES, COUNT}
    found = find_releases(copied.home.releases)
    assert len(found) == 2 and [verify_release(folder).version for folder in found] == [folder.name for folder in found]
    with open_instance(copied.home) as instance:
        records = instance.fetch_materializations(dg.AssetKey(["tiny", "candidates"]), limit=4).records
    pages = {record.partition_key: record.event_log_entry.asset_materialization for record in records}
    assert {leaf: page.metadata["reused"].value for leaf, page in pages.items() if page} == dict.fromkeys(LEAVES, True) | {COUNT: False}

    frames, releases, models = (
        snapshot(folder) for folder in (Path(copied.home.frames), copied.home.releases, copied.home.root / "models")
    )
    ended = copied.process("run", "tiny", code=LIGHT)
    assert ended.returncode == 0, ended.stderr
    assert "loaded: []" in ended.stdout
    assert snapshot(copied.home.releases) == releases
    assert snapshot(copied.home.root / "models") == models
    assert {name for name, time in snapshot(Path(copied.home.frames)).items() if frames.get(name) != time} <= {"tiny/champion.parquet"}
    lines = [line for line in ended.stdout.splitlines() if line.startswith(("seed_", "candidates", "scored", "fidelity", "student_"))]
    assert len(lines) == 6 and all("as before" in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new"),
    [("answer: 47 + 85 = 132", "answer: 85 + 47 = 132"), ("question: What is 47 + 85?", "question: Calculate 47 + 85.")],
    ids=["answer", "question"],
)
def test_a_changed_example_remakes_its_leaf_alone(copied: Plant, old: str, new: str) -> None:
    qna = copied.qna(ADDITION)
    text = qna.read_text()
    assert old in text
    qna.write_text(text.replace(old, new, 1))
    before, scored = copied.stored("candidates"), copied.stored("scored")
    copied.run(*LEAVES)
    assert written(before, copied.stored("candidates")) == [ADDITION]
    assert written(scored, copied.stored("scored")) == [ADDITION]


def test_a_comment_in_a_leaf_asks_no_teacher(copied: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_asking(monkeypatch)
    qna = copied.qna(ADDITION)
    qna.write_text("# looked through\n" + qna.read_text())
    before = copied.stored("candidates")
    copied.run(*LEAVES)
    assert written(before, copied.stored("candidates")) == []


def test_refresh_makes_frames_anew_from_the_ledger(copied: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_asking(monkeypatch)
    before = copied.stored("candidates")
    content = copied.frame("candidates")
    copied.run(*LEAVES, refresh=True)
    assert written(before, copied.stored("candidates")) == LEAVES
    assert copied.frame("candidates").equals(content)


def test_a_lost_frame_is_made_again_to_the_same_bytes(copied: Plant) -> None:
    content = copied.frame("candidates")
    file = Path(copied.home.frames) / "tiny" / "candidates" / f"{SORT}.parquet"
    file.write_bytes(file.read_bytes()[:200])
    (Path(copied.home.frames) / "tiny" / "candidates" / f"{ADDITION}.parquet").unlink()
    copied.run(*LEAVES)
    assert copied.frame("candidates").equals(content)


def test_a_broken_leaf_is_named_and_left_out_until_it_is_mended(copied: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    qna = copied.qna(SORT)
    sound = qna.read_text()
    lines = sound.splitlines()
    broken = next(number for number, line in enumerate(lines, 1) if line.startswith("  - question"))
    qna.write_text("\n".join([*lines[: broken - 1], "\t" + lines[broken - 1], *lines[broken:]]))
    before = copied.stored("candidates")
    ended = copied.run(ADDITION, THANKS)
    assert [fault for fault in ended.survey.faults if f"{SORT}/qna.yaml:{broken}" in str(fault)], ended.survey.faults
    assert partitions(copied) == sorted([ADDITION, THANKS])
    assert set(copied.frame("accepted")["leaf"]) | set(copied.frame("rejected")["leaf"]) == {ADDITION, THANKS}
    with pytest.raises(FactoryError, match=f"Leaf {SORT} is left out: .*:{broken}"):
        copied.run(SORT)
    forbid_asking(monkeypatch)
    qna.write_text(sound)
    copied.run(*LEAVES)
    assert partitions(copied) == LEAVES
    assert written(before, copied.stored("candidates")) == []


def test_a_line_without_a_sound_leaf_says_why(copied: Plant) -> None:
    for leaf in LEAVES:
        copied.qna(leaf).write_text("seed_examples: 3\n")
    with pytest.raises(FactoryError, match="No leaf can be made") as raised:
        copied.run()
    assert all(f"{leaf}/qna.yaml" in str(raised.value) for leaf in LEAVES)


def test_one_leaf_alone_is_made_up_to_the_verdict(fresh: Plant) -> None:
    ended = fresh.run(ADDITION)
    assert len(ended.run_ids) == 2
    assert list(fresh.stored("candidates")) == [ADDITION]
    assert set(fresh.frame("accepted")["leaf"]) == {ADDITION}
    assert fresh.shelf().frame("gates") is None
    with pytest.raises(FactoryError, match=f"There is no leaf '{ADDITION}s'. Did you mean '{ADDITION}'"):
        fresh.run(f"{ADDITION}s")


def test_leaves_that_stand_side_by_side_are_one_run() -> None:
    assert group_neighbours(list("abcdef"), ["a", "b", "d", "f"]) == [["a", "b"], ["d"], ["f"]]
    assert group_neighbours(list("abc"), ["a", "b", "c"]) == [["a", "b", "c"]]
