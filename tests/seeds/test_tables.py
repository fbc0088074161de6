"""Rows of tables become examples of leaves, in every format and script; every fault of every row is named with its place."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError, InputFaults
from factory.seeds.mapping import Mapped, map_rows
from factory.seeds_spec import ExamplesSpec

ROWS = [
    {"q": "What is 2 + 2?", "a": "4", "level": "Easy sums", "lang": "en"},
    {"q": "كم عدد الأيام؟\u200f", "a": "سبعة", "level": "Arabic", "lang": "ar"},
    {"q": "一年有几个月？", "a": "十二个月，\n共十二。", "level": "Chinese/数", "lang": "zh"},
    {"q": 'Say "a, b"\u00a0!', "a": "e\u0301", "level": "Easy sums", "lang": "en"},
]
COLUMNS = {"question": "q", "answer": "a"}
LEAF = "foundational_skills/mixed"


def write_table(folder: Path, form: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes `rows`; gives the keys of an ExamplesSpec that read them."""
    file = folder / f"pairs.{form}"
    match form:
        case "jsonl" | "ndjson":
            file.write_text("".join(f"{json.dumps(row, ensure_ascii=number % 2 == 0)}\n" for number, row in enumerate(rows)))
        case "csv" | "tsv":
            with file.open("w", newline="", encoding="utf-8-sig") as opened:
                writer = csv.DictWriter(opened, list(rows[0]), delimiter="\t" if form == "tsv" else ",")
                writer.writeheader()
                writer.writerows(rows)
        case "parquet":
            pl.DataFrame(rows).write_parquet(file)
        case "saved dataset":
            datasets.Dataset.from_list(rows).save_to_disk(folder / "saved")
            return {"dataset": str(folder / "saved")}
        case "folder of files":
            (folder / "data").mkdir()
            pl.DataFrame(rows).write_parquet(folder / "data/train.parquet")
            return {"dataset": str(folder / "data")}
    return {"file": file}


def map_text(folder: Path, text: str | bytes, name: str = "pairs.jsonl", **spec: Any) -> Mapped:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return map_rows(ExamplesSpec.model_validate({"leaf": LEAF, "file": folder / name} | spec))


def told(mapped: Mapped) -> list[str]:
    return [str(fault) for faults in mapped.faults.values() for fault in faults]


@pytest.mark.parametrize("form", ["jsonl", "ndjson", "csv", "tsv", "parquet", "saved dataset", "folder of files"])
def test_every_format_gives_the_same_examples(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    spec = ExamplesSpec.model_validate({"leaf": LEAF, "columns": COLUMNS, "licence": "MIT"} | write_table(tmp_path, form, ROWS))
    mapped = map_rows(spec)
    assert told(mapped) == []
    examples = mapped.examples[LEAF]
    assert [(example.question, example.answer) for example in examples] == [(row["q"], row["a"]) for row in ROWS]
    assert {(example.context, example.licence) for example in examples} == {(None, "MIT")}


@pytest.mark.parametrize(
    ("form", "sources"),
    [
        ("jsonl", ["pairs.jsonl:1", "pairs.jsonl:2", "pairs.jsonl:3", "pairs.jsonl:4"]),
        ("csv", ["pairs.csv:2", "pairs.csv:3", "pairs.csv:4", "pairs.csv:6"]),  # the third has a line break in a cell
    ],
)
def test_an_example_knows_its_line(tmp_path: Path, form: str, sources: list[str]) -> None:
    spec = ExamplesSpec.model_validate({"leaf": LEAF, "columns": COLUMNS} | write_table(tmp_path, form, ROWS))
    assert [example.source for example in map_rows(spec).examples[LEAF]] == sources


def test_a_column_that_names_the_leaf_fans_the_rows_out(tmp_path: Path) -> None:
    keys = write_table(tmp_path, "parquet", ROWS)
    mapped = map_rows(ExamplesSpec.model_validate({"leaf": LEAF, "columns": COLUMNS | {"leaf": "level", "language": "lang"}} | keys))
    assert told(mapped) == []
    assert {leaf: len(examples) for leaf, examples in mapped.examples.items()} == {
        f"{LEAF}/Easy_sums": 2,
        f"{LEAF}/Arabic": 1,
        f"{LEAF}/Chinese/数": 1,
    }
    assert mapped.languages == {f"{LEAF}/Easy_sums": "en", f"{LEAF}/Arabic": "ar", f"{LEAF}/Chinese/数": "zh"}
    assert mapped.examples[f"{LEAF}/Arabic"][0].source.endswith("pairs.parquet: row 2")


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    spec = {"leaf": LEAF, "columns": COLUMNS, "limit": 2} | write_table(tmp_path, "csv", ROWS)
    assert len(map_rows(ExamplesSpec.model_validate(spec)).examples[LEAF]) == 2


def test_every_fault_of_every_row_comes_at_once(tmp_path: Path) -> None:
    rows = [
        '{"question": "a", "answer": "b", "context": "", "leaf": "knowledge/a", "lang": "en"}',
        '{"question": "", "answer": null, "leaf": "knowledge/a", "lang": "en"}',
        '{"question": "a" "answer": "b"}',
        "",
        '["a", "b"]',
        '{"answer": 0.5, "question": ["a"], "leaf": "knowledge/a", "lang": "en"}',
        '{"question": "half \\ud83d", "answer": true, "leaf": "knowledge/a", "lang": "en"}',
        '{"question": "a", "answer": 7, "leaf": "knowlege/a", "lang": "english"}',
        '{"question": "a", "answer": "c", "leaf": "knowledge/a", "lang": "id"}',
        '{"question": "a", "answer": "c", "leaf": "knowledge/../b", "lang": "id"}',
        '{"question": "a", "answer": "c"}',
    ]
    columns = {"leaf": "leaf", "language": "lang", "context": "context"}
    mapped = map_text(tmp_path, "\n".join(rows).encode() + b'\n{"question": "\xff"}\n', leaf=None, columns=columns)
    place = tmp_path / "pairs.jsonl"
    assert sorted(told(mapped), key=lambda text: int(text.split(":")[1])) == [
        f"{place}:2:1: question: is empty",
        f"{place}:2:1: answer: is empty",
        f"{place}:3:18: not JSON: Expecting ',' delimiter",
        f'{place}:5:1: expected an object such as {{"question": …}}, found a list',
        f"{place}:6:1: question: expected text, found a list",
        f"{place}:6:1: answer: expected text, found the number 0.5",
        f"{place}:7:1: question: holds half of a character (a lone surrogate such as \\ud83d)",
        f"{place}:7:1: answer: expected text, found yes or no (true, false, yes, no, on and off mean that)",
        f"{place}:8:1: leaf: 'knowlege/a' names no leaf: a leaf lies below compositional_skills/, foundational_skills/ or knowledge/; "
        "did you mean knowledge/?",
        f"{place}:8:1: lang: 'english': expected a BCP 47 tag such as en, id or zh-Hant",
        f"{place}:9:1: lang: 'id' in a leaf of 'en'; a leaf has one language, so let columns.leaf part them",
        f"{place}:10:1: leaf: 'knowledge/../b' names no leaf: the step '..' of a leaf's path must be letters, digits, '_', '-' and '.'",
        f"{place}:11:1: language: is missing".replace("language", "lang"),
        f"{place}:11:1: leaf: is missing",
        f"{place}:12:15: not UTF-8 (byte 0xff); save the file as UTF-8",
    ] or pytest.fail("\n".join(told(mapped)))
    assert [(example.answer, example.context) for example in mapped.examples["knowledge/a"]] == [("b", None)]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.jsonl", b"", r"a\.jsonl: holds no row"),
        ("a.csv", b"question,answer\n", r"a\.csv: holds no row"),
        ("a.csv", "question,answer\nа,b\n".encode("utf-16"), r"a\.csv:1:1: not UTF-8 \(byte 0xff\)"),
        ("a.csv", b"question,question\na,b\n", r"a\.csv:1:1: the column 'question' is there twice"),
        ("a.csv", b'question,answer\na,"b\n', r"a\.csv:2:1: not CSV: unexpected end of data"),
        ("a.csv", b"qestion,answer\na,b\n", r"a\.csv: no column 'question' for the question; did you mean 'qestion'\?"),
        ("a.jsonl", b'{"prompt": "a", "reply": "b"}\n', r"a\.jsonl: no column 'answer' for the answer; known: prompt, reply"),
        ("a.parquet", b"PAR1", r"a\.parquet: is no Parquet file that can be read"),
    ],
)
def test_a_table_that_cannot_be_read_at_all_is_told(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    with pytest.raises(InputFaults, match=fault):
        map_text(tmp_path, content, name)


def test_a_row_that_no_parser_takes_spares_the_others(tmp_path: Path) -> None:
    rows = [f'{{"question": {question}, "answer": "b"}}' for question in ("1" * 5000, "[" * 100_000, '"a"')]
    mapped = map_text(tmp_path, "\n".join(rows))
    assert [said.partition("jsonl:")[2] for said in told(mapped)] == [
        "1:1: holds a number of too many digits; write it as a text",
        "2:1: is nested too deeply to be read",
    ]
    assert [example.question for example in mapped.examples[LEAF]] == ["a"]


def test_a_row_of_other_length_is_named(tmp_path: Path) -> None:
    mapped = map_text(tmp_path, "question,answer\na,b\nc,d,e\n\nf\n", "a.csv")
    assert [text.removeprefix(str(tmp_path)) for text in told(mapped)] == [
        "/a.csv:3:1: 3 cells under 2 columns; a cell with a comma must be in quotes",
        "/a.csv:5:1: 1 cells under 2 columns; a cell with a comma must be in quotes",
    ]


def test_a_split_or_dataset_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)})
    data.save_to_disk(tmp_path / "saved")
    with pytest.raises(InputFaults, match="saved: the dataset has no split 'train'; it has test"):
        map_rows(ExamplesSpec(leaf=LEAF, dataset=str(tmp_path / "saved")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputFaults, match="empty: the dataset cannot be read: "):
        map_rows(ExamplesSpec(leaf=LEAF, dataset=str(tmp_path / "empty")))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(FactoryError, match=r"needs the library datasets, which is not installed: pip install 'data-factory\[datasets\]'"):
        map_rows(ExamplesSpec(leaf=LEAF, dataset=str(tmp_path / "saved")))


texts = st.text(min_size=1, max_size=30).map(str.strip).filter(lambda text: text and "\0" not in text and "\r" not in text)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), st.sampled_from(["jsonl", "csv", "tsv", "parquet"]))
def test_any_text_comes_through_any_format_unharmed(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], form: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    keys = write_table(folder, form, [{"question": question, "answer": answer} for question, answer in pairs])
    mapped = map_rows(ExamplesSpec.model_validate({"leaf": LEAF} | keys))
    assert told(mapped) == []
    assert [(example.question, example.answer) for example in mapped.examples[LEAF]] == pairs
