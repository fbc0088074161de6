"""Near-duplicates of short texts: time, peak memory, recall and precision, with datasketch's own LSH beside it; and how long the verdict's
search for copies takes over stored records. Run from the project's folder:

.venv/bin/python bench/dedup.py                   # all that docs/benchmarks.md shows: 1,000,000 texts, then 100,000 stored records
.venv/bin/python bench/dedup.py --texts 0         # the stored records alone, with seeds, contexts and an evaluation set
.venv/bin/python bench/dedup.py --records 0 --datasketch-texts 1000000

The load of the machine is told first: figures are worth something where it is near 0. Each engine is a process of its own with one
thread; its processor time counts its start. A text is flagged where it is like one that came before it and was not flagged itself. What is
alike in truth is told by the exact Jaccard similarity of the shingle sets.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from factory.problems import WRITERS, write_problem
from factory.records import SCORED, SEED, TURNS
from factory.reward.copies import find_copies
from factory.reward.duplicates import Keys, choose_bands, read_keys
from factory.reward.words import read_tokens
from factory.reward_spec import RewardSpec

THRESHOLD = 0.9
SIGNATURE_LENGTH = 128
"""Values of datasketch's MinHashes: its default."""
LEVELS = (0.95, 0.9, 0.88, 0.85, 0.8, 0.7)
"""Similarities at which copies are planted, as many at each; the nearest from above that changing last words gives."""
PLANTED = 0.1
WORDS = (20, 60)
VOCABULARY = 50_000
SEED_NUMBER = 7
BATCH = 1000
ONE_THREAD = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
BINS = ((0.95, 1.01), (0.9, 0.95), (0.85, 0.9), (0.8, 0.85), (0.0, 0.8))


def write_texts(count: int, file: Path) -> None:
    """Texts of 20 to 60 words of a Zipf-like vocabulary; copies stand anywhere behind what they copy. Columns: text, base, level."""
    rng = np.random.default_rng(SEED_NUMBER)
    syllables = [a + b for a in "bdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "or")]
    vocabulary = list(dict.fromkeys("".join(rng.choice(syllables, size=rng.integers(2, 5))) for _ in range(VOCABULARY)))
    shares = 1 / (np.arange(len(vocabulary)) + 10)
    copies = int(count * PLANTED)
    lengths = rng.integers(*WORDS, size=count - copies, endpoint=True)
    drawn = rng.choice(len(vocabulary), size=int(lengths.sum()), p=shares / shares.sum())
    texts = [[vocabulary[word] for word in words] for words in np.split(drawn, np.cumsum(lengths)[:-1])]
    places = rng.random(len(texts))
    bases = rng.choice(len(texts), size=copies, replace=False)
    levels = np.array(LEVELS)[np.arange(copies) % len(LEVELS)]
    rows = [(" ".join(words), None, None, place) for words, place in zip(texts, places.tolist(), strict=True)]
    for number, (base, level) in enumerate(zip(bases.tolist(), levels.tolist(), strict=True)):
        place = places[base] + rng.random() * (1 - places[base])
        rows.append((plant(texts[base], level, number), base, level, float(place)))
    frame = pl.DataFrame(rows, schema={"text": pl.String, "base": pl.Int64, "level": pl.Float64, "place": pl.Float64}, orient="row")
    order = frame.with_row_index("id").sort("place", maintain_order=True).with_row_index("row")
    base_rows = order.select(base=pl.col("id").cast(pl.Int64), base_row="row")
    order.join(base_rows, on="base", how="left", maintain_order="left").select("row", "text", "base_row", "level").write_parquet(file)


def plant(words: list[str], level: float, number: int) -> str:
    """A copy whose last words are changed and left out so that its similarity is the nearest to `level` from above."""
    size, best = len(words), (1.0, 0, 1)
    for changed in range(size // 3):
        for dropped in range(size // 3):
            shared = 2 * (size - changed - dropped) - 1
            similarity = shared / (2 * size - 1 + 2 * (size - dropped) - 1 - shared)
            if similarity >= level and changed + dropped:
                best = min(best, (similarity, changed, dropped))
    kept = words[: size - best[1] - best[2]]
    return " ".join([*kept, *(f"new{number}x{each}" for each in range(best[1]))])


def run_ours(texts: pl.DataFrame) -> dict[int, list[int]]:
    """What `find_copies` flags, each with the row that it names."""
    good = texts.select(
        "row",
        record_id=pl.col("row").cast(pl.String),
        language=pl.lit("xx"),
        instruction="text",
        context=pl.lit(None, pl.String),
        response=pl.lit(""),
        turns=pl.lit(None, TURNS),
        instruction_id=pl.lit(None, pl.String),
        seed=pl.lit(None, pl.Int64),
    )
    people = pl.DataFrame(schema=SEED)
    return {row: [int(matched)] for row, _, matched, _ in find_copies(good, people, RewardSpec(near_duplicate=THRESHOLD))}


def run_datasketch(texts: pl.DataFrame, bands: tuple[int, int] | None = None) -> dict[int, list[int]]:
    """What datasketch's MinHashLSH flags over the same shingles, each with all rows that it names; with its own bands, or given ones."""
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=SIGNATURE_LENGTH, params=bands)
    blank = MinHash(num_perm=SIGNATURE_LENGTH)
    flagged = {}
    for part in texts.iter_slices(BATCH):
        for row, key in zip(part["row"], read(part["text"].to_list()), strict=True):
            minhash = blank.copy()
            minhash.update_batch([shingle.tobytes() for shingle in key.instruction])
            if found := lsh.query(minhash):
                flagged[row] = found
            else:
                lsh.insert(row, minhash, check_duplication=False)
    return flagged


def run_datasketch_wide(texts: pl.DataFrame) -> dict[int, list[int]]:
    """datasketch with our bands, which miss as few pairs as ours do."""
    return run_datasketch(texts, choose_bands(THRESHOLD))


OURS, RECORDS = "data-factory", "records"
ENGINES = {OURS: run_ours, "datasketch": run_datasketch, "datasketch, our bands": run_datasketch_wide}


def run_engine(name: str, file: Path, count: int, out: Path) -> None:
    """In a process of its own: flags the first `count` texts, and writes what was seen."""
    texts = pl.read_parquet(file, n_rows=count)
    began = time.perf_counter()
    flagged = ENGINES[name](texts)
    seen = {"seconds": time.perf_counter() - began, "cpu": time.process_time(), "peak": peak_memory(), "flagged": list(flagged.items())}
    out.write_text(json.dumps(seen))


def peak_memory() -> float:
    """The most memory that this process ever held, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def compare(file: Path, counts: dict[str, int]) -> None:
    """Runs the engines one after the other and prints their figures."""
    rows = pl.read_parquet(file)
    texts, bases = rows["text"].to_list(), rows["base_row"].to_list()
    planted = [(row, base) for row, base in enumerate(bases) if base is not None]
    truth = dict(zip([row for row, _ in planted], measure(texts, planted), strict=True))
    print("| engine | texts | s | CPU s | peak GB | flagged | recall | precision |\n|---|---|---|---|---|---|---|---|")
    shares = []
    for name, count in counts.items():
        out = file.with_suffix(".json")
        command = [sys.executable, __file__, "--engine", name, "--file", str(file), "--out", str(out), "--texts", str(count)]
        subprocess.run(command, check=True, env=ONE_THREAD)
        seen = json.loads(out.read_text())
        flagged = dict(seen["flagged"])
        alike = [row for row, similarity in truth.items() if similarity >= THRESHOLD and row < count]
        recall = sum(row in flagged for row in alike) / len(alike)
        named = [(row, other) for row, found in flagged.items() for other in found]
        right = len({row for (row, _), similarity in zip(named, measure(texts, named), strict=True) if similarity >= THRESHOLD})
        print(
            f"| {name} | {count:,} | {seen['seconds']:.0f} | {seen['cpu']:.0f} | {seen['peak']:.2f} | {len(flagged):,} | {recall:.4f} "
            f"| {right / max(len(flagged), 1):.4f} |",
            flush=True,
        )
        for low, high in BINS:
            within = [row for row, similarity in truth.items() if low <= similarity < high and row < count]
            shares.append((name, f"{low:.2f} to {min(high, 1):.2f}", len(within), sum(row in flagged for row in within)))
    print("\n| engine | true similarity of the planted copy | planted | flagged |\n|---|---|---|---|")
    for name, span, planted, flagged_of in shares:
        print(f"| {name} | {span} | {planted:,} | {flagged_of:,} ({flagged_of / max(planted, 1):.1%}) |")


def read(texts: list[str]) -> Keys:
    """What texts ask; of a language without stopwords."""
    tokens = read_tokens([*texts, ""])
    return read_keys(tokens, ["xx"] * len(tokens.texts), [(number, len(texts)) for number in range(len(texts))])


def measure(texts: list[str], pairs: list[tuple[int, int]]) -> Iterator[float]:
    """The exact similarity of pairs of texts."""
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        ones, others = (read([texts[pair[side]] for pair in part]) for side in (0, 1))
        yield from (one.similarity(other) for one, other in zip(ones, others, strict=True))


def make_records(count: int, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, RewardSpec]:
    """Stored records: half of them problems of the bundled writers (templates, so near one another), half questions about passages, a
    hundredth of these with an item of an evaluation set in their response; seeds; and an evaluation set of 10,000 items."""
    rng = random.Random(SEED_NUMBER)
    words = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("ran", "lit", "mos", "ten", "ka", "bu", "si", "dor")]
    write = lambda least, most: " ".join(rng.choices(words, k=rng.randint(least, most)))  # noqa: E731
    items = [write(8, 60) for _ in range(10_000)]
    (folder / "items.txt").write_text("\n".join(items))
    passages = [write(80, 200) for _ in range(count // 80 + 1)]
    writers = sorted(WRITERS)
    rows = []
    for number in range(count):
        row = dict.fromkeys(SCORED) | {"record_id": f"r{number}", "leaf": "leaf", "language": "en"}
        if number % 2:
            problem = write_problem(writers[number // 2 % len(writers)], rng, "pretraining")
            row |= {"instruction": problem.instruction, "response": problem.response}
        else:
            held = f" {rng.choice(items)}" if number % 200 == 0 else ""
            row |= {
                "instruction": f"What does the text say of {write(3, 8)}?",
                "context": passages[number // 80],
                "response": write(20, 80) + held,
            }
        rows.append(row)
    good = pl.DataFrame(rows, schema=SCORED).with_row_index("row")
    people = [dict.fromkeys(SEED) | {"record_id": f"s{n}", "language": "en", "question": write(8, 20), "answer": "-"} for n in range(2000)]
    people = [row | {"split": ("seed", "holdout")[n % 2]} for n, row in enumerate(people)]
    spec = RewardSpec.model_validate({"contamination": {"sets": {"items": str(folder / "items.txt")}}})
    return good, pl.DataFrame(people, schema=SEED), spec


def time_records(count: int, folder: Path) -> None:
    """Prints how long the search for copies takes over stored records, and what it found."""
    good, people, spec = make_records(count, folder)
    began, cpu = time.perf_counter(), time.process_time()
    found = pl.DataFrame([copy[1:2] for copy in find_copies(good, people, spec)], schema=["reason"], orient="row")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in found["reason"].value_counts().sort("reason").iter_rows())
    print(f"{count:,} records: {seconds:.1f} s ({cpu:.1f} s of processor time), peak {peak_memory():.2f} GB; {reasons}")


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000_000, help="0 for none; %(default)s unless given")
    parser.add_argument("--datasketch-texts", type=int, default=100_000, help="the first of them, for datasketch; %(default)s unless given")
    parser.add_argument("--records", type=int, default=100_000, help="stored records, 0 for none; %(default)s unless given")
    parser.add_argument("--engine", choices=[*ENGINES, RECORDS], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine == RECORDS:
        time_records(options.records, options.out)
    elif options.engine:
        run_engine(options.engine, options.file, options.texts, options.out)
    else:
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
        with tempfile.TemporaryDirectory() as folder:
            if options.texts:
                file = Path(folder) / "texts.parquet"
                write_texts(options.texts, file)
                theirs = min(options.datasketch_texts, options.texts)
                compare(file, {name: options.texts if name == OURS else theirs for name in ENGINES})
            if options.records:
                command = [sys.executable, __file__, "--engine", RECORDS, "--records", str(options.records), "--out", folder]
                subprocess.run(command, check=True, env=ONE_THREAD)


if __name__ == "__main__":
    main()
