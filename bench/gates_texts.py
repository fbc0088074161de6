"""Faults in a line's records: problems of the bundled taxonomy's writers on both sides, and what is planted into the accepted ones."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from gates_preference import prefer_names
from planted import Fault, Plant

from factory.problems import WRITERS
from factory.records import SEED, VERDICT
from factory.seeds import Leaf, read_taxonomy
from factory.validation.evidence import Evidence

TAXONOMY = Path(__file__).parents[1] / "taxonomy"
EXAMPLES = 30
"""Seed examples of a leaf; every third is held out."""
RECORDS = 60
"""Candidates of a leaf; every eighth is refused."""
LONGEST = 60
"""Words at which a text of the bigram model is cut off."""
BREAK = "\n"
"""What stands between an instruction and its response where both are one text."""

Pair = tuple[str, str]
Replace = Callable[[Sequence[Pair], random.Random], Sequence[Pair]]
Write = Callable[[random.Random], str]


@cache
def list_leaves() -> list[Leaf]:
    """The leaves of the bundled taxonomy that have a problem writer."""
    return [leaf for leaf in read_taxonomy(TAXONOMY).leaves.values() if leaf.problems]


def split_problems(seed: int, records: int = RECORDS) -> Evidence:
    """Seed examples and accepted records of one population, which share no problem; nothing decides which is refused."""
    rng, seeds, verdicts = random.Random(seed), [], []
    for leaf in list_leaves():
        about = {"leaf": leaf.path, "kind": leaf.kind, "language": leaf.language, "depth": 0}
        about["groups"] = [{"name": name, "value": value} for name, value in leaf.groups]
        pairs = _write_distinct(str(leaf.problems), EXAMPLES + records, rng)
        for at, (question, answer) in enumerate(pairs[:EXAMPLES]):
            split = "seed" if at % 3 else "holdout"
            seeds.append(about | {"record_id": f"s{leaf.path}{at:04}", "question": question, "answer": answer, "split": split})
        for at, (instruction, response) in enumerate(pairs[EXAMPLES:]):
            made = {"record_id": f"r{leaf.path}{at:04}", "instruction": instruction, "response": response, "depth": 1, "verified": True}
            verdict = {"verdict": "accepted", "reason": "accepted"} if at % 8 else {"verdict": "rejected", "reason": "near_duplicate"}
            verdicts.append(about | made | verdict)
    return _with_verdicts(Evidence(pl.DataFrame(schema=VERDICT), pl.DataFrame(seeds, schema=SEED)), pl.DataFrame(verdicts, schema=VERDICT))


def _write_distinct(writer: str, size: int, rng: random.Random) -> list[Pair]:
    """Problems whose keys differ: one that both sides had would be a copy."""
    problems: dict[str, Pair] = {}
    while len(problems) < size:
        problem = WRITERS[writer](rng)
        problems.setdefault(problem.key, (problem.instruction, problem.response))
    return list(problems.values())


def change_word(text: str, draw: random.Random) -> str:
    """The text with one of its words turned round."""
    words = text.split(" ")
    place = draw.randrange(len(words))
    words[place] = words[place][::-1]
    return " ".join(words)


def copy_seeds(share: float, change: Callable[[str, random.Random], str] = lambda text, _: text) -> Plant[Evidence]:
    """A seed example of its leaf, changed or not, in place of a share of the records."""

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        examples = world.examples.filter(pl.col("split") == "seed")
        of_leaf = {leaf: list(zip(rows["question"], rows["answer"], strict=True)) for (leaf,), rows in examples.group_by("leaf")}

        def choose(leaf: str, draw: random.Random) -> tuple[str, str]:
            question, answer = draw.choice(of_leaf[leaf])
            return change(question, draw), change(answer, draw)

        draw = random.Random(int(rng.integers(2**32)))
        rows = world.verdicts.select("leaf", "instruction", "response").rows()
        hit = _draw_accepted(world, share, rng)
        return _with_texts(world, [choose(leaf, draw) if at in hit else (a, b) for at, (leaf, a, b) in enumerate(rows)])

    return plant


def append(write: Write, share: float) -> Plant[Evidence]:
    """A sentence at the end of a share of the responses."""

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        draw, hit = random.Random(int(rng.integers(2**32))), _draw_accepted(world, share, rng)
        pairs = world.verdicts.select("instruction", "response").rows()
        return _with_texts(world, [(a, f"{b}\n{write(draw)}") if at in hit else (a, b) for at, (a, b) in enumerate(pairs)])

    return plant


def write_card(rng: random.Random) -> str:
    """A card number of Visa, Mastercard or American Express, in groups as it stands on the card, with a right check digit (Luhn)."""
    start, size = rng.choice((("4", 16), (f"5{rng.randint(1, 5)}", 16), (rng.choice(("34", "37")), 15)))
    digits = start + "".join(str(rng.randrange(10)) for _ in range(size - 1 - len(start)))
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits), start=1))
    number = f"{digits}{-sum(value - 9 * (value > 9) for value in doubled) % 10}"
    cuts = (0, 4, 8, 12, 16) if size == 16 else (0, 4, 10, 15)
    grouped = rng.choice((" ", "-", "")).join(number[start:end] for start, end in itertools.pairwise(cuts))
    return rng.choice(("Charge it to {}.", "The card is {}.", "Paid with {}.")).format(grouped)


def write_email(rng: random.Random) -> str:
    """An e-mail address as people have them."""
    first, last = (rng.choice(names) for names in (("ana", "budi", "carol", "dewi", "emil"), ("santoso", "meyer", "clarke", "rossi")))
    host = rng.choice(("gmail.com", "outlook.com", "yahoo.co.id", "gmx.de", "protonmail.com"))
    return f"Write to {first}{rng.choice(('.', '_', ''))}{last}{rng.randint(1, 99)}@{host}."


def write_street(rng: random.Random) -> str:
    """A postal address in the form of one of three countries."""
    number, code = rng.randint(1, 220), rng.randint(10_000, 99_999)
    return rng.choice(
        (
            f"Send it to {number} {rng.choice(('Maple', 'Oak', 'Church'))} {rng.choice(('Street', 'Avenue', 'Road'))}, Dayton, OH {code}.",
            f"Kirim ke Jalan {rng.choice(('Melati', 'Merdeka', 'Diponegoro'))} No. {number}, Bandung {code}.",
            f"Bitte an die {rng.choice(('Garten', 'Haupt', 'Schiller'))}straße {number}, {code} Leipzig.",
        )
    )


def lose(column: str, share: float, count: int = 1) -> Plant[Evidence]:
    """A share of the candidates of so many values of a column: what the teacher did not write nobody refused."""

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        shares = sorted(world.reference(column).items(), key=lambda item: (item[1], item[0]))
        small = [value for value, part in shares if part <= 0.5]
        lost = [small[at] for at in rng.choice(len(small), count, replace=False)]
        gone = pl.col(column).is_in(lost) & pl.Series(rng.random(world.verdicts.height) < share)
        return _with_verdicts(world, world.verdicts.filter(~gone))

    return plant


def change_leaves(change: Replace) -> Plant[Evidence]:
    """The pairs of each leaf replaced by as many others."""

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        draw, texts = random.Random(int(rng.integers(2**32))), []
        for (_,), leaf in world.verdicts.group_by("leaf", maintain_order=True):
            texts += change(leaf.select("instruction", "response").rows(), draw)
        return _with_texts(world, texts)

    return plant


def repeat(share: float) -> Plant[Evidence]:
    """One text of its leaf in place of a share of the records."""
    return change_leaves(lambda pairs, rng: [pairs[0] if rng.random() < share else pair for pair in pairs])


def lengthen(by: float) -> Plant[Evidence]:
    """Each response goes on with the words of the next of its leaf, by a share of its own words."""

    def change(pairs: Sequence[Pair], rng: random.Random) -> Iterator[Pair]:
        for (instruction, response), (_, following) in zip(pairs, [*pairs[1:], pairs[0]], strict=True):
            more = math.ceil(by * len(response.split()))
            yield instruction, " ".join([response, *(following.split() * more)[:more]])

    return change_leaves(lambda pairs, rng: list(change(pairs, rng)))


def drop_tails(share: float) -> Plant[Evidence]:
    """The shortest and longest of each leaf, with all of their lengths, and new problems in their place.

    Of a leaf of two lengths the longer is lost, and of one nothing.
    """
    writers = {leaf.path: str(leaf.problems) for leaf in list_leaves()}

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        draw, texts, known = random.Random(int(rng.integers(2**32))), [], set(world.examples["question"])
        for (path,), leaf in world.verdicts.group_by("leaf", maintain_order=True):
            pairs = leaf.select("instruction", "response").rows()
            lengths = [_count_words(pair) for pair in pairs]
            low, high = np.quantile(lengths, [share, 1 - share], method="inverted_cdf")
            kept = {length for length in lengths if low < length < high} or {length for length in lengths if length < high} or {high}
            fresh: dict[str, Pair] = {}
            while len(fresh) < len(pairs):
                problem = WRITERS[writers[str(path)]](draw)
                if problem.instruction not in known and _count_words((problem.instruction, problem.response)) in kept:
                    fresh.setdefault(problem.key, (problem.instruction, problem.response))
            texts += fresh.values()
        return _with_texts(world, texts)

    return plant


def _count_words(pair: Pair) -> int:
    return len(re.findall(r"\w+", " ".join(pair)))


def write_again(generations: int) -> Plant[Evidence]:
    """Bigrams of words learn from the records of a leaf, write as many, learn from these alone, and so on."""

    def change(pairs: Sequence[Pair], rng: random.Random) -> Sequence[Pair]:
        for _ in range(generations):
            pairs = _write_by_bigrams(pairs, rng)
        return pairs

    return change_leaves(change)


def tell_depth(generations: int) -> Plant[Evidence]:
    """The same, each record with the depth that the factory notes."""

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        written = write_again(generations)(world, rng)
        return _with_verdicts(written, written.verdicts.with_columns(depth=pl.lit(generations, pl.Int32)))

    return plant


def _write_by_bigrams(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    followers: defaultdict[str, list[str]] = defaultdict(list)
    for instruction, response in pairs:
        tokens = [*instruction.split(), BREAK, *response.split()]
        for before, after in zip(["", *tokens], [*tokens, ""], strict=True):
            followers[before].append(after)
    written = []
    while len(written) < len(pairs):
        tokens = [rng.choice(followers[""])]
        while tokens[-1] and len(tokens) < LONGEST:
            tokens.append(rng.choice(followers[tokens[-1]]))
        instruction, _, response = " ".join(tokens).partition(f" {BREAK} ")
        written.append((instruction, response.strip()))
    return written


def _draw_accepted(world: Evidence, share: float, rng: np.random.Generator) -> set[int]:
    """Places of so many of the accepted among the verdicts."""
    places = np.flatnonzero((world.verdicts["verdict"] == "accepted").to_numpy())
    return set(rng.choice(places, round(share * places.size), replace=False).tolist())


def _with_texts(world: Evidence, pairs: Sequence[Pair]) -> Evidence:
    columns = [pl.Series(name, [pair[at] for pair in pairs]) for at, name in enumerate(("instruction", "response"))]
    return _with_verdicts(world, world.verdicts.with_columns(columns))


def _with_verdicts(world: Evidence, verdicts: pl.DataFrame) -> Evidence:
    return replace(world, accepted=verdicts.filter(pl.col("verdict") == "accepted"), verdicts=verdicts)


PERSONAL_DATA = ("privacy.personal_data",)
SAMENESS = ("collapse.repeated_texts", "collapse.distinct_pairs", "collapse.incompressibility", "collapse.likeness", "collapse.vendi")
FAULTS: tuple[Fault[Evidence], ...] = (
    Fault("seeds memorised", {f"{share:.0%} of the records": copy_seeds(share) for share in (0.01, 0.05, 0.2)}, ("privacy.seed_copies",)),
    Fault(
        "seeds, a word of each text changed",
        {f"{share:.0%} of the records": copy_seeds(share, change_word) for share in (0.05, 0.1, 0.2)},
        ("privacy.near_seed_copies",),
    ),
    *(
        Fault(name, {f"{share:.0%} of the records": append(write, share) for share in (0.01, 0.02, 0.05)}, PERSONAL_DATA)
        for name, write in (("card numbers", write_card), ("e-mail addresses", write_email), ("postal addresses", write_street))
    ),
    Fault(
        "leaves missing",
        {f"{count} of 16": lose("leaf", 1.0, count) for count in (1, 2, 4)},
        ("fidelity.leaf_coverage", "fairness.leaf_shift"),
    ),
    Fault(
        "a language missing",
        {f"{share:.0%} of it": lose("language", share) for share in (0.5, 0.75, 1.0)},
        ("fairness.language_shift", "fidelity.leaf_coverage"),
    ),
    Fault(
        "a declared group missing",
        {f"{share:.0%} of it": lose("group:domain", share) for share in (0.5, 0.75, 1.0)},
        ("fairness.group_shift", "fidelity.leaf_coverage"),
    ),
    Fault(
        "names preferred by the reward",
        {f"by {by:g} standard deviations": prefer_names(by) for by in (0.1, 0.3, 1.0)},
        ("fairness.counterfactual_reward", "fairness.counterfactual_flips"),
    ),
    Fault("one text of each leaf repeated", {f"{share:.0%} of the records": repeat(share) for share in (0.1, 0.3, 0.6)}, SAMENESS),
    Fault("responses longer", {f"by {by:.0%}": lengthen(by) for by in (0.25, 0.5, 1.0)}, ("fidelity.response_words",)),
    Fault(
        "tails of the lengths dropped",
        {f"{share:.0%} at each end": drop_tails(share) for share in (0.1, 0.2, 0.3)},
        ("collapse.length_tails",),
    ),
    Fault("bigrams of their own texts", {f"{count} generations": write_again(count) for count in (1, 3, 5)}, SAMENESS),
    Fault("the same, with its depth noted", {f"{count} generations": tell_depth(count) for count in (1, 3, 5)}, ("collapse.depth",)),
)
