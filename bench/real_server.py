"""Every bundled flow over HTTP: `transformers serve` with the bundled teacher on loopback, which is asked as any server is.

.venv/bin/python bench/real_server.py     # needs: pip install 'transformers[serving]'

The bundled teacher knows two of the prompts and fits 512 tokens, so most answers of the other flows do not parse. What must hold is that
each planned candidate is one row, made or accounted for by its reason, that every token is counted, and that a second run asks nothing.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from factory.generation.flows import load_flow
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.server_teacher import ServerTeacher
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.line_flows import FLOWS
from factory.pico.models import resolve_model
from factory.seeds import collect_documents, collect_examples, read_taxonomy

MODEL = resolve_model("pico-teacher")
SKILL, KNOWLEDGE = "compositional_skills/words/reverse_words", "knowledge/nature/island_animals"
START_SECONDS = 120
SEED = 1


@contextmanager
def serve() -> Iterator[str]:
    """The base URL of a server of the bundled teacher."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", MODEL, "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([*command, "--device", "cpu"], stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}/v1"
        except TimeoutError:
            log.seek(0)
            sys.exit(f"the server did not start:\n{log.read()[-3000:]}")
        finally:
            server.terminate()
            server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Returns once the server answers; TimeoutError where it ended or takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(url)


def specify(flow: str, base_url: str, candidates: int) -> GenerationSpec:
    """A line's generation section: teacher and judge are the server's one model, answers are short."""
    model = {"model": MODEL, "server": {"base_url": base_url, "in_flight": 4, "context_tokens": 512, "tokenizer": MODEL}}
    short = {section: {"max_new_tokens": 48} for section in ("instruction", "response", "judging", "precise", "creative")}
    given = {"teacher": model, "judge": model, "flows": {"*": flow}, "candidates_per_leaf": candidates}
    return GenerationSpec.model_validate(given | short)


def run_flow(name: str, base_url: str, candidates: int, seeds: pl.DataFrame, documents: pl.DataFrame, work: Path) -> None:
    """Prints one row, after the claims about it are checked."""
    leaf = KNOWLEDGE if load_flow(name).reads_context else SKILL
    spec = specify(name, base_url, candidates)
    with Ledger(work / f"{name}.sqlite") as ledger:

        def run() -> tuple[pl.DataFrame, int]:
            teacher, judge = open_teacher(spec.teacher), open_teacher(spec.teacher)
            frame = generate_candidates(leaf, seeds, documents, spec, [teacher], ledger, SEED, judge=judge)
            return frame, sum(model.requests for model in (teacher, judge) if isinstance(model, ServerTeacher))

        began = time.perf_counter()
        frame, requests = run()
        seconds = time.perf_counter() - began
        again, asked_again = run()
    assert frame.height == frame["record_id"].n_unique() == candidates, name
    assert again.equals(frame) and asked_again == 0, name
    lost = frame.filter(pl.col("parse_fault").is_not_null() | pl.col("refusal").is_not_null())
    why = lost.select(pl.coalesce("parse_fault", "refusal").str.slice(0, 60)).to_series().value_counts(sort=True)
    first = why.row(0)[0].replace("|", "/").replace("\n", " ") if lost.height else ""
    tokens = int((frame["prompt_tokens"] + frame["completion_tokens"]).sum())
    print(
        f"| {name} | {candidates} | {frame.height - lost.height} | {lost.height} | {requests} | {tokens} | {seconds:.0f} | {first} |",
        flush=True,
    )


def main() -> None:
    """Parses the arguments and runs every bundled flow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=6)
    options = parser.parse_args()
    leaves = [read_taxonomy(Path("taxonomy")).leaves[path] for path in (SKILL, KNOWLEDGE)]
    seeds = pl.concat(collect_examples(leaf, 0.3) for leaf in leaves)
    documents = pl.concat(collect_documents(leaf, 80, lambda text: len(text.split())) for leaf in leaves)
    with serve() as base_url, tempfile.TemporaryDirectory() as folder:
        print("| flow | planned | made | accounted for | requests | tokens | s | most frequent reason |\n|---|---|---|---|---|---|---|---|")
        for name in sorted(file.stem for file in FLOWS.glob("*.yaml")):
            run_flow(name, base_url, options.candidates, seeds, documents, Path(folder))


if __name__ == "__main__":
    main()
