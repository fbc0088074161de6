"""Where the bundled models lie, and how a model's name in a line becomes something that transformers opens."""

from __future__ import annotations

import hashlib
from pathlib import Path

from factory.pico.hub_commits import MAIN, find_commit

WEIGHTS = Path(__file__).parent / "weights"
PICO_MODELS = ("pico-teacher", "pico-student", "pico-reward")


def resolve_model(model: str) -> str:
    """What `from_pretrained` opens: the bundled folder for a pico name, else `model` itself (a folder or a hub id)."""
    return str(WEIGHTS / model) if model in PICO_MODELS else model


def name_model(model: str) -> str:
    """What records call a model: a pico name or hub id as it is, a folder by its own name, so that they do not depend on where it lies."""
    folder = Path(resolve_model(model))
    return folder.resolve().name if folder.is_dir() else model


def identify_model(model: str) -> str:
    """What names all that is made with a model: of a folder the digest of its files, wherever it lies; `<hub id>@<commit>` of a hub id."""
    return model_revision(model) if Path(resolve_model(model)).is_dir() else f"{model}@{model_revision(model)}"


def model_revision(model: str, revision: str | None = None, *, weights: bool = True) -> str:
    """Twelve hex digits of a local model's files (config, tokenizer, and `weights`), or the commit of a hub model.

    `revision` is a branch, tag or commit of a hub model. Where neither the hub nor its cache knows the commit, it is `revision` as given,
    "main" by default: so is a model named that cannot be opened.
    """
    folder = Path(resolve_model(model))
    if not folder.is_dir():
        return find_commit(model, revision) or revision or MAIN
    hasher = hashlib.sha256()
    suffixes = {".json", ".jinja", ".model", ".txt"} | ({".safetensors"} if weights else set())
    for file in sorted(folder.iterdir()):
        if file.suffix in suffixes:
            hasher.update(file.name.encode())
            hasher.update(file.read_bytes())
    return hasher.hexdigest()[:12]


def pin_revision(model: str, revision: str | None = None) -> str | None:
    """The `revision` with which `from_pretrained` opens the weights that `model_revision` names, though the hub's branch moves meanwhile.

    None of a local model. Where neither the hub nor its cache knows the commit, it is `revision` as given: `from_pretrained` then says what
    is wrong. Raises OSError where `model` is no folder and cannot be a hub id.
    """
    if Path(resolve_model(model)).is_dir():
        return None
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(model)
    except HFValidationError:
        raise OSError(f"there is no folder {model}, and a hub id reads 'owner/name'.") from None
    return find_commit(model, revision) or revision
