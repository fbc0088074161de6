"""MLflow takes the name of every metric, student and experiment, and keeps two apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_experiment_name, _validate_metric_name, _validate_model_name

from factory.spec import NAME
from resources.registry import name_model
from resources.tracked_metrics import LONGEST_METRIC, name_metric


@given(st.text(st.characters(codec="utf-8", exclude_characters="/."), min_size=1, max_size=300), st.text(max_size=3))
def test_mlflow_takes_the_metric_of_any_leaf_and_keeps_two_apart(leaf: str, more: str) -> None:
    name = name_metric(f"skills/{leaf}/tuned")
    _validate_metric_name(name)
    assert len(name) <= LONGEST_METRIC
    if more and unicodedata.normalize("NFC", leaf) != unicodedata.normalize("NFC", f"{leaf}{more}"):
        assert name != name_metric(f"skills/{leaf}{more}/tuned")


@given(st.from_regex(NAME, fullmatch=True))
def test_mlflow_takes_the_student_of_any_line(line: str) -> None:
    _validate_model_name(name_model(line))
    _validate_experiment_name(line)
    with pytest.raises(MlflowException, match="cannot contain '/'"):
        _validate_model_name(f"team/{line}_student")


def test_a_plain_metric_keeps_its_name() -> None:
    assert name_metric("compositional_skills/words/sort_words/holdout/base") == "compositional_skills/words/sort_words/holdout/base"
    assert name_metric("knowledge/文字") == "knowledge/文字"
