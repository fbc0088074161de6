"""The frame store: frames come back as they went in, whole or not at all, from a folder or an object store."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from factory.faults import FactoryError
from factory.records import digest_frame
from resources.lock import LineLock
from resources.store import FrameStore, Stamp

KEY = dg.AssetKey(["demo", "candidates"])
LEAVES = dg.DynamicPartitionsDefinition(name="demo_leaves")


def open_store(root: str) -> FrameStore:
    return FrameStore(root=root, lock=LineLock(home="unused"))


def rows(leaf: str, count: int) -> pl.DataFrame:
    return pl.DataFrame({"leaf": [leaf] * count, "tags": [["é", "b"]] * count, "n": list(range(count))})


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FrameStore:
    return open_store(str(tmp_path / "frames") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_a_frame_comes_back_with_its_stamp(store: FrameStore) -> None:
    assert store.lines() == []
    stamp = Stamp("f1", digest_frame(rows("a/b", 2)), {"seconds": 1.5, "where": "é"})
    store.write(KEY, "a/b", rows("a/b", 2), stamp)
    frame = store.read(KEY, "a/b")
    assert frame is not None
    assert_frame_equal(frame, rows("a/b", 2))
    assert store.stamp(KEY, "a/b") == stamp
    assert store.read(KEY, "a/c") is None and store.stamp(KEY, "a/c") is None
    assert store.lines() == ["demo"]


def test_leaves_are_read_as_one_frame_in_order_and_missing_ones_left_out(store: FrameStore) -> None:
    for leaf in ("b/z", "a/y"):
        store.write(KEY, leaf, rows(leaf, 1), Stamp("f", ""))
    frame = store.read_leaves(KEY, ["c/x", "b/z", "a/y"])
    assert frame is not None and frame["leaf"].to_list() == ["a/y", "b/z"]
    assert store.read_leaves(KEY, ["c/x"]) is None


def test_a_leaf_that_was_stored_before_a_column_was_there_is_read_with_the_others(store: FrameStore) -> None:
    store.write(KEY, "a/y", rows("a/y", 1), Stamp("f", ""))
    store.write(KEY, "b/z", rows("b/z", 1).with_columns(note=pl.lit("new")), Stamp("f", ""))
    frame = store.read_leaves(KEY, ["a/y", "b/z"])
    assert frame is not None and frame["note"].to_list() == [None, "new"]


def test_a_damaged_frame_has_no_stamp(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write(KEY, None, rows("a", 3), Stamp("f", ""))
    file = tmp_path / "demo" / "candidates.parquet"
    whole = file.read_bytes()
    for damaged in (b"", whole[:40], whole[:-20], b"no parquet at all"):
        file.write_bytes(damaged)
        assert store.stamp(KEY, None) is None
    pl.DataFrame({"n": [1]}).write_parquet(file)
    assert store.stamp(KEY, None) is None, "a Parquet file of somebody else"


def test_a_write_that_fails_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path))
    store.write(KEY, None, rows("a", 1), Stamp("old", ""))

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(FactoryError, match=r"demo/candidates.*No space left on device"):
        store.write(KEY, None, rows("a", 9), Stamp("new", ""))
    stamp = store.stamp(KEY, None)
    assert stamp is not None and stamp.fingerprint == "old"
    assert [file.name for file in (tmp_path / "demo").iterdir()] == ["candidates.parquet"]


def test_an_asset_of_leaves_may_return_one_frame(tmp_path: Path) -> None:
    """The IO manager splits it over the run's leaves; what reads the whole line gets every leaf that there is."""
    seen: dict[str, list[str]] = {}

    @dg.asset(key=KEY, partitions_def=LEAVES, backfill_policy=dg.BackfillPolicy.single_run())
    def candidates(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.concat([rows(leaf, 2) for leaf in context.partition_keys if leaf != "c"])

    @dg.asset(ins={"candidates": dg.AssetIn(KEY)})
    def whole(candidates: pl.DataFrame) -> None:
        seen["whole"] = candidates["leaf"].to_list()

    resources = {"io_manager": FrameStore(root=str(tmp_path), lock=LineLock(home=str(tmp_path)))}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("demo_leaves", ["c", "b", "a", "never_run"])
        tags = {"dagster/asset_partition_range_start": "c", "dagster/asset_partition_range_end": "a"}
        result = dg.materialize([candidates, whole], instance=instance, resources=resources, tags=tags)
    assert result.success
    assert seen["whole"] == ["a", "a", "b", "b"]
    empty = open_store(str(tmp_path)).read(KEY, "c")
    assert empty is not None and empty.is_empty() and empty.columns == ["leaf", "tags", "n"]


def test_reading_what_was_never_made_says_what_to_do(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    with pytest.raises(FactoryError, match=r"no frame of demo/candidates yet: run that asset first"):
        store.load_input(dg.build_input_context(asset_key=KEY))
