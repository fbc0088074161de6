"""Records that hold a text of an evaluation set are found, with the item and the words; what shares less is not."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import InputFaults
from factory.reward.contamination import EvaluationIndex, Hit
from factory.reward.evaluation_sets import Item, digest_sets, read_sets, split_field
from factory.reward.words import read_tokens
from factory.reward_spec import ContaminationSpec

QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
FIRST = "natalia sold clips to 48 of her friends in april and then she"


def find(text: str | None, *items: str, ngram: int = 13, response: str | None = None) -> Hit | None:
    index = EvaluationIndex([Item(f"set:{number}", item) for number, item in enumerate(items, 1)], ngram)
    return index.find([(0, 1)], read_tokens([text or "", response or ""]))[0]


def test_thirteen_words_in_a_row_contaminate_and_twelve_do_not() -> None:
    assert find(f"Solve this. {QUESTION} How many?", "Other text.", QUESTION) == Hit("set:2", FIRST)
    assert find(FIRST, QUESTION) == Hit("set:1", FIRST)
    assert find(" ".join(FIRST.split()[1:]), QUESTION) is None
    assert find(FIRST.replace("48", "49"), QUESTION) is None
    assert find(" ".join(FIRST.split()[1:]), QUESTION, ngram=12) == Hit("set:1", " ".join(FIRST.split()[1:]))


def test_case_punctuation_and_white_space_make_no_difference() -> None:
    assert find("**NATALIA** sold (clips) to\n48 of her ＦＲＩＥＮＤＳ in April -- and then, she", QUESTION) == Hit("set:1", FIRST)


def test_every_part_of_a_record_is_looked_at_by_itself() -> None:
    assert find("Say it.", QUESTION, response=QUESTION) == Hit("set:1", FIRST)
    words = FIRST.split()
    assert find(" ".join(words[:7]), QUESTION, response=" ".join(words[7:])) is None


def test_a_text_of_eight_to_twelve_words_is_found_whole() -> None:
    item = "Which planet is the largest in the solar system?"
    whole = "which planet is the largest in the solar system"
    assert find(f"Tell me: {item} Answer.", item) == Hit("set:1", whole)
    assert find("Say it.", item, response=item) == Hit("set:1", whole)
    assert find("Which planet is the largest in the solar neighbourhood?", item) is None


def test_a_shorter_text_is_found_only_as_the_whole_instruction() -> None:
    item = "What is the capital of France?"
    assert find("what is the capital of france", item) == Hit("set:1", "what is the capital of france")
    assert find(f"{item} Answer in one word.", item) is None
    assert find("Say it.", item, "Paris", response="Paris") is None


def test_wording_that_many_texts_share_counts_for_nothing() -> None:
    wording = "Read the following passage with care and then choose the one correct answer from these options:"
    items = [f"{wording} {letter * 3} {letter * 4}" for letter in "abcdefghijkl"]
    assert find(f"{wording} zzz", *items[:10]) is not None
    assert find(f"{wording} zzz", *items) is None
    assert (find(items[11], *items) or pytest.fail()).place == "set:12", "by the n-gram that ends in its own word"
    assert (find(wording, wording, *items) or pytest.fail()).place == "set:1", "as a whole part"
    assert find(f"{wording} zzz", *[items[0]] * 12) is not None, "one text twelve times is one text"


CHINESE = "小明有十二个苹果，他给了小红五个，又从妈妈那里得到了三个，请问小明现在一共有多少个苹果？"
THAI = "นักเรียนคนหนึ่งมีหนังสือสิบสองเล่มและให้เพื่อนไปห้าเล่มเขาเหลือหนังสือกี่เล่ม"


@pytest.mark.parametrize("item", [CHINESE, THAI, CHINESE.replace("苹果", "りんご")])
def test_scripts_without_spaces_are_compared_by_characters(item: str) -> None:
    found = find(f"请回答：{item}谢谢", item)
    assert found is not None
    assert " " not in found.words
    assert found.words in "".join(letter for letter in item if letter not in "，？")
    assert find(item[:20], item) is None


def test_indic_vowel_signs_belong_to_their_word() -> None:
    item = "एक किसान के पास बारह गायें हैं और वह पाँच गायें बाज़ार में बेच देता है"
    assert find(f"सवाल: {item}।", item) is not None
    assert find(item.replace("गायें", "गायों"), item) is None


texts = st.lists(st.sampled_from(["a", "b", "c"]), max_size=30).map(" ".join)


@settings(deadline=None, max_examples=200)
@given(st.lists(texts, max_size=6), texts, st.integers(5, 13))
def test_found_is_what_comparing_all_windows_finds(items: list[str], text: str, ngram: int) -> None:
    words = text.split()

    def held(item: str) -> bool:
        own = item.split()
        if not own or len(own) < min(8, ngram):
            return bool(own) and own == words
        size = min(ngram, len(own))
        windows = {tuple(own[at : at + size]) for at in range(len(own) - size + 1)}
        return any(tuple(words[at : at + size]) in windows for at in range(len(words) - size + 1))

    found = find(text, *items, ngram=ngram)
    assert (found is not None) == any(map(held, items))
    if found:
        assert f" {found.words} " in f" {text} "
        assert held(items[int(found.place.removeprefix("set:")) - 1])


def test_many_records_are_found_as_each_alone_is() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{n}" for n in range(2000)]
    items = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 40))) for _ in range(300)]
    records = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 60))) for _ in range(300)]
    planted = {place: rng.randrange(300) for place in range(0, 300, 7)}
    for place, item in planted.items():
        records[place] += f" {items[item]}" if len(items[item].split()) >= 8 else ""
    index = EvaluationIndex([Item(f"s:{n}", item) for n, item in enumerate(items)], 13)
    found = index.find([(number,) for number in range(300)], read_tokens(records))
    expected = [f"s:{planted[n]}" if n in planted and len(items[planted[n]].split()) >= 8 else None for n in range(300)]
    assert [hit.place if hit else None for hit in found] == expected
    assert [index.find([(0,)], read_tokens([record]))[0] for record in records] == found


ROWS = [{"question": "Wie viele Äpfel?", "answer": "drei", "number": 3}, {"question": "多少？", "answer": " ", "number": 4}]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("field", [None, "question"])
def test_tables_are_read_with_all_text_fields_or_the_named_one(tmp_path: Path, form: str, field: str | None) -> None:
    file = tmp_path / f"items.{form}"
    match form:
        case "jsonl":
            file.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
        case "csv":
            with file.open("w", newline="", encoding="utf-8") as opened:
                writer = csv.DictWriter(opened, ["question", "answer"], extrasaction="ignore")
                writer.writeheader()
                writer.writerows(ROWS)
        case "parquet":
            pl.DataFrame(ROWS).write_parquet(file)
    first = 2 if form == "csv" else 1
    found = read_sets(ContaminationSpec(sets={"gsm8k": f"{file}#{field}" if field else str(file)}))
    questions = [Item(f"gsm8k:{first}", "Wie viele Äpfel?"), Item(f"gsm8k:{first + 1}", "多少？")]
    assert found == (questions if field else [questions[0], Item(f"gsm8k:{first}", "drei"), questions[1]])


def test_texts_in_lists_and_objects_are_read_and_a_text_file_has_an_item_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"choices": ["one", "two"], "answers": {"text": ["three"], "start": [1]}}\n')
    (tmp_path / "b.txt").write_text("four\n\nfive\n")
    found = read_sets(ContaminationSpec(sets={"a": str(tmp_path / "a.jsonl"), "b": str(tmp_path / "b.txt")}))
    assert [(item.place, item.text) for item in found] == [
        ("a:1", "one"),
        ("a:1", "two"),
        ("a:1", "three"),
        ("b:1", "four"),
        ("b:3", "five"),
    ]


def test_every_fault_of_every_set_is_told_with_file_and_line(tmp_path: Path) -> None:
    files = {
        "broken.jsonl": b'{"question": "one"}\n{"question": \n[1]\n',
        "renamed.jsonl": b'{"question": "one"}\n{"problem": "two"}\n',
        "empty.csv": b"question\n",
        "latin.txt": b"ok\nsch\xf6n\n",
        "torn.parquet": b"PAR1 and no more",
        "notes.docx": b"x",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    sets = {name.split(".")[0]: str(tmp_path / name) for name in [*files, "missing.csv"]}
    sets["renamed"] += "#questoin"
    with pytest.raises(InputFaults) as caught:
        read_sets(ContaminationSpec(sets=sets))
    told = str(caught.value)
    for part in (
        "broken.jsonl:2:",
        "broken.jsonl:3:1: expected an object",
        "renamed.jsonl:1:1: questoin: is missing; did you mean 'question'?",
        "empty.csv: set empty: holds no text",
        "latin.txt:2:",
        "torn.parquet: is no Parquet file",
        "notes.docx: set notes: what a file that ends in .docx holds is not known; give one of .jsonl",
        "missing.csv: set missing: cannot be read: No such file",
    ):
        assert part in told


def test_of_very_many_faults_the_first_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("[]\n" * 500)
    with pytest.raises(InputFaults, match="more than 20 faults") as caught:
        read_sets(ContaminationSpec(sets={"a": str(tmp_path / "a.jsonl")}))
    assert len(caught.value.faults) == 21


def test_digest_is_of_the_content_and_not_of_the_path(tmp_path: Path) -> None:
    def digest(name: str, content: str, field: str = "") -> str:
        (tmp_path / name).write_text(content)
        return digest_sets(ContaminationSpec(sets={"s": f"{tmp_path / name}{field}"}))

    assert digest("a.txt", "one") == digest("b.txt", "one")
    assert len({digest("a.txt", "one"), digest("a.txt", "two"), digest("a.jsonl", "one"), digest("a.jsonl", "one", "#q")}) == 4
    with pytest.raises(InputFaults, match=r"gone\.txt: set s: cannot be read"):
        digest_sets(ContaminationSpec(sets={"s": str(tmp_path / "gone.txt")}))
    assert digest_sets(ContaminationSpec()) == digest_sets(ContaminationSpec(ngram=8))


def test_a_number_sign_in_the_name_of_a_file_is_no_field(tmp_path: Path) -> None:
    file = tmp_path / "set#1.txt"
    file.write_text("one")
    assert split_field(str(file)) == (file, None)
    assert split_field("set.csv#question") == (Path("set.csv"), "question")
