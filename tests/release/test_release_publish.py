"""A release is whole or absent, the same for the same work, and never changes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import publish
from made_up_line import MODELS, MadeUpLine, gate, make_line

from factory.faults import FactoryError
from factory.mixing_spec import MixingSpec
from factory.model_spec import ServerSpec, TeacherSpec
from factory.records import METRIC, VERDICT
from factory.release.contents import arrange_contents
from factory.release.manifest import find_releases, read_manifest, verify_release
from factory.release.writer import Release, chat_line
from factory.validation.measured import MEASURED, digest_records

HERE = Path(__file__).parent


def read_files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def small_line(**changes: Any) -> MadeUpLine:
    return replace(make_line(6, leaves=3), **changes)


def with_gates(*rows: dict[str, object]) -> MadeUpLine:
    return small_line(gates=pl.DataFrame(list(rows), schema=METRIC))


def version_of(line: MadeUpLine, **models: str) -> str:
    frames = (line.accepted, line.seeds, line.funnel, line.gates, line.verdicts)
    return arrange_contents(line.line, *frames, MODELS | models).version


def in_other_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])} | environment
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings, cwd=HERE, check=False)


def test_a_release_holds_every_promised_file(release: Release, made_up: MadeUpLine) -> None:
    files = read_files(release.folder)
    plots = {f"plots/{name}.png" for name in ("funnel", "reasons", "leaves", "lengths", "goodness")}
    tables = {"data.parquet", "data.jsonl", "gates.json", "funnel.json"}
    assert files.keys() == plots | tables | {"README.md", "card.html", "croissant.json", "manifest.json"}
    assert release.folder.name == release.version
    assert release.version.startswith("v-") and len(release.version) == 14
    assert release.records == made_up.accepted.height
    assert release.tokens == made_up.accepted["completion_tokens"].sum()
    assert pl.read_json(release.folder / "funnel.json").height == 19


def test_the_parquet_holds_every_accepted_record_with_its_lineage(release: Release, made_up: MadeUpLine) -> None:
    records = pl.read_parquet(release.folder / "data.parquet")
    assert records.schema == pl.Schema(VERDICT)
    assert records.equals(made_up.accepted.sort("leaf", "record_id"))


def test_a_line_of_the_jsonl_is_one_exchange_with_the_context_before_the_instruction(release: Release, made_up: MadeUpLine) -> None:
    lines = [json.loads(line) for line in (release.folder / "data.jsonl").read_text().splitlines()]
    rows = {row["record_id"]: row for row in made_up.accepted.iter_rows(named=True)}
    assert len(lines) == len(rows)
    assert {row["context"] is None for row in rows.values()} == {True, False}
    for line in lines:
        row = rows[line["record_id"]]
        asked = f"{row['context']}\n\n{row['instruction']}" if row["context"] else row["instruction"]
        assert line["messages"] == [{"role": "user", "content": asked}, {"role": "assistant", "content": row["response"]}]
        assert line["leaf"] == row["leaf"]


def test_a_dialogue_is_one_line_with_all_its_turns() -> None:
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(2) for role in ("user", "assistant")]
    row = {"turns": turns, "context": "A text.", "instruction": "user 0", "response": "assistant 1", "record_id": "r", "leaf": "l"}
    messages = chat_line(row)["messages"]
    assert messages == [{"role": "user", "content": "A text.\n\nuser 0"}, *turns[1:]]
    assert chat_line(row | {"context": None})["messages"] == turns


def test_two_runs_from_scratch_give_the_same_bytes(release: Release, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from dataclasses import replace
from conftest import publish
from made_up_line import make_line
line = make_line()
shuffled = [frame.sample(fraction=1, shuffle=True, seed=3) for frame in (line.verdicts, line.seeds, line.funnel, line.gates)]
line = replace(line, **dict(zip(("verdicts", "seeds", "funnel", "gates"), shuffled)))
spec = line.line.seeds.model_copy(update={{"taxonomy": Path("/another/machine/taxonomy")}})
publish(Path({str(tmp_path)!r}), replace(line, line=line.line.model_copy(update={{"seeds": spec}})))
"""
    done = in_other_process(code, PYTHONHASHSEED="77", POLARS_MAX_THREADS="1", TZ="Asia/Jakarta")
    assert done.returncode == 0, done.stderr
    assert read_files(tmp_path / "pico" / release.version) == read_files(release.folder)


def test_the_manifest_counts_what_is_released(release: Release, made_up: MadeUpLine) -> None:
    manifest = verify_release(release.folder)
    accepted = made_up.accepted
    assert manifest.digest == release.digest
    assert manifest.leaves == dict(accepted.group_by("leaf").len().sort("leaf").iter_rows())
    assert manifest.languages == {"en": accepted.filter(language="en").height, "id": accepted.filter(language="id").height}
    assert sum(manifest.kinds.values()) == sum(manifest.licences.values()) == accepted.height
    assert manifest.depths == {"1": accepted.height}
    assert manifest.seeds.examples + manifest.seeds.holdout == made_up.seeds.height
    assert [item.gate for item in manifest.gates if not item.passed] == ["collapse.self_bleu"]
    assert all(item.waived_by for item in manifest.gates if not item.passed)
    assert "taxonomy" not in manifest.settings["seeds"]


def test_a_release_tells_no_address_and_no_path_of_its_teachers() -> None:
    server = ServerSpec(base_url="http://inside.example:8000/v1", key_variable="INSIDE_KEY")
    sections = {
        "teacher": TeacherSpec(model="granite", server=server),
        "teachers": (TeacherSpec(model="/mnt/models/mine", adapter="/mnt/models/lora"),),
        "judge": TeacherSpec(model="org/judge", server=server),
    }
    made = small_line()
    reward = made.line.reward.model_copy(update={"model": "nemotron", "server": server})
    spec = made.line.model_copy(update={"generation": made.line.generation.model_copy(update=sections), "reward": reward})
    settings = arrange_contents(spec, made.accepted, made.seeds, made.funnel, made.gates, made.verdicts, MODELS).settings
    assert not [part for part in ("inside.example", "INSIDE_KEY", "/mnt") if part in json.dumps(settings)]
    assert settings["reward"]["served"] is True
    told = settings["generation"]
    assert (told["teacher"]["model"], told["teacher"]["served"]) == (MODELS["teacher"], True)
    assert (told["teachers"][0]["model"], told["teachers"][0]["adapter"], told["teachers"][0]["served"]) == ("mine", "lora", False)
    assert (told["judge"]["model"], told["judge"]["served"]) == ("org/judge", True)


def test_what_the_files_show_moves_the_version_and_a_moved_line_in_the_taxonomy_does_not() -> None:
    line = small_line()
    commented = replace(line, seeds=line.seeds.with_columns(source=pl.lit("elsewhere.yaml:99")))
    other_refused = replace(line, verdicts=line.verdicts.with_columns(pl.col("reason").replace("duplicate", "near_duplicate")))
    other_seed = replace(line, line=line.line.model_copy(update={"seed": 5}))
    assert version_of(commented) == version_of(line)
    assert len({version_of(changed) for changed in (line, other_refused, other_seed)}) == 3
    assert version_of(line, teacher="pico-teacher@another") != version_of(line)


def test_a_version_does_not_follow_from_what_its_students_read_beside_it() -> None:
    def mixed(**mixing: Any) -> str:
        line = small_line()
        return version_of(replace(line, line=line.line.model_copy(update={"mixing": MixingSpec(**mixing)})))

    assert mixed() == version_of(small_line()) == mixed(policy="accumulate", least_real_share=0.5)
    assert mixed(greatest_depth=2) != mixed()


def test_an_existing_version_is_returned_untouched(tmp_path: Path) -> None:
    line = small_line()
    first = publish(tmp_path, line)
    before = {file: file.stat().st_mtime_ns for file in first.folder.rglob("*")}
    assert publish(tmp_path, line) == first
    assert {file: file.stat().st_mtime_ns for file in first.folder.rglob("*")} == before


@pytest.mark.parametrize(
    "name", ["data.parquet", "data.jsonl", "card.html", "README.md", "gates.json", "plots/funnel.png", "manifest.json"]
)
def test_a_tampered_file_is_named(release: Release, made_up: MadeUpLine, tmp_path: Path, name: str) -> None:
    shutil.copytree(release.folder.parent, tmp_path / "pico")
    file = tmp_path / "pico" / release.version / name
    data = bytearray(file.read_bytes())
    place = data.index(b'"records": ') + 11 if name == "manifest.json" else len(data) // 2
    data[place] = ord("9") if name == "manifest.json" else data[place] ^ 1
    file.write_bytes(data)
    with pytest.raises(FactoryError, match=name):
        publish(tmp_path, made_up)
    with pytest.raises(FactoryError, match=name):
        verify_release(file.parent if "/" not in name else file.parent.parent)


def test_missing_and_foreign_files_are_named_all_at_once(release: Release, tmp_path: Path) -> None:
    folder = shutil.copytree(release.folder, tmp_path / release.version)
    (folder / "data.jsonl").unlink()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FactoryError, match=r"notes\.txt does not belong there; data\.jsonl is missing"):
        verify_release(folder)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"line": "pico", "version": 3}'])
def test_what_is_no_manifest_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FactoryError, match="is not a manifest of a release"):
        read_manifest(tmp_path)


def test_a_failed_gate_stops_the_release_and_is_told_with_its_numbers(tmp_path: Path) -> None:
    failed = gate("privacy", "verbatim_overlap", 0.081, 0.05, "max", "share")
    low = gate("collapse", "distinct_ratio", 0.4, 0.6, "min", "distinct-2")
    passed = gate("fidelity", "length_ks", 0.1, 0.3, "max", "KS")
    with pytest.raises(FactoryError) as caught:
        publish(tmp_path, with_gates(failed, low, passed))
    text = str(caught.value)
    assert "2 gates of 3 failed" in text
    assert "privacy.verbatim_overlap of the line: 0.081 [0.07776, 0.08424], must be at most 0.05" in text
    assert "collapse.distinct_ratio of the line: 0.4 [0.384, 0.416], must be at least 0.6" in text
    assert "length_ks" not in text
    assert find_releases(tmp_path) == []


def test_a_gate_that_was_not_measured_did_not_pass(tmp_path: Path) -> None:
    unmeasured = gate("fidelity", "length_ks", 0.1, 0.3, "max", "KS") | {"value": None, "passed": None, "low": None, "high": None}
    with pytest.raises(FactoryError, match="length_ks of the line: not measured"):
        publish(tmp_path, with_gates(unmeasured))


def test_a_waived_gate_lets_the_release_through_and_no_gate_at_all_does_not(tmp_path: Path) -> None:
    waived = gate("privacy", "verbatim_overlap", 0.081, 0.05, "max", "share") | {
        "waived_by": "Budi",
        "waiver_reason": "short",
        "waived_until": date(2100, 1, 1),
    }
    assert publish(tmp_path, with_gates(waived)).folder.is_dir()
    with pytest.raises(FactoryError, match="holds no gate"):
        publish(tmp_path, with_gates(gate("fairness", "share", 0.1, None, "info", "share")))


def test_a_gate_on_what_came_before_stops_a_release_too_and_stands_on_its_card(tmp_path: Path) -> None:
    drift = gate("collapse", "perplexity_drift", 3.0, 1.1, "max", "bigrams")
    with pytest.raises(FactoryError, match=r"collapse\.perplexity_drift of the line: 3 "):
        publish(tmp_path, with_gates(drift))
    waived = drift | {"waived_by": "Budi", "waiver_reason": "a new kind of text", "waived_until": date(2100, 1, 1)}
    folder = publish(tmp_path, with_gates(waived)).folder
    assert "a new kind of text" in (folder / "README.md").read_text()


def test_gates_that_were_measured_on_other_records_release_nothing(tmp_path: Path) -> None:
    line = small_line()
    told = [
        gate(report, MEASURED, float(line.accepted.height), None, "info", "ids", digest_records(records))
        for report, records in (("fidelity", line.accepted), ("privacy", line.accepted.head(3)))
    ]
    stale = replace(line, gates=pl.concat([line.gates, pl.DataFrame(told, schema=METRIC)]))
    with pytest.raises(FactoryError, match="the privacy report in the gate table measured other records than the"):
        publish(tmp_path, stale)
    sound = replace(line, gates=pl.concat([line.gates, pl.DataFrame(told[:1], schema=METRIC)]))
    folder = publish(tmp_path, sound).folder
    assert told[0]["subject"] in (folder / "gates.json").read_text() and told[0]["subject"] not in (folder / "README.md").read_text()


def test_records_that_cannot_be_released_are_refused(made_up: MadeUpLine, tmp_path: Path) -> None:
    line = small_line()
    cases = {
        "no record was accepted": line.verdicts.with_columns(verdict=pl.lit("rejected")),
        "have no instruction or no response": line.verdicts.with_columns(response=pl.lit(" ")),
        "share their id": pl.concat([line.verdicts, line.verdicts]),
        "lacks the columns goodness": line.verdicts.drop("goodness"),
    }
    for message, verdicts in cases.items():
        with pytest.raises(FactoryError, match=message):
            publish(tmp_path, replace(line, verdicts=verdicts))
    assert not (tmp_path / "pico").exists()


def test_a_full_disk_leaves_nothing_and_is_told_in_one_paragraph(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from conftest import publish
from factory.faults import FactoryError
from made_up_line import make_line
line = make_line()
for most_bytes in (500, 20_000, 60_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    try:
        publish(Path({str(tmp_path)!r}), line)
    except FactoryError as error:
        print(error)
"""
    done = in_other_process(code)
    assert done.returncode == 0, done.stderr
    told = done.stdout.strip().splitlines()
    assert len(told) == 3
    assert all("could not be written" in line and "free some space" in line for line in told)
    assert [file for file in tmp_path.rglob("*") if file.name != ".publish.lock"] == [tmp_path / "pico"]


def test_a_disk_that_fills_at_the_last_file_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.fsync, [11]

    def fill(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(FactoryError, match="No space left on device"):
        publish(tmp_path, small_line())
    assert [file.name for file in (tmp_path / "pico").iterdir() if file.name != ".publish.lock"] == []
    left[0] = 1000
    assert verify_release(publish(tmp_path, small_line()).folder)


def test_what_a_killed_run_left_is_no_release_and_is_cleared_away(tmp_path: Path) -> None:
    line = small_line()
    half = tmp_path / "pico" / ".v-000000000000.partial"
    half.mkdir(parents=True)
    (half / "manifest.json").write_text("{}")
    assert find_releases(tmp_path) == []
    published = publish(tmp_path, line)
    assert not half.exists()
    assert find_releases(tmp_path) == [published.folder]


def test_a_place_that_cannot_hold_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FactoryError, match="could not be written"):
        publish(tmp_path / "file", small_line())
