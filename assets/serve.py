"""`factory serve`: a line's tuned student behind an API of chat completions in OpenAI's form, by `transformers serve`."""

import difflib
import importlib.util
import ipaddress
import json
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.champion import find_champion, student_name
from assets.console import OUT
from assets.servers import PLAIN, Server, find_port, run_servers
from assets.shelf import Shelf, open_shelf
from factory.faults import FactoryError
from factory.line import Line
from factory.records import take_examples
from factory.release.visible import make_visible
from factory.reward.rating import user_text
from resources.home import Home, prepare_stores

NEEDED = ("fastapi", "openai", "uvicorn")
"""What `transformers serve` needs beside transformers."""
LOAD_SECONDS = 1800.0
"""How long a model may take to load: it is waited for as long as its process lives, and no longer than this."""


@dataclass(frozen=True)
class ChosenStudent:
    """A tuned student. `what` says which of the line's it is."""

    folder: Path
    what: str
    release: str


def serve_student(home: Home, line: Line, host: str, port: int | None, phase: str | None) -> None:
    """Serves the line's champion, else its newest student, or that of `phase`, until Ctrl-C or SIGTERM; `port` None is a free one.

    The model is loaded once this is open. Nothing is downloaded. Raises FactoryError where there is no student, the libraries are missing,
    the port is taken, or the server ends by itself.
    """
    prepare_stores(home)
    shelf = open_shelf(home, line.name)
    student, name = choose_student(shelf, line, phase), f"{line.name}_student"
    if missing := [library for library in NEEDED if importlib.util.find_spec(library) is None]:
        raise FactoryError(
            f"Serving a student needs {' and '.join(missing)}, not installed here: pip install 'data-factory[serving]'. "
            f"The student itself lies in {student.folder}, in Hugging Face form, for any other server."
        )
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-P", "-m", "transformers.cli.transformers", "serve", name, "--host", host]
        port = find_port(host) if port is None else port
        server = Server("The student", "port", port, [*command, "--port", str(port)], Path(scratch), home.logs / "serve.log", host)
        OUT.print(f"{line.name}: loading its {student.what}, trained on release {student.release}: {student.folder}", **PLAIN)
        environment = os.environ | {
            "HF_HUB_CACHE": str(_pretend_downloaded(student.folder, name, Path(scratch))),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }
        run_servers([server], environment, lambda: _tell(server, name, shelf, line), LOAD_SECONDS)


def choose_student(shelf: Shelf, line: Line, phase: str | None) -> ChosenStudent:
    """The line's champion, else its newest student, or that of `phase`. Raises FactoryError where there is none."""
    names = [each.name for each in line.training.plan]
    if phase is not None and phase not in names:
        near = difflib.get_close_matches(phase, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(names)}."
        raise FactoryError(f"Line {line.name} has no phase {phase!r}. {hint}")
    history = shelf.frame("champion")
    champion = None if history is None or phase is not None else find_champion(history)
    if history is not None and champion is not None:
        judged = history.filter(student=champion, promoted=True).row(-1, named=True)
        return ChosenStudent(Path(judged["model"]), "champion", judged["release"])
    named = phase or names[-1]
    tuned = shelf.frame(student_name(line.training.plan[names.index(named)]))
    if tuned is None:
        raise FactoryError(f"Line {line.name} has no student of phase {named!r} yet: `factory run {line.name}` makes one.")
    folder = Path(tuned["model"][0])
    if not (folder / "config.json").is_file():
        raise FactoryError(f"The student of line {line.name} is no longer in {folder}: `factory run {line.name}` makes it again.")
    return ChosenStudent(folder, f"student of phase {named}", tuned["release"][0])


def _pretend_downloaded(folder: Path, name: str, scratch: Path) -> Path:
    """A cache of the hub in `scratch` that holds the model in `folder` as `name`, and nothing else.

    So the server knows its one model by that name, and not by a path of this machine, and lists it at /v1/models.
    """
    cache, revision = scratch / "hub", "0" * 40
    model = cache / f"models--{name}"
    for part in ("refs", "snapshots"):
        (model / part).mkdir(parents=True)
    (model / "refs" / "main").write_text(revision)
    (model / "snapshots" / revision).symlink_to(folder)
    return cache


def _tell(server: Server, name: str, shelf: Shelf, line: Line) -> None:
    url = f"http://{server.host}:{server.port}/v1"
    leaf, question = _choose_question(shelf)
    asked = {
        "model": name,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": line.training.evaluation.max_new_tokens,
    }
    body = json.dumps(asked, ensure_ascii=make_visible(question) != question)
    OUT.print(f"base URL   {url}\nmodel      {name}\nask it     (a question of {leaf})", **PLAIN)
    OUT.print(f"curl -s {url}/chat/completions -H 'Content-Type: application/json' -d {shlex.quote(body)}", **PLAIN)
    if not _is_loopback(server.host):
        OUT.print(f"It asks for no key: whoever reaches {server.host}:{server.port} may use it.", style="yellow", **PLAIN)


def _choose_question(shelf: Shelf) -> tuple[str, str]:
    """A leaf, and the shortest question that a person wrote for one, without a context where there is such."""
    seeds = shelf.frame("seed_examples")
    examples = None if seeds is None else take_examples(seeds)
    if examples is None or examples.is_empty():
        return "no leaf, as none has examples", "Who are you?"
    order = [pl.col("context").is_not_null(), pl.col("question").str.len_chars(), pl.col("record_id")]
    row = examples.sort(order).row(0, named=True)
    return row["leaf"], user_text(row["question"], row["context"])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
