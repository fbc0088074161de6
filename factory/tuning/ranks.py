"""The processes that tune one model together: how many there are, which of them this is, and what the first does for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

PATIENCE = timedelta(days=1)
"""How long a process waits for another, which may be writing a large model or measuring checkpoints. One that dies ends all at once."""

Given = TypeVar("Given")


def count_ranks() -> int:
    """How many processes tune together; 1 outside of `join_ranks`."""
    import torch.distributed as group

    return group.get_world_size() if group.is_available() and group.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and tells."""
    import torch.distributed as group

    return count_ranks() == 1 or group.get_rank() == 0


@contextmanager
def join_ranks() -> Iterator[None]:
    """Joins the processes that accelerate has launched beside this one: over NCCL where there are GPUs, else over Gloo on the CPU."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    yield
    state.destroy_process_group()


def on_first(act: Callable[[], Given]) -> Given:
    """What `act` gives in the first process, in every process: it acts once all have come here, and the others wait until it has."""
    if count_ranks() == 1:
        return act()
    import torch.distributed as group

    group.barrier()
    given = [act() if is_first() else None]
    group.broadcast_object_list(given)
    return given[0]  # type: ignore[return-value]
