"""What the bundled models can do: new tasks well formed, tasks answered rightly, good told from spoilt. Run from the project's folder:

.venv/bin/python bench/pico.py
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from factory.generation.chat import Message, Request
from factory.generation.flows import load_flow, render_prompt
from factory.generation.local_teacher import LocalTeacher
from factory.model_spec import Sampling
from factory.pico.corpus import Corpus, render_grounded
from factory.pico.passages import write_passage
from factory.pico.rated import write_rated
from factory.problems import WRITERS, Problem, write_problem
from factory.reward.local_model import LocalRewardModel
from factory.reward.verifiers import verify
from factory.seeds import read_taxonomy

GREEDY, SAMPLED, FREE = (Sampling(temperature=temperature) for temperature in (0.0, 0.7, 1.0))


def ask(model: LocalTeacher, prompts: Sequence[str], sampling: Sampling) -> list[str]:
    """The model's answers, one for each prompt."""
    requests = [Request((Message("user", text),), seed, sampling) for seed, text in enumerate(prompts)]
    return [done.text.strip() for done in model.complete(requests)]


def measure_skills(size: int) -> None:
    """Share of well-formed new tasks and of right answers, by problem writer; "right" is a verifier's word."""
    verifiers = {leaf.problems: leaf.verifier for leaf in read_taxonomy(Path("taxonomy")).leaves.values() if leaf.problems}
    teacher, student = LocalTeacher("pico-teacher"), LocalTeacher("pico-student")
    print("\n| writer | new tasks well formed | teacher, greedy | teacher, temperature 0.7 | student base, greedy |\n|---|---|---|---|---|")
    for name in (writer for writer in WRITERS if verifiers[writer]):
        rng = random.Random(name)
        problems = [write_problem(name, rng) for _ in range(size)]
        tasks = [problem.instruction for problem in problems]
        written = ask(teacher, [write_prompt(name, rng) for _ in range(size)], FREE)
        formed = sum(verify(verifiers[name], task, "?").right is not None for task in written) / size
        rights = [
            count_right(verifiers[name], problems, ask(model, tasks, sampling)) / size
            for model, sampling in ((teacher, GREEDY), (teacher, SAMPLED), (student, GREEDY))
        ]
        print(f"| {name} | {formed:.0%} | {' | '.join(f'{right:.0%}' for right in rights)} |", flush=True)


def write_prompt(name: str, rng: random.Random) -> str:
    """The freeform flow's prompt for a new task, with three examples."""
    examples = [{"question": write_problem(name, rng).instruction} for _ in range(3)]
    return render_prompt(load_flow("freeform"), "instruction", examples=examples)


def count_right(verifier: str, problems: Sequence[Problem], answers: Sequence[str]) -> int:
    """How many answers the verifier calls right."""
    return sum(verify(verifier, problem.instruction, answer).right is True for problem, answer in zip(problems, answers, strict=True))


def measure_reading(size: int) -> None:
    """Share of questions on new invented passages that the teacher answers with the very sentence that states the fact."""
    rng = random.Random("reading")
    drawn = [(passage, *rng.choice(passage.questions)) for passage in (write_passage(rng, rng.choice(("en", "id"))) for _ in range(size))]
    answers = ask(LocalTeacher("pico-teacher"), [render_grounded(passage, question) for passage, question, _ in drawn], GREEDY)
    print(
        f"\nteacher on invented passages: {sum(said == right for said, (_, _, right) in zip(answers, drawn, strict=True)) / size:.0%} exact"
    )


def measure_reward(size: int) -> None:
    """Area under the ROC curve of the reward model on fresh good and spoilt responses."""
    from sklearn.metrics import roc_auc_score

    rng, corpus = random.Random("reward"), Corpus(frozenset())
    rated = [write_rated(corpus, rng) for _ in range(size)]
    dialogues = [tuple(Message(message["role"], message["content"]) for message in messages) for messages, _ in rated]
    scores = [rating.reward if rating else None for rating in LocalRewardModel("pico-reward", 64).rate(dialogues)]
    print(f"\nreward model on {size} fresh good and spoilt responses: AUC {roc_auc_score([good for _, good in rated], scores):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=200, help="problems for each writer")
    options = parser.parse_args()
    measure_skills(options.size)
    measure_reading(options.size)
    measure_reward(options.size * 10)


if __name__ == "__main__":
    main()
