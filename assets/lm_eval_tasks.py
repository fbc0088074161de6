"""`factory lm-eval-tasks`: the problems of a line's evaluation as tasks of EleutherAI's lm-eval, and the command that runs them."""

import shlex
from pathlib import Path

from assets.champion import student_name
from assets.console import OUT
from assets.servers import PLAIN
from assets.shelf import Shelf, open_shelf
from factory.faults import FactoryError
from factory.line import Line
from factory.pico.models import resolve_model
from factory.training import Problem, make_problems
from factory.training.lm_eval_tasks import name_turn_end, write_tasks
from resources.home import Home, prepare_stores


def write_line_tasks(home: Home, line: Line, out: Path) -> None:
    """Writes the tasks into `out`/<line> and says how the harness runs them. Raises FactoryError where the line was not evaluated yet."""
    prepare_stores(home)
    shelf = open_shelf(home, line.name)
    problems = _read_problems(shelf, line)
    student = shelf.frame(student_name(line.training.plan[-1]))
    model = line.training.student if student is None else student["model"][0]
    folder = write_tasks(line.name, problems, line.training.evaluation.max_new_tokens, out, name_turn_end(model))
    opened = f"pretrained={resolve_model(model)}{'' if is_on_gpu() else ',dtype=float32'}"
    arguments = ["--model", "hf", "--model_args", opened, "--include_path", str(folder.parent), "--tasks", line.name]
    leaves = len({problem.leaf for problem in problems})
    OUT.print(f"{len(problems)} problems of {leaves} leaves as tasks of lm-eval, group {line.name}: {folder}", **PLAIN)
    OUT.print(shlex.join(["lm_eval", *arguments, "--apply_chat_template"]), **PLAIN)


def is_on_gpu() -> bool:
    """Whether models are opened on a GPU here, then in the type of their weights and not in float32."""
    import torch

    return torch.cuda.is_available()


def _read_problems(shelf: Shelf, line: Line) -> list[Problem]:
    """The problems that the line's evaluation asked, whose answers are stored."""
    seeds, mix, answers = (shelf.frame(name) for name in ("seed_examples", "training_mix", "evaluation"))
    if seeds is None or mix is None or answers is None:
        raise FactoryError(f"Line {line.name} has no evaluation yet: `factory run {line.name}` makes one.")
    asked = set(answers["problem_id"])
    drawn = make_problems(seeds, mix, line.training.evaluation.problems_per_leaf, line.seed)
    problems = [problem for problem in drawn if problem.problem_id in asked]
    if len(problems) < len(asked):
        raise FactoryError(
            f"Line {line.name} was changed since it was evaluated: {len(asked) - len(problems)} of {len(asked)} problems are no longer its "
            f"own. `factory run {line.name}` evaluates it anew."
        )
    return problems
