"""The command `factory mt-bench`."""

from pathlib import Path
from typing import Annotated

import typer


def mt_bench(
    questions: Annotated[Path, typer.Argument(help="Questions in MT-Bench's form: JSON lines of question_id, category, turns.")],
    references: Annotated[
        Path | None, typer.Option(help="Right answers as FastChat writes answers; shown to the judge in maths, code and reasoning.")
    ] = None,
    line: Annotated[
        str | None, typer.Option(help="A line: its champion, or else its newest student, is asked, through its ledger and budget.")
    ] = None,
    phase: Annotated[str | None, typer.Option(help="The line's student of this phase, champion or not.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model: a bundled one, a folder, a hub id, or a YAML file with the keys of a teacher.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Who grades: as --model, the file with the keys of a judge; else the line's training.evaluation.grader."),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer; if not given 1024, or a third of the model's context where that is less.")
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Ask so many of the questions, of each category alike, by hash.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for answers, judgements and scores; else one in .factory/mt_bench.")] = None,
    ask_failed_again: Annotated[bool, typer.Option(help="Ask again for what was given up while a server failed.")] = False,
) -> None:
    """Ask a model questions of two turns and have a judge grade each answer from 1 to 10, as MT-Bench does; nothing is asked twice."""
    from assets.console import OUT
    from assets.mt_bench import hold_mt_bench, open_contest
    from assets.mt_bench_table import draw_scores
    from assets.run import open_line
    from factory.training.mt_bench import read_questions
    from resources.home import find_home

    asked = read_questions(questions, references, most)
    contest = open_contest(find_home(), None if line is None else open_line(line), phase, model, judge)
    held = hold_mt_bench(find_home(), contest, asked, max_new_tokens, out, ask_failed_again=ask_failed_again)
    for part in draw_scores(contest, held):
        OUT.print(part, highlight=False, soft_wrap=isinstance(part, str))
