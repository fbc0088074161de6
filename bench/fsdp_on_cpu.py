"""One of several processes that tune a phase sharded by FSDP, on the CPU: what `bench/scale.py --sharded` launches.

accelerate shards over GPUs alone; here it is told that Gloo on the CPU is one. All else is what a GPU would run: fully_shard, gathered
checkpoints, and going on from them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from accelerate.state import PartialState
from accelerate.utils import DistributedType

from factory.training.worker import main

PREPARE = PartialState.__init__


def prepare(state: PartialState, cpu: bool = False, **settings: Any) -> None:
    PREPARE(state, **{**settings, "backend": "gloo"})


if __name__ == "__main__":
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
    PartialState.__init__ = prepare
    main(Path(sys.argv[1]))
