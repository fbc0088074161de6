"""A line's releases in their order, how its measures move over them, and that no release depends on what came before it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from conftest import publish
from made_up_line import MadeUpLine, gate, make_line

from factory.faults import FactoryError
from factory.records import METRIC
from factory.release.history import HISTORY_FILE, find_previous, list_earlier, list_history
from factory.release.manifest import verify_release
from factory.release.trend import TREND_FILE, add_present, plot_trend, read_trend


def with_measures(line: MadeUpLine, pairs: float, drift: float | None) -> MadeUpLine:
    """The line with a gate on distinct pairs and, compared with what came before, a drift."""
    rows = [gate("collapse", "distinct_pairs", pairs, 0.5, "min", "distinct-2")]
    rows += [gate("collapse", "perplexity_drift", drift, None, "info", "bigrams")] if drift is not None else []
    return replace(line, gates=pl.concat([line.gates, pl.DataFrame(rows, schema=METRIC)]))


@pytest.fixture(scope="module")
def lines() -> list[MadeUpLine]:
    return [make_line(6, leaves=3, seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def shelf(lines: list[MadeUpLine], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three lines released one after the other. Never to be changed."""
    root = tmp_path_factory.mktemp("shelf")
    for line, values in zip(lines, ((0.9, None), (0.8, 0.97), (0.7, 0.91)), strict=True):
        publish(root, with_measures(line, *values))
    return root


@pytest.fixture
def three(shelf: Path, tmp_path: Path) -> list[Path]:
    """Folders of the three releases in a copy that a test may change, the oldest first."""
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    return [tmp_path / "pico" / entry.version for entry in list_history(shelf, "pico")]


def test_three_releases_stand_in_their_order_with_their_measures(three: list[Path], tmp_path: Path) -> None:
    points = read_trend(tmp_path, "pico")
    assert [(point.step, point.version) for point in points] == list(enumerate([folder.name for folder in three], 1))
    assert [point.values["collapse.distinct_pairs"] for point in points] == [0.9, 0.8, 0.7]
    assert [point.values.get("collapse.perplexity_drift") for point in points] == [None, 0.97, 0.91]
    assert [point.version for point in read_trend(tmp_path, "pico", last=2)] == [folder.name for folder in three[1:]]


def test_what_came_before_a_release_stays_what_it_was_when_the_same_is_released_again(
    three: list[Path], lines: list[MadeUpLine], tmp_path: Path
) -> None:
    first, second, third = three
    assert list_earlier(tmp_path, "pico", third.name) == [second, first]
    publish(tmp_path, with_measures(lines[2], 0.7, 0.91))
    assert list_earlier(tmp_path, "pico", third.name) == [second, first]
    publish(tmp_path, with_measures(lines[0], 0.9, None))
    assert list_earlier(tmp_path, "pico", first.name) == [third, second]
    shutil.rmtree(third)
    assert list_earlier(tmp_path, "pico", first.name) == [second]


def test_a_release_is_the_same_whether_it_is_the_first_or_the_third(three: list[Path], lines: list[MadeUpLine], tmp_path: Path) -> None:
    alone = publish(tmp_path / "alone", with_measures(lines[2], 0.7, None))
    assert (alone.version, alone.digest) == (three[2].name, verify_release(three[2]).digest)
    assert "perplexity_drift" not in "".join(file.read_text() for file in three[2].glob("*.*") if file.suffix != ".parquet")


def test_the_page_beside_the_releases_shows_all_of_them_and_their_cards(three: list[Path], tmp_path: Path) -> None:
    page = (tmp_path / "pico" / TREND_FILE).read_text()
    rows = [line for line in page.splitlines() if "<th scope" in line]
    told = {line.split(">")[2].split("<")[0]: line for line in rows}
    assert [value in told["collapse.distinct_pairs"] for value in ("0.9", "0.8", "0.7")] == [True, True, True]
    assert "0.91" in told["collapse.perplexity_drift"] and "–" in told["collapse.perplexity_drift"]
    assert all(f'href="{folder.name}/card.html"' in page and (folder / "card.html").is_file() for folder in three)
    assert "<svg" in page and "<script" not in page and "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_publishing_again_adds_nothing_and_going_back_is_a_step_of_its_own(
    three: list[Path], lines: list[MadeUpLine], tmp_path: Path
) -> None:
    for line, values in ((lines[2], (0.7, 0.91)), (lines[0], (0.9, None)), (lines[0], (0.9, None))):
        publish(tmp_path, with_measures(line, *values))
    assert [entry.version for entry in list_history(tmp_path, "pico")] == [folder.name for folder in (*three, three[0])]


def test_the_previous_release_is_the_newest_with_other_records(three: list[Path], lines: list[MadeUpLine], tmp_path: Path) -> None:
    def previous(line: MadeUpLine) -> str | None:
        folder = find_previous(tmp_path, "pico", line.accepted)
        return folder and folder.name

    assert previous(lines[2]) == three[1].name, "what is released again is compared as before"
    assert previous(make_line(6, leaves=3, seed=9)) == three[2].name
    assert find_previous(tmp_path, "another", lines[0].accepted) is None
    shutil.rmtree(three[1])
    assert previous(lines[2]) == three[0].name
    assert [(point.step, point.version) for point in read_trend(tmp_path, "pico")] == [(1, three[0].name), (3, three[2].name)]


def test_releases_from_before_there_was_a_history_come_first(three: list[Path], lines: list[MadeUpLine], tmp_path: Path) -> None:
    (tmp_path / "pico" / HISTORY_FILE).unlink()
    versions = [folder.name for folder in three]
    assert [entry.version for entry in list_history(tmp_path, "pico")] == versions
    last = publish(tmp_path, make_line(6, leaves=3, seed=9)).version
    entries = list_history(tmp_path, "pico")
    assert [entry.version for entry in entries] == [*versions, last]
    assert [entry.published is None for entry in entries] == [True, True, True, False]


def test_a_damaged_history_names_its_line_and_a_damaged_release_has_no_values(three: list[Path], tmp_path: Path) -> None:
    (three[0] / "gates.json").write_text("[{]")
    assert read_trend(tmp_path, "pico")[0].values == {}
    file = tmp_path / "pico" / HISTORY_FILE
    file.write_text(file.read_text() + '{"version": \n')
    with pytest.raises(FactoryError, match=f"{HISTORY_FILE}:4: .* Remove the file"):
        list_history(tmp_path, "pico")


def test_what_is_measured_now_is_a_point_until_it_is_released(three: list[Path], tmp_path: Path) -> None:
    points = read_trend(tmp_path, "pico")
    assert add_present(points, {"collapse.distinct_pairs": 0.7}) == points
    last = add_present(points, {"collapse.distinct_pairs": 0.6})[-1]
    assert (last.step, last.version, last.values) == (4, "now", {"collapse.distinct_pairs": 0.6})
    assert plot_trend(points).startswith(b"\x89PNG") and plot_trend(points) == plot_trend(points)
