"""A model's answers to questions of several turns: each turn is asked with the model's own answers before it, through the ledger."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from factory.generation.chat import Completion, FinishReason, Message, Request
from factory.generation.drivers import WRITERS_OF_A_SLOT, Source, drive_concurrent, drive_windows
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.models import Model, Served
from factory.generation.spending import BudgetSpentError, Spending
from factory.generation.writers import Call
from factory.model_spec import Sampling
from factory.records import digest
from factory.training.mt_bench.questions import Question

UNANSWERED: tuple[FinishReason, ...] = ("overflow", "failed")
"""How a turn ends after which no later one is asked."""


@dataclass(frozen=True)
class Answered:
    """A question with the answer to each turn: `texts`, and how each `ended`. A turn that does not fit the model's context has an empty
    answer, for the model cannot do it; one that a server gave up has none, and `note` says why."""

    question: Question
    texts: tuple[str | None, ...]
    ended: tuple[FinishReason, ...]
    note: str | None


@dataclass
class _Dialogue:
    """A conversation while it is had."""

    question: Question
    model: Model
    sampling: Sampling
    seed: int
    replies: list[Completion] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be asked."""
        return bool(self.replies) and (len(self.replies) == len(self.question.turns) or self.replies[-1].finish_reason in UNANSWERED)


def answer_questions(
    model: Model, questions: Sequence[Question], max_new_tokens: int, ledger: Ledger, spending: Spending, seed: int = 0
) -> list[Answered]:
    """The answers of `model`, in the order of `questions`, each cut at `max_new_tokens` and sampled at its category's temperature.

    What the ledger holds is not asked again. Raises what models and ledger raise once every answer in flight is stored, BudgetSpentError
    among it.
    """
    dialogues = [
        _Dialogue(question, model, Sampling(temperature=question.temperature, max_new_tokens=max_new_tokens), seed)
        for question in questions
    ]
    try:
        run_in_loop(_drive(model, dialogues, Source(ledger, spending)))
    except BudgetSpentError:
        done = sum(dialogue.finished for dialogue in dialogues)
        raise BudgetSpentError(spending.describe(), f"{done:,} of {len(dialogues):,} questions answered") from None
    return [_end(dialogue) for dialogue in dialogues]


async def _drive(model: Model, dialogues: list[_Dialogue], source: Source) -> None:
    teacher = model.teacher
    if not isinstance(teacher, Served):
        await drive_windows(dialogues, _converse, source, teacher.window, _take)
        return
    try:
        await drive_concurrent(dialogues, _converse, source, WRITERS_OF_A_SLOT * teacher.in_flight, _take)
    finally:
        await teacher.close()


def _take(dialogue: _Dialogue) -> None:
    """Nothing: a dialogue holds its own replies."""


def _converse(dialogue: _Dialogue) -> Generator[Call, Completion, list[_Dialogue]]:
    """Takes a dialogue through its turns."""
    messages: list[Message] = []
    while not dialogue.finished:
        messages.append(Message("user", dialogue.question.turns[len(dialogue.replies)]))
        reply = yield _call(dialogue, tuple(messages))
        dialogue.replies.append(reply)
        messages.append(Message("assistant", reply.text))
    return [dialogue]


def _call(dialogue: _Dialogue, messages: tuple[Message, ...]) -> Call:
    # No id of the question: the same words get the same answer.
    key = digest(
        [
            ["mt_bench", dialogue.seed],
            [[message.role, message.content] for message in messages],
            [dialogue.model.teacher.identity, dialogue.sampling.model_dump()],
        ]
    )
    subject = f"question {dialogue.question.question_id}, turn {len(dialogue.replies) + 1}"
    return Call(key, dialogue.model, Request(messages, int(key[:12], 16), dialogue.sampling, None, subject))


def _end(dialogue: _Dialogue) -> Answered:
    replies = dialogue.replies + dialogue.replies[-1:] * (len(dialogue.question.turns) - len(dialogue.replies))
    failed = next((reply.text for reply in replies if reply.finish_reason == "failed"), None)
    texts = {"overflow": "", "failed": None}
    return Answered(
        dialogue.question,
        tuple(texts.get(reply.finish_reason, reply.text) for reply in replies),
        tuple(reply.finish_reason for reply in replies),
        failed,
    )
