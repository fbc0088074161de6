"""Where a line names models, and whether they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.faults import Fault
from factory.spec_faults import suggest
from factory.yaml_source import YamlSource

Place = tuple[str | int, ...]
"""A path into a document: keys, and places in lists."""

TEACHER_KEYS: tuple[tuple[str, ...], ...] = (
    ("generation", "teacher"),
    ("generation", "teachers", "*"),
    ("generation", "judge"),
    ("reward",),
    ("reward", "judges", "*"),
    ("reward", "pairs", "judge"),
    ("training", "evaluation", "judge"),
    ("training", "evaluation", "grader"),
)
"""Where a line names a model and its server; `*` is each item of a list."""
MODEL_KEYS: tuple[tuple[str, ...], ...] = (
    ("training", "student"),
    ("reward", "semantic", "embedder"),
    ("validation", "embedder"),
)


def find_missing_models(source: YamlSource, file: Path) -> list[Fault]:
    """A fault for each model or adapter that the line `source` names and that is neither bundled, nor a folder, nor a hub id."""
    from factory.pico.models import PICO_MODELS

    faults = []
    for place in _model_places(source.data):
        model = get_at(source.data, place)
        if not (isinstance(model, str) and model) or model in PICO_MODELS or (file.parent / model).is_dir() or is_hub_id(model):
            continue
        if model.startswith("pico-"):
            faults.append(source.fault(place, f"no bundled model {model!r}; {suggest(model, PICO_MODELS)}"))
        else:
            faults.append(
                source.fault(place, f"no model folder {file.parent / model}; give a bundled model, a folder, or a hub id 'owner/name'")
            )
    for place in _adapter_places(source.data):
        adapter = get_at(source.data, place)
        if isinstance(adapter, str) and adapter and not (file.parent / adapter / "adapter_config.json").is_file():
            problem = f"no adapter_config.json in {file.parent / adapter}; give the folder of a LoRA adapter that peft saved"
            faults.append(source.fault(place, problem))
    return faults


def locate_models(line: dict[str, Any], file: Path) -> dict[str, Any]:
    """`line`, the dump of a Line, with each model and adapter that is a folder relative to `file` as an absolute path."""
    from factory.pico.models import PICO_MODELS

    for place in (*_model_places(line), *_adapter_places(line)):
        section, key = get_at(line, place[:-1]), place[-1]
        if section and section.get(key) and section[key] not in PICO_MODELS and (file.parent / section[key]).is_dir():
            section[key] = str((file.parent / section[key]).resolve())
    return line


def is_hub_id(model: str) -> bool:
    """Whether `model` has the form 'owner/name' of a Hugging Face hub id rather than of a path."""
    owner, slash, name = model.partition("/")
    return bool(slash and owner and name) and "/" not in name and not model.startswith((".", "~"))


def get_at(data: Any, place: Place) -> Any:
    """What `data` holds at `place`; null where it holds nothing."""
    for step in place:
        inside = isinstance(data, dict) and step in data
        data = data[step] if inside or (isinstance(data, list | tuple) and isinstance(step, int)) else None
    return data


def _teacher_places(data: Any) -> list[Place]:
    """The place of each TeacherSpec that `data` gives."""
    places: list[Place] = []
    for keys in TEACHER_KEYS:
        found: list[tuple[Place, Any]] = [((), data)]
        for key in keys:
            if key == "*":
                found = [((*place, i), item) for place, value in found if isinstance(value, list | tuple) for i, item in enumerate(value)]
            else:
                found = [((*place, key), value[key]) for place, value in found if isinstance(value, dict) and key in value]
        places += [place for place, value in found if isinstance(value, dict)]
    return places


def _model_places(data: Any) -> list[Place]:
    """Where `data` names a bundled model, a folder or a hub id. A model that a server serves has any name; its tokenizer has not."""
    served = {place: get_at(data, (*place, "server")) is not None for place in _teacher_places(data)}
    teachers: list[Place] = [(*place, "server", "tokenizer") if is_served else (*place, "model") for place, is_served in served.items()]
    return [*teachers, *MODEL_KEYS, *_finder_places(data)]


def _finder_places(data: Any) -> list[Place]:
    """Where `data` names a model that finds names and places; one of spaCy's may be a package, and is looked for when it is opened."""
    names = ("validation", "personal_data", "names")
    found = get_at(data, names) or ()
    return [(*names, at, "model") for at, each in enumerate(found) if isinstance(each, dict) and each.get("kind") != "spacy"]


def _adapter_places(data: Any) -> list[Place]:
    return [(*place, "adapter") for place in _teacher_places(data)]
