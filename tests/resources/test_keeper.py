"""The keeper: the same fingerprint gives back the stored frame, anything else makes it anew."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from resources.keeper import Keeper, Kept, Made, digest_room, take_fingerprint
from resources.lock import LineLock
from resources.progress import Progress
from resources.store import FrameStore

KEY = dg.AssetKey(["demo", "gates"])


class Bench:
    """A keeper, and how often it had something made."""

    def __init__(self, root: Path) -> None:
        self.made = 0
        self.keeper = Keeper(store=FrameStore(root=str(root), lock=LineLock(home=str(root))), progress=Progress())

    def keep(self, fingerprint: str, *, refresh: bool = False, sound: bool = True) -> Kept:
        def make() -> Made:
            self.made += 1
            return Made(pl.DataFrame({"n": [self.made]}), {"run": self.made})

        return self.keeper.keep(KEY, None, fingerprint, make, refresh=refresh, sound=lambda frame: sound)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_has_not_changed_is_not_made_again(bench: Bench) -> None:
    first, second = bench.keep("f"), bench.keep("f")
    assert (first.reused, second.reused, bench.made) == (False, True, 1)
    assert second.frame.equals(first.frame)
    assert (second.facts, second.fingerprint, second.seconds) == (first.facts, "f", first.seconds)


def test_another_fingerprint_a_refresh_and_an_unsound_frame_are_made_anew(bench: Bench) -> None:
    bench.keep("f")
    assert not bench.keep("g").reused
    assert not bench.keep("g", refresh=True).reused
    assert not bench.keep("g", sound=False).reused
    assert bench.keep("g").reused
    assert bench.made == 4


def test_a_frame_that_was_tampered_with_is_made_anew(bench: Bench) -> None:
    bench.keep("f")
    stamp = bench.keeper.store.stamp(KEY, None)
    assert stamp is not None
    bench.keeper.store.write(KEY, None, pl.DataFrame({"n": [99]}), stamp)
    assert bench.keep("f").frame["n"].to_list() == [2]


def test_facts_are_added_to_a_stored_frame(bench: Bench) -> None:
    first = bench.keep("f")
    assert bench.keeper.annotate(KEY, first, {"mlflow_version": "3"}).facts == {"run": 1, "mlflow_version": "3"}
    again = bench.keep("f")
    assert again.reused and again.facts == {"run": 1, "mlflow_version": "3"} and again.seconds == first.seconds
    assert bench.keeper.facts(KEY)["mlflow_version"] == "3"


def test_a_fingerprint_follows_settings_inputs_and_source() -> None:
    frame, other = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})
    prints = [
        take_fingerprint(["seeds"], {"x": 1}, [frame]),
        take_fingerprint(["seeds"], {"x": 2}, [frame]),
        take_fingerprint(["seeds"], {"x": 1}, [other]),
        take_fingerprint(["reward"], {"x": 1}, [frame]),
        take_fingerprint(["seeds"], {"x": 1}, [frame, frame]),
    ]
    assert len(set(prints)) == len(prints)
    assert take_fingerprint(["seeds"], {"x": 1}, [frame.clone()]) == prints[0]


def test_the_digest_of_a_room_follows_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.keeper.ENGINE", tmp_path)
    (tmp_path / "room" / "flows").mkdir(parents=True)
    for name, text in {"records.py": "", "room/a.py": "1", "room/flows/f.yaml": "x: 1", "room/notes.txt": "no"}.items():
        (tmp_path / name).write_text(text)
    digests = []
    for name, text in (("room/notes.txt", "other"), ("room/flows/f.yaml", "x: 2"), ("room/a.py", "2"), ("records.py", "#")):
        digest_room.cache_clear()
        digests.append(digest_room("room"))
        (tmp_path / name).write_text(text)
    digest_room.cache_clear()
    digests.append(digest_room("room"))
    digest_room.cache_clear()
    assert digests[0] == digests[1], "a file that is no source does not count"
    assert len(set(digests[1:])) == 4
