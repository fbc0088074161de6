"""Every bundled flow against a real server: `transformers serve` with a bundled pico model, on loopback. Run from the project's folder:

    .venv/bin/python bench/real_server.py [--model factory/pico/weights/pico-teacher] [--candidates 6] [--context-tokens 512]

A small model keeps to few forms, so what is shown is not how much it writes: each planned candidate is one row, made or accounted for by
reason, each request is counted, and a second run asks nothing. Ends with an error where that does not hold. The server needs fastapi and
uvicorn, which MLflow and dagster-webserver bring along.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.generation.flows import list_bundled, load_flow
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.teachers import open_teacher
from factory.generation.tokens import ChatTokenizer
from factory.line import GenerationSpec, load_line
from factory.seeds import collect_documents, collect_examples, read_taxonomy

START_SECONDS = 120.0
FREEFORM, KNOWLEDGE = "compositional_skills/words/sort_words", "knowledge/nature/island_animals"
"""Leaves of the bundled taxonomy: the flows that ask about a text take the second."""


@dataclass(frozen=True)
class Served:
    """A running server, and the file of its words, in which it notes each request."""

    base_url: str
    log: Path

    @property
    def requests(self) -> int:
        """Chat completions that it was asked for so far."""
        return self.log.read_text(errors="replace").count("POST /v1/chat/completions")


@contextmanager
def serve(model: Path, log: Path) -> Iterator[Served]:
    """`transformers serve` of a model's folder on a free port of loopback, while inside. Raises SystemExit where it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with log.open("wb") as words:
        process = subprocess.Popen([*command, "--device", "cpu", "--log-level", "info"], stdout=words, stderr=words, env=environment)
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
        yield Served(f"http://127.0.0.1:{port}/v1", log)
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_healthy(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    """Returns once the server answers. Raises SystemExit with its last words where it ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"transformers serve did not start; it said:\n{log.read_text(errors='replace')[-2000:]}")


def specify(model: str, served: Served, options: argparse.Namespace) -> GenerationSpec:
    """A line's section: the model as teacher and as judge, short answers, prompts counted with the model's own tokenizer."""
    place = {"base_url": served.base_url, "in_flight": 4, "deadline_seconds": 120.0, "tokenizer": model}
    section = {"model": model, "server": place | {"context_tokens": options.context_tokens}}
    short = {key: {"max_new_tokens": options.new_tokens} for key in ("instruction", "response", "precise", "creative")}
    settings = {"teacher": section, "judge": section, "candidates_per_leaf": options.candidates, "examples_per_prompt": 2}
    return GenerationSpec.model_validate(settings | short)


def read_seeds(line_file: Path, model: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Seed examples of the bundled taxonomy, and the chunks of the documents of KNOWLEDGE, as the line cuts them."""
    line = load_line(line_file)
    leaves = read_taxonomy(line.seeds.taxonomy).leaves
    examples = pl.concat(collect_examples(leaf, line.seeds.holdout) for leaf in leaves.values())
    return examples, collect_documents(leaves[KNOWLEDGE], line.seeds.chunk_tokens, ChatTokenizer(model, model).count)


def run_flow(flow: str, spec: GenerationSpec, seeds: pl.DataFrame, documents: pl.DataFrame, ledger: Path) -> pl.DataFrame:
    """The candidates of one leaf by `flow`, with teachers that know nothing of earlier runs."""
    templates = [template for step in load_flow(flow).steps for template in step.templates]
    leaf = KNOWLEDGE if any("context" in template for template in templates) else FREEFORM
    named = GenerationSpec.model_validate(spec.model_dump() | {"flows": {"*": flow}})
    with Ledger(ledger) as store:
        return generate_candidates(leaf, seeds, documents, named, [open_teacher(named.teacher)], store, 7, judge=open_teacher(named.judge))


def check_rows(flow: str, frame: pl.DataFrame, again: pl.DataFrame, planned: int, requests: int, asked_again: int) -> None:
    """Raises SystemExit where a candidate is lost, doubled or not accounted for, a request is not counted, or a rerun asks."""
    whole = frame.select(pl.col("instruction", "response").is_not_null()).select(pl.all_horizontal(pl.all())).to_series()
    lost = frame.select(pl.any_horizontal(pl.col("parse_fault", "refusal").is_not_null())).to_series()
    holds = {
        "each planned candidate is one row": frame.height == frame["record_id"].n_unique() == planned,
        "each row is made, or says why not": bool((whole | lost).all()),
        "each answer is counted in one row": frame["usage"].list.len().sum() == requests,
        "tokens are counted": requests == 0 or frame["completion_tokens"].sum() > 0,
        "a rerun asks nothing and gives the same rows": asked_again == 0 and again.equals(frame),
    }
    if broken := [claim for claim, held in holds.items() if not held]:
        raise SystemExit(f"flow {flow}: does not hold: {'; '.join(broken)}")


def count_reasons(frame: pl.DataFrame) -> str:
    """Why candidates were not made, most frequent first; numbers and what follows a colon or a bracket are left out."""
    reasons = frame.select(pl.coalesce("parse_fault", "refusal")).to_series().drop_nulls()
    counts = Counter(re.split(r"[(;]", reason)[0].strip() for reason in reasons)
    return "; ".join(f"{count} × {reason}" for reason, count in counts.most_common()).replace("|", "\\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("factory/pico/weights/pico-teacher"))
    parser.add_argument("--line", type=Path, default=Path("lines/bundled.yaml"))
    parser.add_argument("--candidates", type=int, default=6, help="of each flow")
    parser.add_argument("--context-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64, help="most that one answer may have")
    options = parser.parse_args()
    model = str(options.model.resolve())
    seeds, documents = read_seeds(options.line, model)
    print("| flow | planned | made | refused by reason | requests | tokens read / written | s |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work, serve(options.model.resolve(), Path(work) / "server.log") as served:
        spec = specify(model, served, options)
        for flow in list_bundled():
            ledger, before, started = Path(work) / f"{flow}.sqlite", served.requests, time.perf_counter()
            frame = run_flow(flow, spec, seeds, documents, ledger)
            seconds, requests = time.perf_counter() - started, served.requests - before
            again = run_flow(flow, spec, seeds, documents, ledger)
            check_rows(flow, frame, again, options.candidates, requests, served.requests - before - requests)
            made = frame.filter(pl.col("parse_fault").is_null() & pl.col("refusal").is_null()).height
            tokens = f"{frame['prompt_tokens'].sum():,} / {frame['completion_tokens'].sum():,}"
            print(f"| {flow} | {frame.height} | {made} | {count_reasons(frame)} | {requests} | {tokens} | {seconds:.0f} |", flush=True)
    print("\n- each planned candidate is one row, made or refused with its reason\n- the server's own count of requests is the rows'")
    print("- a second run gives the same rows and asks nothing")


if __name__ == "__main__":
    main()
