"""Procedural writers of problems with right answers: text for pretraining, and fresh problems for evaluation."""

from factory.problems import arithmetic, bahasa, data, dates, numbers, units, words, writing
from factory.problems.registry import WRITERS, Problem, Split, split_of, write_problem

__all__ = [
    "WRITERS",
    "Problem",
    "Split",
    "arithmetic",
    "bahasa",
    "data",
    "dates",
    "numbers",
    "split_of",
    "units",
    "words",
    "write_problem",
    "writing",
]
