"""Every fault of a YAML file names its place and what to do; what can be read comes out as plain data with positions."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import Fault
from factory.yaml_source import YamlSource, examine_yaml, read_yaml, write_path


def read(folder: Path, content: str | bytes) -> YamlSource | Fault:
    file = folder / "file.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_yaml(file, "file.yaml")


def sound(folder: Path, content: str) -> YamlSource:
    source = read(folder, content)
    assert isinstance(source, YamlSource), source
    return source


TEXT = """\
name: one
list:
  - question: a
    answer: |
      two
      lines
  - {question: b, answer: "c"}
"""


def test_places_are_those_of_the_text(tmp_path: Path) -> None:
    source = sound(tmp_path, TEXT)
    assert source.data == {"name": "one", "list": [{"question": "a", "answer": "two\nlines\n"}, {"question": "b", "answer": "c"}]}
    assert source.locate(["name"]) == (1, 7)
    assert source.locate(["list"]) == (2, 1)  # a list or mapping is named by its key
    assert source.locate(["list", 0]) == (3, 5)
    assert source.locate(["list", 0, "answer"]) == (4, 13)
    assert source.locate(["list", 1, "answer"]) == (7, 27)
    assert source.locate_key(["list", 1, "answer"]) == (7, 19)


def test_what_is_missing_is_placed_at_its_nearest_parent(tmp_path: Path) -> None:
    source = sound(tmp_path, TEXT)
    assert source.locate(["list", 1, "context"]) == (7, 5)
    assert source.locate(["list", 9, "context"]) == (2, 1)
    assert source.locate(["nothing"]) == (1, 1)
    with pytest.raises(KeyError, match="nothing"):
        source.locate_key(["nothing"])


def test_a_fault_carries_place_and_path(tmp_path: Path) -> None:
    fault = sound(tmp_path, TEXT).fault(["list", 0, "answer"], "is wrong")
    assert str(fault) == "file.yaml:4:13: list[0].answer: is wrong"
    assert write_path([]) == ""


BROKEN = [
    ("a:\n\tb: 1\n", 2, 1, "a tab indents this line"),
    ("a: 1\nb:\n  - x\n \t- y\n", 4, 2, "a tab indents this line"),
    ("a: 1\nb: 'x\nc: 2\n", 2, 4, "never closed"),
    ("a: 1\nquestion: What is this: x?\n", 2, 23, "put text that holds ': ' in quotes"),
    ("a: 1\nb: @x\n", 2, 4, "cannot start with '@'; put it in quotes"),
    ("a: 1\nb: *x\n", 2, 4, "cannot start with '*'"),
    ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
    ("a: [1, 2\nb: 3\n", 2, 2, "did not find expected"),
    ("é: 1\nb: é\x01\n", 2, 5, "control character U+0001"),
    ("[" * 50_000, 1, 61, "nested more than 60 deep"),
    ("- " * 50_000, 1, 121, "nested more than 60 deep"),
    ("[" * 70 + "]" * 70, 1, 61, "nested more than 60 deep"),
    ("a: 1\nb: 2\na: 3\n", 3, 1, "given twice; the first is on line 1"),
    ("a:\n  b: {c: 1, c: 2}\n", 2, 13, "given twice; the first is on line 2"),
    ("a: 1\n5: x\n", 2, 1, "a key must be text; put it in quotes: '5'"),
    ("a: 1\n? [b]\n: c\n", 2, 3, "a key must be text"),
    ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, 4, "not plain data"),
    ("a: !!binary aGk=\n", 1, 4, "not plain data"),
    ("a: 1\nb: &x [*x]\n", 2, 4, "an alias to itself"),
    ("a: 1\nb: 2024-13-45\n", 2, 4, "reads as a date and is none; put it in quotes"),
    ("a: 1\nb: !!int five\n", 2, 4, "reads as int and is none"),
    ("a: 1\n<<: 5\n", 2, 5, "expected an alias of a mapping"),
]


@pytest.mark.parametrize(("content", "line", "column", "message"), BROKEN)
def test_a_broken_file_is_a_fault_with_its_place(tmp_path: Path, content: str, line: int, column: int, message: str) -> None:
    fault = read(tmp_path, content)
    assert isinstance(fault, Fault)
    assert message in fault.message
    assert (fault.file, fault.line, fault.column) == ("file.yaml", line, column)


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    fault = read(tmp_path, "a: 1\né: ".encode() + b"\xff\n")
    assert isinstance(fault, Fault)
    assert (fault.line, fault.column) == (2, 4)
    assert "0xff" in fault.message and "UTF-8" in fault.message


def test_a_file_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    fault = read_yaml(tmp_path / "none.yaml")
    assert isinstance(fault, Fault)
    assert "No such file" in fault.message
    assert fault.file == str(tmp_path / "none.yaml")


def test_aliases_that_multiply_are_refused_quickly(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    fault = read(tmp_path, "\n".join(rows))
    assert isinstance(fault, Fault)
    assert "more than 1,000,000 values" in fault.message
    assert fault.line == 6


def test_every_duplicate_of_a_file_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("a: 1\na: 2\nb: 3\nb: 4\n")
    source, faults = examine_yaml(file)
    assert source is not None and source.data == {"a": 1, "b": 3}
    assert [fault.line for fault in faults] == [2, 4]


def test_aliases_and_merge_keys_are_read_as_upstream_reads_them(tmp_path: Path) -> None:
    text = "base: &base {p: 1, q: 2}\nother:\n  <<: *base\n  q: 3\ncopy: *base\n"
    assert sound(tmp_path, text).data == yaml.safe_load(text)


def test_scalars_are_those_of_yaml_1_1_with_whole_exponents(tmp_path: Path) -> None:
    data = sound(tmp_path, "a: 1e-3\nb: no\nc: 2024-04-06\nd: ~\ne: 0x10\nf: 1.5\ng: '5'\nh: 12e\n").data
    assert data == {"a": 0.001, "b": False, "c": datetime.date(2024, 4, 6), "d": None, "e": 16, "f": 1.5, "g": "5", "h": "12e"}


def test_unicode_line_separators_do_not_move_lines(tmp_path: Path) -> None:
    source = sound(tmp_path, 'a: "x\u2028y\u0085z"\r\nb:\r\n  c: 1\r\n')
    assert source.locate(["b", "c"]) == (3, 6)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    source = read_yaml(file)
    assert isinstance(source, YamlSource)
    assert source.data == {"a": 1} and source.locate(["a"]) == (1, 4)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh_", min_size=1, max_size=6), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=plain)
def test_whatever_a_library_writes_is_read_the_same(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "written.yaml"
    file.write_text(yaml.safe_dump({"value": value}, allow_unicode=True), encoding="utf-8", newline="")
    source = read_yaml(file)
    assert isinstance(source, YamlSource), source
    assert source.data == {"value": value}


@settings(deadline=None)
@given(content=st.binary(max_size=60) | st.text("ab:-[]{}\"'&*!|>\n\t #?,%@", max_size=60).map(str.encode))
def test_any_bytes_give_a_document_or_a_fault_inside_the_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    _, faults = examine_yaml(file)
    for fault in faults:
        assert 1 <= fault.line <= content.count(b"\n") + content.count(b"\r") + 1
        assert fault.column >= 1
