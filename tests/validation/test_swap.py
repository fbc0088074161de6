"""Words of two groups change places: whole words of any script, their case kept, and twice is not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.group_terms_spec import GroupTerms
from factory.validation.swap import Exchange, list_exchanges


def exchange(**values: list[str]) -> Exchange:
    (made,) = list_exchanges([GroupTerms(group="gender", values=values)])  # type: ignore[arg-type]
    return made


PEOPLE = exchange(
    male=["he", "father", "stepfather", "Mr", "João", "отец", "आदमी", "رجل", "父亲", "ชาย", "tok o"],
    female=["she", "mother", "stepmother", "Ms", "Élise", "мать", "औरत", "امرأة", "母亲", "หญิง", "mak ma"],
)
FILLING = st.text(st.sampled_from("abxéЖя नी ल ن ؟你ñ1_- .,'’\n"), max_size=6)
"""What may stand between words, and beside them without a space; marks and digits too."""
WORDS = st.sampled_from(list(PEOPLE.sides))


@given(st.lists(st.tuples(FILLING, WORDS)), FILLING)
def test_twice_is_not_at_all_and_as_many_words_are_found(parts: list[tuple[str, str]], end: str) -> None:
    text = "".join(filling + word for filling, word in parts) + end
    swapped = PEOPLE.swap(text)
    assert PEOPLE.swap(swapped) == text
    there, back = PEOPLE.find(text), PEOPLE.find(swapped)
    assert len(there) == len(back) and (swapped != text) == bool(there)
    assert all(PEOPLE.sides[one] != PEOPLE.sides[other] for one, other in zip(there, back, strict=True))


@given(st.sampled_from(["he", "Mr", "João", "отец", "आदमी", "رجل"]), st.sampled_from([*"aéяनنÀ0_", "\u0301", "ी", "\u200d"]))
def test_no_part_of_a_word_is_touched(word: str, more: str) -> None:
    assert PEOPLE.swap(f"x {word}{more} x") == f"x {word}{more} x"
    if more.isalnum():
        assert PEOPLE.swap(f"x {more}{word} x") == f"x {more}{word} x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said: HE, the father.", "She said: SHE, the mother."),
        ("the he-goat, where he's going; THE there them", "the she-goat, where she's going; THE there them"),
        ("Mr Lee, MR LEE, mr lee", "Ms Lee, MS LEE, mr lee"),
        ("his stepfather met her mother", "his stepmother met her father"),
        ("他的父亲和母亲在家", "他的母亲和父亲在家"),
        ("Tok o and TOK O", "Mak ma and MAK MA"),
    ],
)
def test_case_is_kept_and_words_are_whole(text: str, expected: str) -> None:
    assert PEOPLE.swap(text) == expected


def test_a_word_with_two_counterparts_is_put_in_and_never_taken_out() -> None:
    made = exchange(male=["he", "him", "his"], female=["she", "her", "her"])
    assert made.swap("He gave him his book; Her idea") == "She gave her her book; Her idea"
    assert made.find("Her idea") == ["Her"] and "Her" not in made.counterparts and made.sides["Her"] == "female"


def test_of_two_words_that_begin_alike_the_longer_is_read() -> None:
    assert exchange(male=["tok", "tok o"], female=["mak", "mak ma dua"]).swap("Tok o, tok") == "Mak ma dua, mak"


def test_of_three_values_each_two_change_places() -> None:
    terms = GroupTerms(group="faith", values={"a": ("mosque",), "b": ("church",), "c": ("temple",)})
    swapped = {(each.first, each.second): each.swap("Mosque, church, temple") for each in list_exchanges([terms])}
    assert swapped == {
        ("a", "b"): "Church, mosque, temple",
        ("a", "c"): "Temple, church, mosque",
        ("b", "c"): "Mosque, temple, church",
    }
