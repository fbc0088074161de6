"""The bundled taxonomy is sound, has what the line needs, and every answer of a verifiable leaf is right."""

from __future__ import annotations

import calendar
import datetime
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from leaves import count_quarters

from factory.problems import WRITERS
from factory.problems.bahasa import spell_number
from factory.seeds import Leaf, Taxonomy, collect_documents, collect_examples, read_taxonomy

ROOT = Path(__file__).parents[2] / "taxonomy"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FACTORS = {
    ("kilometres", "metres"): 1000,
    ("metres", "centimetres"): 100,
    ("centimetres", "millimetres"): 10,
    ("kilograms", "grams"): 1000,
    ("hours", "minutes"): 60,
    ("minutes", "seconds"): 60,
    ("days", "hours"): 24,
    ("weeks", "days"): 7,
}
TABLE = {
    "compositional_skills/bahasa/bilangan": ("id", "number_words", "number_words_id"),
    "compositional_skills/bahasa/urutkan_kata": ("id", "sorted_words", "sort_words_id"),
    "compositional_skills/data/json_record": ("en", "json_fields", "json_record"),
    "compositional_skills/dates/add_days": ("en", "date_after", "add_days"),
    "compositional_skills/dates/weekday_after": ("en", "weekday_after", "weekday_after"),
    "compositional_skills/units/convert_units": ("en", "unit_conversion", "convert_units"),
    "compositional_skills/words/count_words": ("en", "word_count", "count_words"),
    "compositional_skills/words/reverse_words": ("en", "reversed_words", "reverse_words"),
    "compositional_skills/words/sort_words": ("en", "sorted_words", "sort_words"),
    "compositional_skills/writing/thank_you_note": ("en", None, "thank_you_note"),
    "foundational_skills/arithmetic/addition": ("en", "arithmetic", "addition"),
    "foundational_skills/arithmetic/multiplication": ("en", "arithmetic", "multiplication"),
    "foundational_skills/arithmetic/subtraction": ("en", "arithmetic", "subtraction"),
    "foundational_skills/bahasa/penjumlahan": ("id", "arithmetic", "addition_id"),
    "foundational_skills/numbers/largest_number": ("en", "largest_number", "largest_number"),
    "foundational_skills/numbers/next_number": ("en", "next_number", "next_number"),
    "knowledge/budaya/alat_musik": ("id", None, None),
    "knowledge/food/indonesian_dishes": ("en", None, None),
    "knowledge/nature/island_animals": ("en", None, None),
}


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return read_taxonomy(ROOT, problems=WRITERS)


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def words(text: str) -> list[str]:
    return text.split(": ")[1].rstrip("?").split()


def listed(text: str) -> list[str]:
    return text.split(": ")[1].split(", ")


def fields(text: str) -> str:
    pairs = re.findall(r"(name|age|city|job|color|price|item) (\w+)", text.split(": ")[-1].split(" with ")[-1])
    return json.dumps({key: int(value) if value.isdigit() else value for key, value in pairs})


def converted(text: str) -> str:
    (amount,) = numbers(text)
    large, small = next(units for units in FACTORS if all(re.search(rf"\b{unit}\b", text) for unit in units))
    return f"{amount} {large} = {amount * FACTORS[large, small]} {small}"


def weekday(text: str) -> str:
    start, days = next(number for number, day in enumerate(DAYS, start=1) if day in text), numbers(text)[0]
    total = start + days % 7
    over = f" {total} - 7 = {total - 7}." if total > 7 else ""
    return f"{days} = {days // 7} * 7 + {days % 7}. {start} + {days % 7} = {total}.{over} {DAYS[(start - 1 + days) % 7]}"


def later(text: str) -> str:
    date = re.search(r"\d{4}-\d\d-\d\d", text)
    days = re.search(r"(\d+) days", text)
    assert date and days
    start = datetime.date.fromisoformat(date[0])
    after = start + datetime.timedelta(days=int(days[1]))
    working = [f"{start.day} + {days[1]} = {start.day + int(days[1])}"]
    for passed in {day.replace(day=1): day for day in (start + datetime.timedelta(days=n) for n in range(int(days[1]) + 1))}:
        if passed < after.replace(day=1):
            length = calendar.monthrange(passed.year, passed.month)[1]
            left = int(working[-1].split(" = ")[1])
            working.append(f"{left} - {length} = {left - length}")
    return f"{'. '.join(working)}. {after}"


def total(text: str) -> str:
    a, b = numbers(text)
    return f"{a} + {b} = {a + b}"


def difference(text: str) -> str:
    low, high = sorted(numbers(text))
    return f"{high} - {low} = {high - low}"


def product(text: str) -> str:
    a, b = numbers(text)
    return f"{a} * {b} = {a * b}"


ANSWERS: dict[str, Callable[[str], str]] = {
    "compositional_skills/bahasa/bilangan": lambda text: spell_number(numbers(text)[0]),
    "compositional_skills/bahasa/urutkan_kata": lambda text: ", ".join(sorted(listed(text))),
    "compositional_skills/data/json_record": fields,
    "compositional_skills/dates/add_days": later,
    "compositional_skills/dates/weekday_after": weekday,
    "compositional_skills/units/convert_units": converted,
    "compositional_skills/words/count_words": lambda text: str(len(words(text))),
    "compositional_skills/words/reverse_words": lambda text: " ".join(reversed(words(text))),
    "compositional_skills/words/sort_words": lambda text: ", ".join(sorted(listed(text))),
    "foundational_skills/arithmetic/addition": total,
    "foundational_skills/arithmetic/multiplication": product,
    "foundational_skills/arithmetic/subtraction": difference,
    "foundational_skills/bahasa/penjumlahan": total,
    "foundational_skills/numbers/largest_number": lambda text: str(max(numbers(text))),
    "foundational_skills/numbers/next_number": lambda text: str(2 * numbers(text)[-1] - numbers(text)[-2]),
}


def test_the_leaves_are_those_that_the_line_is_built_on(taxonomy: Taxonomy) -> None:
    assert taxonomy.faults == () and taxonomy.notices == ()
    assert {path: (leaf.language, leaf.verifier, leaf.problems) for path, leaf in taxonomy.leaves.items()} == TABLE


@pytest.mark.parametrize("path", TABLE)
def test_a_leaf_has_licence_group_enough_examples_and_both_sides(taxonomy: Taxonomy, path: str) -> None:
    leaf = taxonomy.leaves[path]
    assert leaf.licence in ("CC0-1.0", "CC-BY-4.0")
    assert [name for name, _ in leaf.groups] == ["domain"]
    assert len(leaf.examples) == (18 if leaf.kind == "knowledge" else 12)
    sides = collect_examples(leaf, 0.3)["split"].value_counts()
    assert dict(sides.iter_rows())["holdout"] >= 2
    assert dict(sides.iter_rows())["seed"] >= 8


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_is_right(taxonomy: Taxonomy, path: str) -> None:
    for example in taxonomy.leaves[path].examples:
        assert example.answer == ANSWERS[path](example.question), example


def test_every_verifiable_leaf_is_checked_here() -> None:
    assert set(ANSWERS) == {path for path, (_, verifier, _) in TABLE.items() if verifier}


@pytest.mark.parametrize("path", [path for path in TABLE if path.startswith("knowledge/")])
def test_a_knowledge_leaf_stands_on_its_texts(taxonomy: Taxonomy, path: str) -> None:
    leaf: Leaf = taxonomy.leaves[path]
    contexts = {str(example.context) for example in leaf.examples}
    assert len(contexts) == 6 and all(len(context.split()) <= 80 for context in contexts)
    for example in leaf.examples:
        told = set(re.findall(r"\w+", str(example.context).lower()))
        answer = re.findall(r"\w+", example.answer.lower())
        assert sum(word in told for word in answer) >= 0.6 * len(answer), example
    chunks = collect_documents(leaf, 100, count_quarters)
    assert chunks["document"].n_unique() == 3 and chunks.height >= 12
    assert all(" > " in heading for heading in chunks["heading"])
