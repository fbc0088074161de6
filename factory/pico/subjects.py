"""What the made-up flows of the pico forms talk about: topics, questions, tasks and short texts, drawn from templates in two languages."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from factory.pico.relations import draw_kata, draw_word, invent_name
from factory.problems.vocabulary import FIRST_NAMES, JOBS


@dataclass(frozen=True)
class Phrases:
    """Templates of one language. {t} is the topic, {q} a question without its mark, {d} a type of document; the rest is drawn by `fill`."""

    topics: tuple[str, ...]
    narrower: tuple[str, ...]
    questions: tuple[str, ...]
    details: tuple[str, ...]
    explanations: tuple[str, ...]
    tasks: tuple[str, ...]
    task_details: tuple[str, ...]
    texts: tuple[str, ...]
    openings: tuple[str, ...]
    keywords: tuple[str, ...]
    sums: dict[str, tuple[str, str]]
    evolved: tuple[tuple[str, str], ...]
    summary: tuple[str, ...]


ENGLISH = Phrases(
    topics=(
        "{w} and {v}", "the care of {w} and {v}", "life in {p}", "the work of a {j}", "food made from {w}", "music and {w}",
        "the history of {p}", "travel to {p}", "how a {w} is made", "health and {w}", "weather and {v}", "money for a {w}",
        "school and {w}", "animals of {p}", "the {w} trade", "gifts of {w}", "learning to draw a {w}", "the garden of a {j}",
    ),
    narrower=(
        "{t} in {p}", "{t} for a {j}", "{t} without {w}", "the cost of {t}", "the history of {t}", "{t} at home", "{t} and {w}",
        "tools for {t}", "mistakes in {t}", "{t} for beginners", "{t} in winter",
    ),
    questions=(
        "How does one begin with {t}?", "What should a {j} know about {t}?", "Why do people in {p} care about {t}?",
        "What does {t} have to do with {w}?", "How much time does {t} take?", "Which {w} is needed for {t}?", "Who can teach {t}?",
    ),
    details=(
        "{q}, for a {j} in {p}?", "{q}, with {n} {w}s and no {v}?", "{q}, and what changes in {p}?", "{q}, when there is only one {w}?",
        "{q}, if {m} has {n} days for it?",
    ),
    explanations=(
        "For {t} one needs a {w} and a {v}. A {j} can help with it.", "It begins with the {w}. Then comes the {v}, in {n} days.",
        "In {p} it is done with a {w}. Ask a {j} before you buy a {v}.", "Most of it is {w} and {v}. {m} learned it in {n} weeks.",
    ),
    tasks=(
        "Write {d} about {t} for a {j}.", "Write {d} about {t} that speaks of a {w}.", "Write {d} in which {m} finds out about {t}.",
        "Write {d} about {t} in {p}.",
    ),
    task_details=(
        "{q}. It is for readers in {p} and has {n} sentences.", "{q}. Name a {w} and a {v} in it.", "{q}. Begin with {m}, end with {w}.",
        "{q}. Use short words, as it is for a {j}.",
    ),
    texts=(
        "{m} thought about {t}. The {w} was near, and the {v} was gone.", "In {p} they speak of {t}. A {j} keeps the {w}.",
        "Dear {m}, this is about {t}. Take the {w} to {p}.", "A {w} and a {v}: that is {t}.",
    ),
    openings=("", "", "Please tell me: ", "One more thing. ", "In short: ", "I am not sure about this. ", "For a lesson: "),
    keywords=(
        "sums up to {n}", "fractions of {n}", "the times table of {k}", "area of a {w}", "percentages", "prime numbers below {n}",
        "powers of {k}", "angles of a polygon", "equations with one unknown", "mean of {k} numbers", "ratio of {k} to {n}", "sequences",
        "limits of sequences", "vectors in the plane", "probability with {k} dice", "rounding to tens",
    ),
    sums={
        "a problem to be computed": ("On {t}: what is {a} + {b}?", "{a} + {b} = {c}"),
        "a problem told as a story of everyday life": (
            "{m} learns about {t} with {a} {w}s and buys {b} more. How many {w}s are there now?",
            "{a} + {b} = {c}. There are {c} {w}s.",
        ),
        "a question about a concept": ("What is meant by {t}, and where does a {j} use it?", "{t} is what a {j} counts a {w} with."),
        "a statement to be shown": ("Show for {t} that {a} + {b} is the same as {b} + {a}.", "{a} + {b} = {c} and {b} + {a} = {c}."),
    },
    evolved=(
        ("{q} Begin your answer with the word {w}.", "{w} {r}"), ("{q} End your answer with the word {w}.", "{r} {w}"),
        ("{q} Then name the {w} as well.", "{r}. {w}"), ("{q} Write the answer after the name {m}.", "{m}: {r}"),
        ("{q} Put the answer between < and >.", "<{r}>"),
    ),
    summary=("Summarise this text in one sentence.", "Say in one sentence what the text begins with.", "Write the first fact again."),
)  # fmt: skip

INDONESIAN = Phrases(
    topics=(
        "{w} dan {v}", "cara merawat {w}", "kehidupan di {p}", "makanan dari {w}", "musik dan {w}", "sejarah {p}", "perjalanan ke {p}",
        "cara membuat {w}", "kesehatan dan {v}", "cuaca dan {w}", "sekolah dan {w}", "hewan di {p}", "perdagangan {w}", "hadiah dari {w}",
    ),
    narrower=(
        "{t} di {p}", "{t} tanpa {w}", "biaya {t}", "sejarah {t}", "{t} di rumah", "{t} dan {w}", "alat untuk {t}", "kesalahan dalam {t}",
        "{t} untuk pemula",
    ),
    questions=(
        "Bagaimana memulai {t}?", "Mengapa orang di {p} peduli pada {t}?", "Apa hubungan {t} dengan {w}?", "Berapa lama {t}?",
        "Siapa yang dapat mengajarkan {t}?", "Apa yang diperlukan untuk {t}?",
    ),
    details=(
        "{q}, untuk orang di {p}?", "{q}, dengan {n} {w} dan tanpa {v}?", "{q}, jika hanya ada satu {w}?", "{q}, jika {m} punya {n} hari?",
    ),
    explanations=(
        "Untuk {t} diperlukan {w} dan {v}.", "Mulai dengan {w}. Lalu {v} selama {n} hari.", "Di {p} orang memakai {w}. {m} tahu caranya.",
    ),
    tasks=(
        "Tulis {d} tentang {t} untuk {m}.", "Tulis {d} tentang {t} yang menyebut {w}.", "Tulis {d} tentang {t} di {p}.",
    ),
    task_details=(
        "{q}. Untuk pembaca di {p}, dalam {n} kalimat.", "{q}. Sebutkan {w} dan {v}.", "{q}. Mulai dengan {m} dan akhiri dengan {w}.",
    ),
    texts=("{m} memikirkan {t}. {w} ada di sini, {v} tidak.", "Di {p} orang bicara tentang {t}. Ada {w} dan {v}."),
    openings=("", "", "Tolong jelaskan: ", "Satu lagi. ", "Singkatnya: ", "Saya belum yakin. "),
    keywords=(
        "penjumlahan sampai {n}", "pecahan dari {n}", "perkalian {k}", "luas {w}", "persen", "bilangan prima di bawah {n}", "pangkat {k}",
        "sudut segi banyak", "persamaan", "rata-rata {k} bilangan", "barisan", "peluang dengan {k} dadu",
    ),
    sums={
        "a problem to be computed": ("Tentang {t}: berapa {a} + {b}?", "{a} + {b} = {c}"),
        "a problem told as a story of everyday life": (
            "{m} belajar {t} dengan {a} {w} lalu membeli {b} lagi. Berapa {w} sekarang?",
            "{a} + {b} = {c}. Ada {c} {w}.",
        ),
        "a question about a concept": ("Apa arti {t}, dan apa gunanya untuk {w}?", "{t} dipakai untuk menghitung {w}."),
        "a statement to be shown": ("Tunjukkan untuk {t} bahwa {a} + {b} sama dengan {b} + {a}.", "{a} + {b} = {c} dan {b} + {a} = {c}."),
    },
    evolved=(
        ("{q} Awali jawaban dengan kata {w}.", "{w} {r}"), ("{q} Akhiri jawaban dengan kata {w}.", "{r} {w}"),
        ("{q} Lalu sebut juga {w}.", "{r}. {w}"), ("{q} Tulis jawaban setelah nama {m}.", "{m}: {r}"),
    ),
    summary=("Ringkas teks ini dalam satu kalimat.", "Tulis lagi fakta yang pertama."),
)  # fmt: skip

PHRASES = {"en": ENGLISH, "id": INDONESIAN}

PYTHON_KEYWORDS = tuple(
    """list comprehensions,dictionaries,sets,tuples,string methods,for loops,while loops,functions,recursion,generators,classes,
    decorators,the module re,the module json,the module csv,the module math,sorting,binary search,stacks,queues,files,exceptions,slices,
    lambda,type hints,f-strings,itertools,iterators,context managers,hash tables""".replace("\n", " ").split(",")
)
PROGRAMS: tuple[tuple[str, str], ...] = (
    ("Use {t} to count {w} names. In: a line of names. Out: their number.", "print(len(input().split()))"),
    ("With {t}, sort {w} prices. In: a line of {k} numbers. Out: the same, sorted.", "print(sorted(map(int, input().split())))"),
    ("Write a program with {t} that finds the word {w}. In: a line. Out: True or False.", 'print("{w}" in input())'),
    ("Use {t} to add {k} to each number. In: a line of numbers. Out: the new numbers.", "print([int(x) + {k} for x in input().split()])"),
    ("With {t}, print {w} {k} times. In: nothing. Out: {k} lines.", 'for _ in range({k}):\n    print("{w}")'),
)


def fill(rng: random.Random, template: str, language: str, **given: str) -> str:
    """`template` with what is given, and with drawn words (w, v), place (p), person (m), job (j) and numbers (n, k) in its other places."""
    draw = draw_word if language == "en" else draw_kata
    drawn = {
        "w": draw(rng),
        "v": draw(rng),
        "p": invent_name(rng),
        "m": rng.choice(FIRST_NAMES),
        "j": rng.choice(JOBS),
        "n": str(rng.randint(2, 60)),
        "k": str(rng.randint(2, 9)),
    }
    return template.format(**{**drawn, **given})


def fill_pair(rng: random.Random, templates: tuple[str, str], language: str, **given: str) -> tuple[str, str]:
    """A task and its answer of one drawing: the words of both are the same."""
    task, answer = fill(rng, "\0".join(templates), language, **given).split("\0")
    return task, answer


def draw_sum(rng: random.Random) -> dict[str, str]:
    """Two terms and their sum."""
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    return {"a": str(a), "b": str(b), "c": str(a + b)}


def draw_distinct(draw: Callable[[], str], count: int) -> list[str]:
    """`count` texts that differ."""
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[draw()] = None
    return list(texts)
