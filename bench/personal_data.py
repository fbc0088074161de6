"""Personal data: precision, recall and F2 by type on labelled sentences, false alarms on texts that hold none, and speed.

.venv/bin/python bench/personal_data.py PII --clean GSM8K.jsonl [--spacy PIPELINE] [--presidio]

PII is the folder of Presidio's research data (synth_dataset_v2.json: sentences with spans); GSM8K.jsonl has a question and an answer a
line. With --spacy the second table is of all recognisers: weak ones too, and the names that the pipeline finds; else it has no names.
--presidio adds Presidio as it comes: its own recognisers for English, context words and thresholds, with that pipeline. Beside the default
recognisers, the others read 1,000 of each kind of texts without personal data.

A label is found where a finding of its type overlaps it, and a finding is right where it overlaps a label of its type; "exact" is the share
of the found labels that have the finding's own borders. Intervals are 95 %: Wilson for precision and recall, a bootstrap over the sentences
for F2, which counts recall twice as much as precision.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from factory.personal_data.find import find, find_all
from factory.personal_data.records import find_personal_data
from factory.personal_data.spec import NamesSpec, PersonalDataSpec
from factory.personal_data.types import OTHER_NAMES, WEAK
from factory.problems import WRITERS, write_problem
from factory.validation.intervals import wilson

Span = tuple[int, int, str]
Finder = Callable[[Sequence[str]], list[list[Span]]]

OURS = {"GPE": "LOCATION", "STREET_ADDRESS": "LOCATION", "DOMAIN_NAME": "URL", "US_DRIVER_LICENSE": "DRIVER_LICENSE"}
"""Types of the labels, and of findings, that have another name in the tables: sentences tell a street from a town by chance."""
RESAMPLES = 1000
SEED_NUMBER = 7
NUMBERS = 5000
RECORDS = 10_000
SOME = 1000


def read_labelled(folder: Path) -> tuple[list[str], list[list[Span]]]:
    """Sentences and their labels."""
    rows = json.loads((folder / "synth_dataset_v2.json").read_text())
    labels = [
        [(s["start_position"], s["end_position"], OURS.get(s["entity_type"], s["entity_type"])) for s in row["spans"]] for row in rows
    ]
    return [row["full_text"] for row in rows], labels


def ours(spec: PersonalDataSpec) -> Finder:
    """This project's finder."""

    def read(texts: Sequence[str]) -> list[list[Span]]:
        found = find_all([(text, "en") for text in texts], spec)
        return [[(each.start, each.end, OURS.get(each.type, each.type)) for each in row] for row in found]

    return read


def presidio(pipeline: str) -> Finder:
    """Presidio as it comes."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": pipeline}]})
    analyzer = AnalyzerEngine(nlp_engine=engine.create_engine(), supported_languages=["en"])
    renamed = {"US_DRIVER_LICENSE": "DRIVER_LICENSE"}
    return lambda texts: [
        [(each.start, each.end, renamed.get(each.entity_type, each.entity_type)) for each in analyzer.analyze(text, "en")] for text in texts
    ]


def overlap(one: Span, other: Span) -> bool:
    return one[2] == other[2] and one[0] < other[1] and other[0] < one[1]


def count(labels: Sequence[Span], found: Sequence[Span], kind: str) -> tuple[int, int, int, int, int]:
    """Of one sentence and type: labels, labels found, those with the same borders, findings, right findings."""
    labels, found = [each for each in labels if each[2] == kind], [each for each in found if each[2] == kind]
    hit = [label for label in labels if any(overlap(label, each) for each in found)]
    right = [each for each in found if any(overlap(label, each) for label in labels)]
    return len(labels), len(hit), len(set(hit) & set(found)), len(found), len(right)


def f2(counts: np.ndarray) -> float:
    labels, hit, _, found, right = counts
    precision, recall = (right / found if found else 0.0), (hit / labels if labels else 0.0)
    return float(5 * precision * recall / (4 * precision + recall)) if precision + recall else 0.0


def show_share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({' to '.join(f'{end:.3f}' for end in wilson(part, whole))})" if whole else "none found"


def show_accuracy(labels: list[list[Span]], found: list[list[Span]]) -> None:
    rng = np.random.default_rng(SEED_NUMBER)
    draws = rng.integers(0, len(labels), (RESAMPLES, len(labels)))
    print("| type | labels | precision | recall | exact | F2 |\n|---|---|---|---|---|---|")
    for kind in sorted({each[2] for row in labels for each in row}):
        rows = np.array([count(gold, said, kind) for gold, said in zip(labels, found, strict=True)])
        total, hit, exact, said, right = (int(value) for value in rows.sum(axis=0))
        low, high = np.quantile([f2(rows[draw].sum(axis=0)) for draw in draws], (0.025, 0.975))
        share = f"{exact / hit:.3f}" if hit else "-"
        value = f"{f2(rows.sum(axis=0)):.3f} ({low:.3f} to {high:.3f})"
        print(f"| {kind} | {total} | {show_share(right, said)} | {show_share(hit, total)} | {share} | {value} |")
    known = {each[2] for row in labels for each in row}
    others = Counter(each[2] for row in found for each in row if each[2] not in known)
    print("\nfindings of types that no label has:", dict(others.most_common()) or "none", "\n", flush=True)


def write_clean(gsm8k: Path) -> dict[str, list[str]]:
    """Texts that hold no personal data, but many numbers."""
    rng = random.Random(SEED_NUMBER)
    rows = [json.loads(line) for line in gsm8k.read_text().splitlines()]
    problems = [write_problem(name, rng) for name in sorted(WRITERS) for _ in range(500)]
    return {
        "GSM8K": [f"{row['question']}\n{row['answer']}" for row in rows],
        "the bundled problems": [f"{problem.instruction}\n{problem.response}" for problem in problems],
        "long numbers": [write_number(rng) for _ in range(NUMBERS)],
    }


def write_number(rng: random.Random) -> str:
    """A task with numbers of 7 to 19 digits."""
    one, other = (rng.randrange(10 ** (size - 1), 10**size) for size in (rng.randint(7, 19), rng.randint(7, 19)))
    sign = rng.choice("+-*/")
    forms = ("Compute {} {} {}.", "What is {}{}{}?", "Which is larger, {0} or {2}?", "The number {0} has the digits of {2}.", "{0}, {2}, …")
    return rng.choice(forms).format(one, sign, other)


def show_alarms(clean: dict[str, list[str]], finder: Finder) -> None:
    print("| texts | number | texts with an alarm per 1,000 | findings by type per 1,000 texts |\n|---|---|---|---|")
    for name, texts in clean.items():
        found = finder(texts)
        kinds = Counter(each[2] for row in found for each in row)
        hit = sum(map(bool, found))
        low, high = (1000 * end for end in wilson(hit, len(texts)))
        told = ", ".join(f"{kind} {1000 * number / len(texts):.2f}" for kind, number in kinds.most_common()) or "none"
        print(f"| {name} | {len(texts)} | {1000 * hit / len(texts):.2f} ({low:.2f} to {high:.2f}) | {told} |", flush=True)
    print()


def show_speed(gsm8k: Path, sentences: Iterable[str]) -> None:
    started = time.perf_counter()
    find("Call +62 812 3456 7890.")
    print(f"start: {time.perf_counter() - started:.1f} s")
    rows = [json.loads(line) for line in gsm8k.read_text().splitlines()]
    asked = [(row["question"], row["answer"]) for row in rows]
    dense = list(sentences)
    sets = {
        "of GSM8K": [asked[place % len(asked)] for place in range(RECORDS)],
        "of labelled sentences": [(dense[place % len(dense)], dense[(7 * place + 1) % len(dense)]) for place in range(RECORDS)],
    }
    for name, texts in sets.items():
        # A number of its own makes each record another text.
        frame = pl.DataFrame(
            {"record_id": f"{place:05}", "language": "en", "instruction": f"{one} [{place}]", "response": other}
            for place, (one, other) in enumerate(texts)
        )
        started, processor = time.perf_counter(), time.process_time()
        found = find_personal_data(frame, ("instruction", "response"))
        wall, used = time.perf_counter() - started, time.process_time() - processor
        print(f"{RECORDS} records {name}: {wall:.1f} s, {used:.1f} s of one core, {found.height} findings", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clean", type=Path, required=True)
    parser.add_argument("--spacy")
    parser.add_argument("--presidio", action="store_true")
    given = parser.parse_args()
    sentences, labels = read_labelled(given.folder)
    show_speed(given.clean, sentences)
    clean = write_clean(given.clean)
    some = {name: random.Random(SEED_NUMBER).sample(texts, SOME) for name, texts in clean.items()}
    names = (NamesSpec(model=given.spacy, kind="spacy"),) if given.spacy else ()
    finders = {
        "default recognisers": ours(PersonalDataSpec()),
        "all recognisers": ours(PersonalDataSpec(names=names, types=WEAK | OTHER_NAMES)),
    }
    if given.presidio:
        finders["Presidio as it comes"] = presidio(given.spacy)
    for name, finder in finders.items():
        print(f"\n{name}\n")
        show_accuracy(labels, finder(sentences))
        show_alarms(clean if name.startswith("default") else some, finder)


if __name__ == "__main__":
    main()
