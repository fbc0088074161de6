"""Where the bundled models lie, and how a model's name in a line becomes something that transformers opens."""

from __future__ import annotations

import hashlib
from pathlib import Path

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
    return model_revision(model) if Path(resolve_model(model)).is_dir() else f"{model}@{resolve_revision(model)}"


def resolve_revision(model: str) -> str:
    """As `model_revision`, but of a hub id the commit that `from_pretrained` opens now; "main" where the hub and its cache know none.

    Asks the hub, as opening the model would, so that the answer is the same before a model was fetched and after.
    """
    if Path(resolve_model(model)).is_dir():
        return model_revision(model)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, "config.json")).parent.name
    except (OSError, ValueError):
        return model_revision(model)


def model_revision(model: str, revision: str | None = None, *, weights: bool = True) -> str:
    """Twelve hex digits of a local model's files (config, tokenizer, and `weights`), or the hub revision ("main" by default)."""
    folder = Path(resolve_model(model))
    if not folder.is_dir():
        return revision or "main"
    hasher = hashlib.sha256()
    suffixes = {".json", ".jinja", ".model", ".txt"} | ({".safetensors"} if weights else set())
    for file in sorted(folder.iterdir()):
        if file.suffix in suffixes:
            hasher.update(file.name.encode())
            hasher.update(file.read_bytes())
    return hasher.hexdigest()[:12]
