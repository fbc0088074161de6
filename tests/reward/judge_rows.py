"""Judges behind a loopback server, and the answers that they give."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from factory.generation.teachers import open_teacher
from factory.model_spec import ServerSpec
from factory.reward.judges import open_comparer, open_judges
from factory.reward.judging import Judge
from factory.reward_spec import ComparingJudgeSpec, JudgeSpec

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer, never

Answer = Callable[[dict[str, Any]], str]


def serve(answer: Answer, schedule: Any = never) -> MisbehavingServer:
    """A server that gives each request's body to `answer`."""
    return MisbehavingServer(schedule, answer=answer)


def spec_judge(server: MisbehavingServer, model: str = "judge", **more: Any) -> JudgeSpec:
    """The section of a judge that listens at `server`."""
    return JudgeSpec(model=model, server=spec_server(server), **more)


def spec_server(server: MisbehavingServer) -> ServerSpec:
    return ServerSpec(base_url=server.base_url, in_flight=4, tries=2, deadline_seconds=5, park_seconds=0.2)


def open_panel(*specs: JudgeSpec) -> list[Judge]:
    return open_judges(specs, open_teacher)


def open_pair_judge(server: MisbehavingServer, **more: Any) -> Judge:
    spec = ComparingJudgeSpec(model="judge", server=spec_server(server), **more)
    return open_comparer(spec, open_teacher(spec))


def asked_text(body: dict[str, Any]) -> str:
    """The last message of a request."""
    return str(body["messages"][-1]["content"])


def asked_answers(body: dict[str, Any]) -> list[str]:
    """The responses that a bundled rubric shows, in their order."""
    return re.findall(r"\[Answer[^\]]*\](.*?)\[/Answer", asked_text(body), re.DOTALL)
