"""MLflow's registry: a student as a LoggedModel and a version, and what was decided of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.tuning.libraries import keep_quiet
from resources.tracked_runs import NOTE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

REVISION_TAG = "factory.revision"
RELEASE_TAG = "factory.release"
VERSIONS_TAG = "mlflow.modelVersions"
"""Where MLflow looks for the versions that a LoggedModel is registered as."""
DECISION_TAG = "factory.decision"
CANDIDATE, CHAMPION = "candidate", "champion"
"""Aliases of a line's student in the registry: the newest one, and the best."""
CHAT = "llm/v1/chat"
"""MLflow's task of a model that takes messages and gives one, as OpenAI's chat completions do; its signature comes with it."""


@dataclass(frozen=True)
class Student:
    """A tuned student to be registered. `example` is a question that MLflow shows with it, `max_tokens` how long the answer may be."""

    folder: Path
    revision: str
    release: str
    example: str
    max_tokens: int


def name_model(line: str) -> str:
    """What the registry calls a line's student."""
    return f"{line}_student"


def register(client: "MlflowClient", name: str, run: str, student: Student, params: Mapping[str, Any]) -> dict[str, str]:
    """Logs the student with `params` in the active `run` and makes it the newest version of `name`, under the alias `candidate`.

    One that is registered already keeps its version. What tells is the revision, a digest of its files: private work that is made anew has
    the name that it had, and other weights. Gives `mlflow_model`, `mlflow_version` and `mlflow_model_id`.
    """
    version = next(iter(_find_versions(client, name, student.revision)), None)
    if version is None:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, description=_describe(name))
        tags = {REVISION_TAG: student.revision, RELEASE_TAG: student.release}
        with keep_quiet():
            logged = _log_model(student, params, tags)
        told = f"Trained on release {student.release}, not judged yet."
        version = client.create_model_version(name, logged.model_uri, run, tags=tags, model_id=logged.model_id, description=told)
        client.set_logged_model_tags(logged.model_id, {VERSIONS_TAG: json.dumps([{"name": name, "version": version.version}])})
    client.set_registered_model_alias(name, CANDIDATE, version.version)
    return _name(version)


def write_decision(client: "MlflowClient", name: str, revision: str, decided: str, reason: str) -> dict[str, str]:
    """Says on each version of the student of that revision what was decided and why; what `register` gave of the newest, or nothing."""
    versions = _find_versions(client, name, revision)
    for version in versions:
        client.set_model_version_tag(name, version.version, DECISION_TAG, decided)
        client.update_model_version(name, version.version, description=reason)
    return _name(versions[0]) if versions else {}


def crown(client: "MlflowClient", name: str, revision: str) -> str | None:
    """Gives the newest version of the student of that revision the alias `champion`; None where there is none."""
    for version in _find_versions(client, name, revision):
        client.set_registered_model_alias(name, CHAMPION, version.version)
        return str(version.version)
    return None


def _find_versions(client: "MlflowClient", name: str, revision: str) -> "list[ModelVersion]":
    """Versions of a student by its revision, the newest first."""
    found = client.search_model_versions(f"name = '{name}' AND tags.`{REVISION_TAG}` = '{revision}'")
    return sorted(found, key=lambda each: int(each.version), reverse=True)


def _name(version: "ModelVersion") -> dict[str, str]:
    """The facts that name a version. The registry of MLflow 3.17 keeps no model's id beside it, but its source, models:/<id>."""
    model = version.source.removeprefix("models:/")
    return {"mlflow_model": version.name, "mlflow_version": str(version.version), "mlflow_model_id": model}


def _describe(name: str) -> str:
    return (
        f"Students of line {name.removesuffix('_student')}. `{CANDIDATE}` is the newest one; `{CHAMPION}` the last one that beat the "
        "champion before it on problems held out of training, with every gate passed. Each version says what was decided of it, and why."
    )


def _log_model(student: Student, params: Mapping[str, Any], tags: dict[str, str]) -> Any:
    """Loads the model from its folder, because MLflow 3.17 cannot log a folder under transformers 5.23.

    Not by `mlflow.transformers.log_model`, which would load it once more to try the example.
    """
    import mlflow
    import torch
    import transformers
    from mlflow.models import Model

    parts = {
        "model": transformers.AutoModelForCausalLM.from_pretrained(student.folder, trust_remote_code=False),
        "tokenizer": transformers.AutoTokenizer.from_pretrained(student.folder, trust_remote_code=False),
    }
    needs = [f"torch=={torch.__version__.split('+')[0]}", f"transformers=={transformers.__version__}"]
    return Model.log(
        None,
        mlflow.transformers,
        name="student",
        transformers_model=parts,
        task=CHAT,
        input_example={"messages": [{"role": "user", "content": student.example}], "max_tokens": student.max_tokens},
        model_config={"do_sample": False},  # as it was evaluated; the pipeline of transformers would sample
        pip_requirements=needs,
        params={name: str(value) for name, value in params.items()},
        tags=tags | {NOTE_TAG: f"Trained on release {student.release}. What was decided of it stands with its registered version."},
        validate_serving_input=False,
    )
