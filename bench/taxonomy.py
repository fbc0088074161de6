"""How long a taxonomy takes to read and validate: 3,000 written leaves, or a folder of your own. Run from the project's folder:

.venv/bin/python bench/taxonomy.py [--leaves 3000] [--runs 5] [--folder TAXONOMY]
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

import yaml

from factory.problems import WRITERS, write_problem
from factory.reward.verifiers import SETTINGS
from factory.seeds import read_taxonomy

WORDS = "the whale sings under cold water and every season it crosses the ocean while people on the shore count waves at night".split()
LICENCES = ("CC BY 4.0", "CC-BY-SA-4.0", "Apache 2.0", "MIT License", "Creative Commons Attribution-ShareAlike 4.0 International")


def write_taxonomy(root: Path, leaves: int) -> None:
    """Leaves as upstream has them: of ten, five freeform skills, two grounded ones, one foundational of version 1, two of knowledge."""
    rng = random.Random(leaves)
    for number in range(leaves):
        match number % 10:
            case 0 | 1 | 2 | 3 | 4:
                write_leaf(root, f"compositional_skills/area_{number % 37}/skill_{number}", write_skill(rng, rng.randint(5, 12)), rng)
            case 5 | 6:
                skill = write_skill(rng, rng.randint(5, 8), grounded=True)
                write_leaf(root, f"compositional_skills/grounded/area_{number % 23}/skill_{number}", skill, rng)
            case 7:
                skill = write_skill(rng, 3) | {"version": 1}
                write_leaf(root, f"foundational_skills/reasoning/skill_{number}", skill, rng)
            case _:
                write_leaf(root, f"knowledge/area_{number % 29}/field_{number}", write_knowledge(rng), rng)


def write_leaf(root: Path, path: str, content: dict[str, object], rng: random.Random) -> None:
    """One leaf with its attribution."""
    folder = root / path
    folder.mkdir(parents=True)
    (folder / "qna.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))
    (folder / "attribution.txt").write_text(
        f"Title of work: {path}\nLink to work: -\nLicense of the work: {rng.choice(LICENCES)}\nCreator names: -\n"
    )


def write_skill(rng: random.Random, count: int, *, grounded: bool = False) -> dict[str, object]:
    """A skill of `count` examples, from the problem writers."""
    writer = rng.choice(sorted(WRITERS))
    problems = {problem.instruction: problem.response for problem in (write_problem(writer, rng) for _ in range(count * 20))}
    context = {"context": write_text(rng, 120)} if grounded else {}
    examples = [context | {"question": question, "answer": answer} for question, answer in list(problems.items())[:count]]
    while len(examples) < count:
        examples.append(context | {"question": write_text(rng, 12), "answer": write_text(rng, 30)})
    return {"version": 3, "created_by": "bench", "task_description": write_text(rng, 20), "seed_examples": examples}


def write_knowledge(rng: random.Random) -> dict[str, object]:
    """A field of knowledge of five contexts with three pairs each."""
    pairs = [[{"question": write_text(rng, 12), "answer": write_text(rng, 25)} for _ in range(3)] for _ in range(5)]
    document = {"repo": "https://example.org/texts.git", "commit": f"{rng.getrandbits(160):040x}", "patterns": ["*.md"]}
    return {
        "version": 3,
        "domain": "Nature",
        "created_by": "bench",
        "seed_examples": [{"context": write_text(rng, 300), "questions_and_answers": three} for three in pairs],
        "document": document,
        "document_outline": write_text(rng, 15),
    }


def write_text(rng: random.Random, words: int) -> str:
    """A text that is not the same twice."""
    return " ".join([*rng.choices(WORDS, k=words - 1), f"{rng.getrandbits(40)}."])


def measure(root: Path, runs: int) -> None:
    """Prints the median of `runs` readings, and what was read."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        taxonomy = read_taxonomy(root, verifiers=SETTINGS, problems=WRITERS)
        seconds.append(time.perf_counter() - started)
    examples = sum(len(leaf.examples) for leaf in taxonomy.leaves.values())
    size = sum(file.stat().st_size for file in root.rglob("qna.yaml")) / 1e6
    print(f"{len(taxonomy.leaves):,} leaves, {examples:,} examples, {size:.1f} MB of YAML, {len(taxonomy.faults)} faults")
    print(f"median {statistics.median(seconds):.2f} s of {runs} runs, {min(seconds):.2f} to {max(seconds):.2f} s")


def main() -> None:
    """Measures a written taxonomy, and with --folder another one as well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=3000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="A taxonomy of your own.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_taxonomy(Path(folder), given.leaves)
        measure(Path(folder), given.runs)
    if given.folder:
        measure(given.folder, given.runs)


if __name__ == "__main__":
    main()
