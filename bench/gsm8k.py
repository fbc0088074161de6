"""Whether the GSM8K verifier accepts every reference answer and refuses every spoilt one, and what a sandboxed check costs.

    .venv/bin/python bench/gsm8k.py FOLDER        # FOLDER/train.jsonl of github.com/openai/grade-school-math

Prints both counts over all solutions and over spoilt ones, and exits with status 1 where one of them fails.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from factory.reward.verifiers import verify

PROGRAM = "def f(x):\n    return x * 2"
TESTS = "assert f(2) == 4\nassert f('ab') == 'abab'"


def _change_digit(number: str, rng: random.Random) -> str:
    place = rng.choice([place for place, character in enumerate(number) if character.isdigit()])
    other = rng.choice([digit for digit in "0123456789" if digit != number[place]])
    return number[:place] + other + number[place + 1 :]


def _step(number: str, rng: random.Random) -> str:
    return str(int(number.replace(",", "")) + rng.choice((-10, -1, 1, 10)))


SPOILS: dict[str, Callable[[str, str, random.Random], str]] = {
    "a digit changed": lambda work, number, rng: f"{work}#### {_change_digit(number, rng)}",
    "one or ten off": lambda work, number, rng: f"{work}#### {_step(number, rng)}",
    "a digit more": lambda work, number, rng: f"{work}#### {number.replace(',', '')}{rng.choice('0123456789')}",
    "a decimal more": lambda work, number, rng: f"{work}#### {number}.{rng.choice('123456789')}",
    "sign turned": lambda work, number, rng: f"{work}#### {number.removeprefix('-') if number.startswith('-') else '-' + number}",
    "comma misplaced": lambda work, number, rng: f"{work}#### {number[:1]},{number[1:]}0",
    "no mark": lambda work, number, rng: f"{work}{number}",
    "in words": lambda work, number, rng: f"{work}The answer is {number}.",
    "a unit after it": lambda work, number, rng: f"{work}#### {number} apples",
    "a line after it": lambda work, number, rng: f"{work}#### {number}\nSo it is.",
    "two answers": lambda work, number, rng: f"{work}#### {number}\n#### {_step(number, rng)}",
    "nothing after the mark": lambda work, number, rng: f"{work}#### ",
}


def spoil(answer: str, rng: random.Random) -> tuple[str, str]:
    """How an answer is spoilt, and the spoilt answer; a spoil that leaves the number as it is (0 with its sign turned) is drawn anew."""
    work, _, number = answer.rpartition("#### ")
    while True:
        name = rng.choice(sorted(SPOILS))
        spoilt = SPOILS[name](work, number, rng)
        if not (name == "sign turned" and number.strip("-0,") == ""):
            return name, spoilt


def main() -> None:
    """Both counts, and the time of a sandboxed check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spoilt", type=int, default=1000)
    parser.add_argument("--sandboxed", type=int, default=200)
    given = parser.parse_args()
    problems = [json.loads(line) for line in (given.folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]

    started = time.perf_counter()
    verified = sum(verify("gsm8k", row["question"], row["answer"], reference=row["answer"]).right is True for row in problems)
    seconds = time.perf_counter() - started
    print(f"reference answers that verify: {verified:,} of {len(problems):,} ({seconds / len(problems) * 1e6:.0f} µs each)")

    rng = random.Random(0)
    said: Counter[tuple[str, bool | None]] = Counter()
    for row in rng.sample(problems, given.spoilt):
        name, answer = spoil(row["answer"], rng)
        said[name, verify("gsm8k", row["question"], answer, reference=row["answer"]).right] += 1
    refused = sum(count for (_, right), count in said.items() if right is not True)
    print(f"spoilt answers that are refused: {refused:,} of {given.spoilt:,}")
    for name in sorted(SPOILS):
        print(f"  {name}: {said[name, False]} wrong, {said[name, None]} cannot tell, {said[name, True]} right")

    times = []
    for _ in range(given.sandboxed):
        started = time.perf_counter()
        verify("python_tests", TESTS, PROGRAM)
        times.append(time.perf_counter() - started)
    if times:
        print(f"a Python program against two tests in the sandbox: median {statistics.median(times) * 1000:.0f} ms of {len(times)}")
    if verified < len(problems) or refused < given.spoilt:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
