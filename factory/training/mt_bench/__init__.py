"""MT-Bench's protocol (Zheng et al. 2023, arXiv 2306.05685) with any model and any judge: two turns, each answer graded from 1 to 10."""

from factory.training.mt_bench.answers import Answered, answer_questions
from factory.training.mt_bench.grades import GRADE, grade_answers
from factory.training.mt_bench.questions import Question, read_questions
from factory.training.mt_bench.scores import SCORE, summarise_grades

__all__ = [
    "GRADE",
    "SCORE",
    "Answered",
    "Question",
    "answer_questions",
    "grade_answers",
    "read_questions",
    "summarise_grades",
]
