"""Tables are read as they are, in any format and order, and every fault is named with its place."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from factory.faults import InputFaults
from factory.validation.columns.reading import ReadTable, read_table

GOOD = "age,sex\n31,f\n45,m\n"


def read(folder: Path, real: str | bytes, synthetic: str | bytes, holdout: str | bytes | None = None, spec: str | None = None) -> ReadTable:
    files = {"real.csv": real, "synthetic.csv": synthetic, "holdout.csv": holdout, "table.yaml": spec}
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    unseen = None if holdout is None else folder / "holdout.csv"
    return read_table(folder / "real.csv", folder / "synthetic.csv", unseen, None if spec is None else folder / "table.yaml")


def fail(folder: Path, *given: str | bytes | None, spec: str | None = None) -> str:
    with pytest.raises(InputFaults) as raised:
        read(folder, *given, spec=spec)  # type: ignore[arg-type]
    return str(raised.value)


@pytest.mark.parametrize(
    ("synthetic", "told"),
    [
        ("agee,sex\n1,f\n", ["age: the column is missing", "did you mean 'agee'?"]),
        ("age,sex,name\n1,f,x\n", ["name: the real table has no such column"]),
        ("age,sex\n1,f\nold,m\n", ["synthetic.csv:3:1: age: expected a number", "1 cell such as 'aaa' (line 3)"]),
        ("age,sex\n1,f\na1,m\nb@,m\nc,m\nd,m\n", ["4 cells such as 'a9', 'a@', 'a' (lines 3, 4, 5)"]),
        ("age,sex\n1,f\n" + "?,m\n" * 5, ["5 cells such as '?', '?', '?' (lines 3, 4, 5)"]),
        ("", ["is empty"]),
        (" \n", ["is empty"]),
        ("age,sex\n", ["has no rows"]),
        ("age,age\n1,2\n", ["age: two columns have this name"]),
        (",age,sex\n0,1,f\n", ["column 1: has no name", "index=False"]),
        (b"age,sex\n1,\xe9\n", ["synthetic.csv:2:3", "not UTF-8"]),
        (b"age,sex\n1,f\0\n", ["synthetic.csv:2:1", "null byte"]),
        (GOOD.encode("utf-16"), ["not UTF-8"]),
        ("age,sex\n1,f\n2\n3,f,g\n", ["synthetic.csv:3:1: 1 cell under 2 columns", "synthetic.csv:4:1: 3 cells under 2 columns"]),
        ('age,sex\n1,"f\n2,m\n', ["synthetic.csv:2:1: not CSV"]),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, synthetic: str | bytes, told: list[str]) -> None:
    said = fail(tmp_path, GOOD, synthetic)
    assert all(part in said for part in told), said


def test_the_line_of_a_cell_counts_lines_within_cells_and_empty_lines(tmp_path: Path) -> None:
    assert "(line 6)" in fail(tmp_path, GOOD, 'age,sex\n1,"f\nf"\n\n2,m\nold,m\n')


def test_all_faults_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    said = fail(tmp_path, "age,age\n1,2\n", "", "a\n", spec="kind: {}\n")
    assert all(name in said for name in ("real.csv", "synthetic.csv", "holdout.csv", "table.yaml:1:1"))
    assert "did you mean 'kinds'?" in said


def test_a_file_that_is_not_there_and_a_format_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputFaults, match=r"(?s)a\.csv: cannot be read.*b\.xlsx: is of no format"):
        read_table(tmp_path / "a.csv", tmp_path / "b.xlsx")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "d.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "e.jsonl").write_text('{"a": [1]}\nnonsense\n')
    with pytest.raises(InputFaults, match=r"(?s)no Parquet.*no gzip.*e\.jsonl:1:1: a: 1 cells hold more.*e\.jsonl:2:1: not JSON"):
        read_table(tmp_path / "c.parquet", tmp_path / "d.csv.gz", tmp_path / "e.jsonl")


def test_the_spec_names_what_the_table_lacks_with_line_and_column(tmp_path: Path) -> None:
    spec = "kinds: {agee: number}\nignore: [name]\ntarget: sexx\ngates: {fidelity.nothing: {max: 1}}\ngroups: [age]\n"
    said = fail(tmp_path, GOOD, GOOD, spec=spec)
    places = [
        "table.yaml:1:9: kinds.agee",
        "table.yaml:2:10: ignore[0]",
        "table.yaml:3:9: target",
        "table.yaml:4:9: gates.fidelity.nothing",
    ]
    assert all(place in said for place in places), said
    assert "did you mean 'age'?" in said
    assert "age: is a number: fairness is measured between categories" in fail(tmp_path, GOOD, GOOD, spec="groups: [age]\n")


def test_a_column_that_is_mostly_numbers_is_not_guessed(tmp_path: Path) -> None:
    real = "age\n" + "".join(f"{number}\n" for number in range(30)) + "unknown\n"
    assert "real.csv:32:1: age: almost every cell is a number" in fail(tmp_path, real, "age\n1\n")
    assert read(tmp_path, real, "age\n1\n", spec="missing: [unknown]\n").columns.real["age"].null_count() == 1
    assert read(tmp_path, real, "age\n1\n", spec="kinds: {age: category}\n").columns.kinds == {"age": "category"}


def test_a_holdout_that_the_generator_saw_is_refused(tmp_path: Path) -> None:
    assert "is the real file" in fail(tmp_path, GOOD, "age,sex\n1,f\n", GOOD)


def test_a_column_called_line_is_refused(tmp_path: Path) -> None:
    assert "no column may be called 'line'" in fail(tmp_path, "line\n1\n2\n", "line\n1\n")


def test_kinds_are_inferred_from_the_real_table(tmp_path: Path) -> None:
    real = "n,few,code,day,flag,yes,text,none\n1.5,0,01,2024-05-31,true,yes,a,\nNaN,1,02,2024-05-31T12:00:00+02:00,FALSE,no,NA,\n"
    columns = read(tmp_path, real, real + "2,1,03,2024-01-01,true,no,,x\n").columns
    kinds = ["number", "number", "category", "date", "boolean", "boolean", "category", "category"]
    assert list(columns.kinds.values()) == kinds
    assert set(columns.real["day"]) == {datetime(2024, 5, 31), datetime(2024, 5, 31, 10)}
    assert columns.real["text"].null_count() == 0 and columns.synthetic["text"].null_count() == 1
    assert columns.real["n"].null_count() == 1


def test_what_is_odd_is_told(tmp_path: Path) -> None:
    real = "id;same;none;x\n" + "".join(f"{number};a;;1\n" for number in range(25))
    told = "\n".join(read(tmp_path, real, real + "99;a;;inf\n").notices)
    for part in (
        "parted by semicolons",
        "id: looks like a number of each row",
        "same: constant",
        "none: every cell is missing",
        "1 infinite",
    ):
        assert part in told
    assert read(tmp_path, real, real + "99;a;;inf\n").columns.synthetic["x"].null_count() == 1
    assert "same, byte for byte" in "\n".join(read(tmp_path, GOOD, GOOD).notices)
    assert "one row" in "\n".join(read(tmp_path, "a\nx\n", "a\ny\n").notices)
    many = "c\n" + "".join(f"k{number}\n" for number in range(10_000)) + "k0\n"
    assert "10,000 categories" in "\n".join(read(tmp_path, many, many).notices)
    assert "k0" not in "\n".join(read(tmp_path, many, many).notices)


def test_a_cell_of_a_megabyte_is_read(tmp_path: Path) -> None:
    big = "x" * 1_000_000
    assert read(tmp_path, f"c\n{big}\na\n", "c\na\n").columns.real["c"].str.len_chars().max() == 1_000_000


def test_codes_are_the_same_whole_or_with_a_decimal_point(tmp_path: Path) -> None:
    columns = read(tmp_path, "c\n1\n2\n", "c\n1.0\n2.0\n", spec="kinds: {c: category}\n").columns
    assert set(columns.synthetic["c"]) == {"1", "2"}


ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
        st.none() | st.sampled_from(["a b", 'q"uo,te', "x\ny", "é", "b;c"]),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
FIRST = (1.5, "a b", datetime(2020, 1, 1), True)
SCHEMA = {"number": pl.Float64, "category": pl.String, "date": pl.Datetime("us"), "boolean": pl.Boolean}


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_formats_and_orders_of_rows_and_columns_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], random: object
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    frame = pl.DataFrame([FIRST, *rows], schema=SCHEMA, orient="row")
    places, names = list(range(frame.height)), list(frame.columns)
    random.shuffle(places)  # type: ignore[attr-defined]
    random.shuffle(names)  # type: ignore[attr-defined]
    shuffled = frame[places].select(names)
    frame.write_parquet(folder / "t.parquet")
    shuffled.write_csv(folder / "t.csv", datetime_format="%Y-%m-%dT%H:%M:%S")
    text = shuffled.with_columns(pl.col("date").dt.to_string("%Y-%m-%d %H:%M:%S")).write_ndjson()
    (folder / "t.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    first = read_table(folder / "t.parquet", folder / "t.csv").columns
    second = read_table(folder / "t.csv", folder / "t.jsonl.gz").columns
    assert first.kinds == second.kinds == dict(zip(SCHEMA, SCHEMA, strict=True))
    for other in (first.synthetic, second.real, second.synthetic):
        assert_frame_equal(first.real, other, check_column_order=False)
