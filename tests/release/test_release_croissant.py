"""The Croissant description of a release is valid by the reference library, and its records can be read through it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlcroissant
import polars as pl
import pytest
from conftest import publish
from made_up_line import MadeUpLine, make_line

from factory.records import GROUPS, RATINGS, TURNS
from factory.release.croissant import CONFORMS_TO
from factory.release.manifest import verify_release
from factory.release.writer import Release


@pytest.fixture(scope="module")
def described(release: Release) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(str(release.folder / "croissant.json"))


def unpack(value: Any, field: str) -> Any:
    """A value as mlcroissant reads it, as polars would: text for bytes, parts by their own names."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [unpack(each, field) for each in value]
    if isinstance(value, dict):
        return {name.removeprefix(f"{field}/"): unpack(part, name) for name, part in value.items()}
    return value


def read(dataset: mlcroissant.Dataset, record_set: str) -> list[dict[str, Any]]:
    return [unpack(record, record_set) for record in dataset.records(record_set)]


def test_the_reference_library_finds_no_error_and_misses_only_what_a_release_does_not_know(described: mlcroissant.Dataset) -> None:
    issues = described.metadata.ctx.issues
    assert issues.errors == set()
    assert {text.split('"')[1].rsplit("/", 1)[-1] for text in map(str, issues.warnings)} == {"citeAs", "datePublished"}


def test_it_tells_who_made_what_and_under_which_licence(described: mlcroissant.Dataset, release: Release, made_up: MadeUpLine) -> None:
    metadata = described.metadata
    document = json.loads((release.folder / "croissant.json").read_text())
    assert metadata.name == "pico" and metadata.description == made_up.line.description
    assert metadata.version == f"0.0.0+{release.version}"
    assert set(metadata.license) == {"https://spdx.org/licenses/Apache-2.0.html", "https://spdx.org/licenses/CC-BY-4.0.html"}
    assert set(metadata.in_language) == {"en", "id"}
    assert document["conformsTo"] == list(CONFORMS_TO)
    assert document["rai:hasSyntheticData"] is True
    assert document["prov:wasAttributedTo"]["prov:label"] == "pico-teacher@3f2a91c07be4"
    assert any("Every record is synthetic" in limit for limit in metadata.data_limitations)
    assert any(text.startswith("personal_data_rate: 0, at most 0.001 allowed") for text in metadata.personal_sensitive_information)
    assert "verifier arithmetic" in metadata.machine_annotation_tools


def test_its_checksums_and_sizes_are_those_of_the_manifest_which_has_its_own(release: Release) -> None:
    document = json.loads((release.folder / "croissant.json").read_text())
    files = verify_release(release.folder).files
    assert "croissant.json" in files
    for told in document["distribution"]:
        published = files[told["contentUrl"]]
        assert (told["sha256"], told["contentSize"]) == (published.sha256, f"{published.bytes} B")


def test_every_column_of_every_record_is_read_as_it_was_written(described: mlcroissant.Dataset, release: Release) -> None:
    records = read(described, "records")
    written = pl.read_parquet(release.folder / "data.parquet")
    flat = [name for name, kind in written.schema.items() if not isinstance(kind, pl.Struct) and not _holds_structs(kind)]
    assert len(records) == written.height
    assert records[0].keys() == set(written.columns)
    for record, row in zip(records, written.iter_rows(named=True), strict=True):
        assert {name: record[name] for name in flat} == {name: row[name] for name in flat}
        assert record["usage"] == row["usage"]


def test_a_dialogue_and_its_attributes_are_read_part_by_part(tmp_path: Path) -> None:
    made = make_line(6, leaves=2)
    turns = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}]
    groups = [{"name": "region", "value": "Jawa"}]
    ratings = dict.fromkeys(("helpfulness", "correctness", "coherence", "complexity", "verbosity"), 0.5)
    count = made.verdicts.height
    columns = [("turns", turns, TURNS), ("groups", groups, GROUPS), ("attributes", ratings, RATINGS)]
    verdicts = made.verdicts.with_columns(pl.Series(name, [value] * count, dtype=kind) for name, value, kind in columns)
    folder = publish(tmp_path, replace(made, verdicts=verdicts)).folder
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    for record in read(dataset, "records"):
        assert (record["turns"], record["groups"], record["attributes"]) == (turns, groups, ratings)
    lines = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    assert read(dataset, "chat") == lines


def test_an_expression_and_an_unlisted_licence_stand_as_they_are(tmp_path: Path) -> None:
    made = make_line(6, leaves=3)
    licences = ["MIT OR Apache-2.0", "LicenseRef-house", None]
    texts = pl.Series([licences[place % 3] for place in range(made.verdicts.height)])
    folder = publish(tmp_path, replace(made, verdicts=made.verdicts.with_columns(licence=texts))).folder
    assert set(json.loads((folder / "croissant.json").read_text())["license"]) == {"MIT OR Apache-2.0", "LicenseRef-house", "unknown"}
    assert not mlcroissant.Dataset(str(folder / "croissant.json")).metadata.ctx.issues.errors


def _holds_structs(kind: Any) -> bool:
    return isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)
