from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from itertools import pairwise

import datasketch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.reward.duplicates import Bands, Key, KeyIndex, Keys, Match, choose_bands, read_key, read_keys
from factory.reward.words import read_tokens

NOTE = "Write a thank-you note to Rina for the blue scarf."
THRESHOLD = 0.9


def similarity(one: str, other: str, language: str = "en") -> float:
    return read_key(one, None, language).similarity(read_key(other, None, language))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 47 + 85?", "What is 47 + 86?"),
        ("What is 47 + 85?", "What is 85 + 47?"),
        ("What is 85 - 47?", "What is 47 - 85?"),
        ("What is 85 - 47?", "What is 85 + 47?"),
        ("What is 5 + 5?", "What is 5 + 5 + 5?"),
        ("What is -5 + 3?", "What is 5 + 3?"),
        ("Subtract 47 from 85.", "Subtract 85 from 47."),
        ("Sort these words alphabetically: pear, apple, fig", "Sort these words alphabetically: pear, apple, kiwi"),
        ("Reverse the order of these words: apple tree house", "Reverse the order of these words: tree apple house"),
        ("Count the words: pear pear", "Count the words: pear pear pear"),
        ("Count the words: a1 b2 c3 d4 e5 f6 g7 h8 i9", "Count the words: a1 b2 c3 d4 x0 f6 g7 h8 i9"),
        ("Add 12 days to 2024-03-25.", "Add 12 days to 2024-03-26."),
        ("Convert 3 kilometres to metres.", "Convert 3 kilometres to centimetres."),
        (NOTE, "Write a thank-you note to Rina for the red scarf."),
        (NOTE, "Write a thank-you note from Rina for the blue scarf."),
        ("Write a story with a dog.", "Write a story without a dog."),
        ("Where does the babirusa live?", "How does the babirusa live?"),
        ("है", "हो"),
        ("三加五等于多少？", "五加三等于多少？"),
        ("把这些词按字母顺序排列：梨、苹果", "把这些词按字母顺序排列：梨、香蕉"),
        ("ห้าบวกสามเท่ากับเท่าไร", "ห้าลบสามเท่ากับเท่าไร"),
    ],
)
def test_other_task_is_no_near_duplicate(one: str, other: str) -> None:
    assert similarity(one, other) < 0.8


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        (NOTE, "Write a thank-you note to Rina for the blue scarf", "en"),
        (NOTE, "Write a thank you note to Rina for the blue scarf!", "en"),
        (NOTE, "write a Thank-You note to rina for the blue scarf.", "en"),
        (NOTE, "Write a thank-you note to Rina for a blue scarf.", "en"),
        (NOTE, "Please write a thank-you note to Rina for the blue scarf.", "en-GB"),
        ("What is 85 - 47?", "What is 85−47", "en"),
        ("Sort these words alphabetically: pear, apple, fig", "Sort the words alphabetically: pear apple fig.", "en"),
        ("Urutkan kata-kata ini menurut abjad: roti, apel", "Tolong urutkan kata-kata menurut abjad: roti, apel", "id"),
        ("The.", "the", "en"),
        ("???", " ??? ", "en"),
        ("三加五等于多少？", "三加五 等于多少", "zh"),
        (
            "请写一封信给你的邻居，感谢她昨天送给你的那条蓝色的围巾，并且告诉她你非常喜欢它。",
            "请写一封信给你的邻居，感谢她昨天送给你的那条蓝色围巾，并且告诉她你非常喜欢它。",
            "zh",
        ),
    ],
)
def test_same_task_is_a_near_duplicate(one: str, other: str, language: str) -> None:
    assert similarity(one, other, language) >= THRESHOLD


def test_stopwords_are_those_of_the_language() -> None:
    assert similarity("Buku di meja", "Buku meja", "id") == 1.0
    assert similarity("Buku di meja", "Buku meja", "en") < THRESHOLD
    assert similarity("Das Buch", "Buch", "de") < THRESHOLD


def test_questions_about_one_passage_are_as_alike_as_the_questions() -> None:
    passage = " ".join(f"word{n}" for n in range(200))
    lives, eats = (read_key(f"What does it {verb}?", passage, "en") for verb in ("eat", "fear"))
    assert lives.similarity(eats) < 0.8
    moved = read_key("What does it eat?", " ".join(f"word{n}" for n in range(1, 200)), "en")
    assert lives.similarity(moved) > THRESHOLD
    assert lives.similarity(read_key("What does it eat?", "Another passage.", "en")) == 0.0
    assert lives.similarity(read_key("What does it eat?", None, "en")) == 0.0


tasks = st.lists(st.sampled_from(["sort", "these", "words", "apple", "pear", "fig", "the", "of", "12", "13", "+", "-"]), max_size=8).map(
    " ".join
)


@settings(deadline=None)
@given(tasks, tasks, tasks)
def test_similarity_is_a_share_that_is_symmetric_and_whole_for_itself(one: str, other: str, context: str) -> None:
    a, b = read_key(one, context, "en"), read_key(other, None, "en")
    assert 0.0 <= a.similarity(b) <= 1.0
    assert a.similarity(b) == b.similarity(a)
    assert a.similarity(a) == 1.0


@settings(deadline=None)
@given(tasks, tasks)
def test_similarity_is_that_of_numbered_words_and_pairs(one: str, other: str) -> None:
    def count(task: str) -> Counter[str | tuple[str, str]]:
        words = task.split()
        return Counter([*words, *pairwise(words)])

    a, b = count(one), count(other)
    expected = (a & b).total() / (a | b).total() if a | b else 1.0
    assert similarity(one, other, language="xx") == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.06, 0.3, 0.5, 0.8, 0.9, 0.95, 0.999])
def test_bands_are_the_most_selective_that_miss_few(threshold: float) -> None:
    bands, rows = choose_bands(threshold)
    assert (1 - threshold**rows) ** bands <= 1e-5
    length = 96 if bands * rows <= 96 else 256
    assert (1 - threshold ** (rows + 1)) ** (length // (rows + 1)) > 1e-5 or rows == length // 2


def read(tasks: list[tuple[str, str | None]], language: str = "en") -> Keys:
    texts = [text or "" for task in tasks for text in task]
    return read_keys(read_tokens(texts), [language] * len(texts), [(2 * number, 2 * number + 1) for number in range(len(tasks))])


def test_signatures_estimate_similarity_as_well_as_those_of_datasketch() -> None:
    """The error of a MinHash of k values at similarity J has the standard deviation sqrt(J (1 - J) / k)."""
    rng, values, pairs = random.Random(2), 128, 400
    tasks = []
    for _ in range(pairs):
        words = rng.sample(range(10**6), 60)
        tasks += [[f"w{n}" for n in words[:50]], [f"w{n}" for n in words[rng.randrange(1, 11) :]]]
    sets = [{*words, *pairwise(words)} for words in tasks]
    theirs = [datasketch.MinHash(num_perm=values, hashfunc=datasketch.hashfunc.sha1_hash32) for _ in tasks]
    for minhash, each in zip(theirs, sets, strict=True):
        minhash.update_batch([repr(shingle).encode() for shingle in each])
    ours = read([(" ".join(words), None) for words in tasks]).sign(1, values)[:, 0]
    true = [len(a & b) / len(a | b) for a, b in zip(sets[::2], sets[1::2], strict=True)]
    expected = math.sqrt(statistics.mean(similarity * (1 - similarity) / values for similarity in true))
    for estimates in (
        [a.jaccard(b) for a, b in zip(theirs[::2], theirs[1::2], strict=True)],
        (ours[::2] == ours[1::2]).mean(axis=1).tolist(),
    ):
        errors = [estimate - known for estimate, known in zip(estimates, true, strict=True)]
        assert statistics.fmean(errors) == pytest.approx(0, abs=5 * expected / math.sqrt(pairs))
        assert math.sqrt(statistics.fmean(error**2 for error in errors)) < 1.15 * expected


def test_a_third_of_the_rows_of_a_band_are_of_the_context_where_there_is_one() -> None:
    rng = random.Random(3)
    words = [f"w{n}" for n in range(1000)]
    first, second = (" ".join(rng.sample(words, 300)) for _ in range(2))
    one, same_context, same_question, bare = read([(first, second), (second, second), (first, first), (first, None)]).sign(16, 6)
    assert (one == same_context).mean(axis=0) == pytest.approx([0, 0, 0, 0, 1, 1], abs=0.5)
    assert (one == same_question).mean(axis=0) == pytest.approx([1, 1, 1, 1, 0, 0], abs=0.5)
    assert (one == bare).mean(axis=0) == pytest.approx([1, 1, 1, 1, 0, 0], abs=0.5)


def near_tasks(rng: random.Random, count: int) -> list[tuple[str, str | None]]:
    """Tasks of 3 to 60 words, most of them a change of another in one word; some with one of two passages as context."""
    words = [f"w{n}" for n in range(50)]
    contexts = [None, None, " ".join(rng.choices(words, k=30)), " ".join(rng.choices(words, k=30))]
    found = [rng.choices(words, k=rng.randint(3, 60))]
    while len(found) < count:
        task = list(rng.choice(found))
        if rng.random() < 0.3:
            task = rng.choices(words, k=rng.randint(3, 60))
        task[rng.randrange(len(task))] = rng.choice(words)
        found.append(task)
    return [(" ".join(task), rng.choice(contexts)) for task in found]


@pytest.mark.parametrize(("threshold", "size"), [(0.3, 64), (0.6, 1000), (0.6, 1), (0.9, 64), (1.0, 64)])
def test_index_finds_what_comparing_all_pairs_finds(threshold: float, size: int) -> None:
    """Whatever number of records is read at a time."""
    rng = random.Random(1)
    tasks = near_tasks(rng, 250)
    keys = [read_key(task, context, "en") for task, context in tasks]
    bands = Bands(threshold)
    for start in range(0, len(tasks), size):
        bands.add(read(tasks[start : start + size]))
    groups = bands.group()
    index, expected, found = KeyIndex(threshold, ["kept"], groups), [], []
    kept: list[int] = []
    for place, key in enumerate(keys):
        nearest = max(((key.similarity(keys[other]), key.text == keys[other].text, -other) for other in kept), default=(0.0, False, 0))
        expected.append(str(-nearest[2]) if nearest[0] >= threshold else None)
        match = index.find(place, key)
        found.append(match.record_id if match else None)
        if match is None:
            index.add(place, str(place), "kept", key)
            kept.append(place)
        else:
            assert place in groups.find_grouped(0, len(tasks))
    assert found == expected
    assert 10 < len(kept) < len(keys)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(tasks, tasks), min_size=2, max_size=12), st.sampled_from([0.2, 0.5, 0.9]))
def test_records_in_no_group_are_like_no_other(asked: list[tuple[str, str | None]], threshold: float) -> None:
    bands = Bands(threshold)
    bands.add(read(asked))
    grouped = bands.group().find_grouped(0, len(asked))
    keys = [read_key(task, context, "en") for task, context in asked]
    alike = {
        place for place, key in enumerate(keys) for other, own in enumerate(keys) if place != other and key.similarity(own) >= threshold
    }
    assert alike <= {*grouped}


def test_keys_of_many_texts_are_those_of_each_alone() -> None:
    rng = random.Random(4)
    asked = [(f"{rng.choice(['Tell', '', 'the', '三加五', '5 + 5'])} {task}", context) for task, context in near_tasks(rng, 200)]
    asked += [("the of", "???"), ("", None), ("?", "the")]
    for language in ("en", "id-ID", "xx"):
        keys = read(asked, language)
        alone = [read_key(task, context, language) for task, context in asked]
        assert [parts(key) for key in alone] == [parts(keys[number]) for number in range(len(asked))]


def parts(key: Key) -> tuple[int, int, list[int], list[int]]:
    return key.text, key.context_text, key.instruction.tolist(), key.context.tolist()


def test_earlier_origin_then_exact_then_nearest_then_first_counts() -> None:
    tasks = [" ".join(f"w{n}" for n in range(40)), " ".join(f"w{n}" for n in range(1, 40)), " ".join(f"W{n}" for n in range(40))]
    keys = read([(tasks[number], None) for number in (0, 1, 2, 2, 1)])
    bands = Bands(THRESHOLD)
    bands.add(keys)
    index = KeyIndex(THRESHOLD, ["holdout", "kept"], bands.group())
    index.add(1, "near", "kept", keys[1])
    assert (index.find(0, keys[0]) or pytest.fail()).exact is False
    index.add(2, "exact", "kept", keys[2])
    index.add(3, "again", "kept", keys[3])
    assert index.find(0, keys[0]) == Match("exact", "kept", 1.0, exact=True)
    index.add(4, "held out", "holdout", keys[4])
    assert (index.find(0, keys[0]) or pytest.fail()).record_id == "held out"


def test_threshold_that_makes_all_alike_is_refused() -> None:
    with pytest.raises(FactoryError, match=r"reward\.near_duplicate is 0\.0"):
        Bands(0.0)
