"""What the libraries that tune do to a process and say to a person, put right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger
from pathlib import Path

from factory.faults import FactoryError


@contextmanager
def keep_quiet() -> Iterator[None]:
    """No progress bars and no reports of the libraries: what matters of them becomes an error."""
    from transformers.utils import logging

    showed, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    # Where it is installed, peft imports it, and it warns of a kernel for 4-bit weights that a CPU may lack.
    quantised = getLogger("bitsandbytes")
    level = quantised.level
    quantised.setLevel(ERROR)
    try:
        yield
    finally:
        quantised.setLevel(level)
        logging.set_verbosity(verbosity)
        if showed:
            logging.enable_progress_bar()


@contextmanager
def reproduce() -> Iterator[None]:
    """Puts back what the Trainer's full determinism sets for the whole process."""
    import torch

    environment = dict(os.environ)
    deterministic, warn_only = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


@contextmanager
def explain_writes(what: str, folder: Path) -> Iterator[None]:
    """What the libraries raise where a file of `what` cannot be written becomes a FactoryError."""
    try:
        yield
    except Exception as error:
        if not is_of_writing(error):
            raise
        reason = " ".join(str(error).split())
        raise FactoryError(
            f"{what}: {folder} cannot be written: {reason}. Free some space and run again; training goes on from the last whole checkpoint."
        ) from error


def is_of_writing(error: Exception) -> bool:
    """Whether `error` is of a file that could not be written or read, by whichever library."""
    from safetensors import SafetensorError

    # PyTorch's writer and that of tokenizers have no error class of their own.
    return isinstance(error, OSError | SafetensorError) or "PytorchStreamWriter" in str(error) or "(os error " in str(error)
