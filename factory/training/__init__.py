"""Tunes the student on a release in phases, evaluates it on held-out and fresh problems, and decides whether it becomes champion."""

from factory.training.answer import Problem, answer_problems
from factory.training.choose import PhaseData, choose_data, choose_holdout, count_unused
from factory.training.contamination import CONTAMINATED, find_contaminated, find_emptied, leave_out, list_trained
from factory.training.data import find_turn_end
from factory.training.evaluate import evaluate_model, make_problems
from factory.training.exposure import EXPOSURE, measure_exposure
from factory.training.forgetting import WINDOWS, Forgetting, compare_texts, measure_perplexity, measure_texts
from factory.training.membership import MEMBERSHIP, attack_student
from factory.training.mixing import Mix, count_mixed, measure_real_share, mix_records, repeat_rows
from factory.training.pairs import PairData, choose_pairs
from factory.training.phase_folder import TrainedPhase
from factory.training.preference import fingerprint_preference, train_preference
from factory.training.promotion import Promotion, decide_promotion
from factory.training.selection import Holdout
from factory.training.sft import fingerprint_phase, train_phase
from factory.training.standing import Standing, examine_releases
from factory.training.statistics import Comparison, compare, count_forgotten, summarise
from factory.training.texts import read_texts, take_documents
from factory.training.trained_on import TRAINED_ON, join_phases, read_trained_on, take_records

__all__ = [
    "CONTAMINATED",
    "EXPOSURE",
    "MEMBERSHIP",
    "TRAINED_ON",
    "WINDOWS",
    "Comparison",
    "Forgetting",
    "Holdout",
    "Mix",
    "PairData",
    "PhaseData",
    "Problem",
    "Promotion",
    "Standing",
    "TrainedPhase",
    "answer_problems",
    "attack_student",
    "choose_data",
    "choose_holdout",
    "choose_pairs",
    "compare",
    "compare_texts",
    "count_forgotten",
    "count_mixed",
    "count_unused",
    "decide_promotion",
    "evaluate_model",
    "examine_releases",
    "find_contaminated",
    "find_emptied",
    "find_turn_end",
    "fingerprint_phase",
    "fingerprint_preference",
    "join_phases",
    "leave_out",
    "list_trained",
    "make_problems",
    "measure_exposure",
    "measure_perplexity",
    "measure_real_share",
    "measure_texts",
    "mix_records",
    "read_texts",
    "read_trained_on",
    "repeat_rows",
    "summarise",
    "take_documents",
    "take_records",
    "train_phase",
    "train_preference",
]
