"""Every bundled flow over HTTP, end to end: `transformers serve` with a small model that keeps to the flows' forms, on loopback.

.venv/bin/python bench/real_server.py [--model FOLDER]     # needs: pip install 'data-factory[serving]'

Without a model, one is made first, as by `factory pico forms`. A flow that reads texts is run on a knowledge leaf, any other on a skill,
and one that takes topics on a leaf of topics as well. Fails where a planned candidate is no row, where a second run
asks anything, or where a flow makes no candidate that comes through its last step.
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

from factory.generation.flow_spec import Flow
from factory.generation.flows import load_flow
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.server_teacher import ServerTeacher
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.line_flows import list_bundled
from factory.pico.family import make_forms
from factory.pico.recipe import FORMS
from factory.seeds import collect_documents, collect_examples, read_taxonomy
from factory.seeds.leaf import Leaf, Topic

SKILL, KNOWLEDGE, TOPICS = "compositional_skills/words/reverse_words", "knowledge/nature/island_animals", "compositional_skills/topics"
TOPIC_TEXTS = ("rain in the mountains", "bread", "old maps", "the work of a sailor")
CHUNK_WORDS = 80
START_SECONDS = 120
SEED = 1


@contextmanager
def serve(model: str) -> Iterator[str]:
    """The base URL of a server of the model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", model, "--host", "127.0.0.1", "--port", str(port)]
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


def specify(flow: Flow, model: str, base_url: str, candidates: int) -> GenerationSpec:
    """A line's generation section: teacher and judge are the server's one model, answers are short."""
    server = {"base_url": base_url, "in_flight": 4, "context_tokens": FORMS.context_tokens, "tokenizer": model}
    section = {"model": model, "server": server}
    sampling = {"instruction": (0.7, 192), "response": (0.7, 192), "precise": (0.0, 192), "judging": (0.0, 64)}
    short = {name: {"temperature": warmth, "max_new_tokens": tokens} for name, (warmth, tokens) in sampling.items()}
    given = {"teacher": section, "judge": section, "flows": {"*": flow.name}, "candidates_per_leaf": candidates}
    return GenerationSpec.model_validate(given | short)


def choose_leaves(flow: Flow) -> list[str]:
    """The leaves that the flow is run on."""
    if flow.reads_context or flow.shows_example_contexts:
        return [KNOWLEDGE]
    return [SKILL, TOPICS] if flow.uses("given_topic") else [SKILL]


def run_flow(flow: Flow, leaf: str, spec: GenerationSpec, seeds: pl.DataFrame, documents: pl.DataFrame, file: Path) -> int:
    """Prints one row, after the claims about it are checked; gives the number of candidates that came through every step."""
    with Ledger(file) as ledger:

        def run() -> tuple[pl.DataFrame, int]:
            teacher, judge = open_teacher(spec.teacher), open_teacher(spec.teacher)
            frame = generate_candidates(leaf, seeds, documents, spec, [teacher], ledger, SEED, judge=judge)
            return frame, sum(model.requests for model in (teacher, judge) if isinstance(model, ServerTeacher))

        began = time.perf_counter()
        frame, requests = run()
        seconds = time.perf_counter() - began
        again, asked_again = run()
    planned = spec.candidates_per_leaf
    assert frame.height == frame["record_id"].n_unique() == planned, flow.name
    assert again.equals(frame) and asked_again == 0, flow.name
    lost = frame.filter(pl.col("parse_fault").is_not_null() | pl.col("refusal").is_not_null())
    assert frame.height - lost.height == frame.filter(pl.col("parse_fault").is_null() & pl.col("refusal").is_null())["response"].count()
    why = lost.select(pl.coalesce("parse_fault", "refusal").str.slice(0, 60)).to_series().value_counts(sort=True)
    first = why.row(0)[0].replace("|", "/").replace("\n", " ") if lost.height else ""
    refused = lost["refusal"].count()
    tokens = int((frame["prompt_tokens"] + frame["completion_tokens"]).sum())
    cells = (flow.name, leaf.split("/")[-1], planned, planned - lost.height, refused, lost.height - refused, requests, tokens)
    print(f"| {' | '.join(map(str, cells))} | {seconds:.0f} | {first} |", flush=True)
    return planned - lost.height


def main() -> None:
    """Parses the arguments, makes a model where none is given, and runs every bundled flow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a model that `factory pico forms` made")
    parser.add_argument("--candidates", type=int, default=12)
    options = parser.parse_args()
    taxonomy = Path("taxonomy")
    leaves = [read_taxonomy(taxonomy).leaves[path] for path in (SKILL, KNOWLEDGE)]
    topics = Leaf(TOPICS, "en", licence="CC0-1.0", topics=tuple(Topic(text, "bench", "CC0-1.0") for text in TOPIC_TEXTS))
    seeds = pl.concat(collect_examples(leaf, 0.3) for leaf in (*leaves, topics))
    documents = pl.concat(collect_documents(leaf, CHUNK_WORDS, lambda text: len(text.split())) for leaf in leaves)
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or Path(folder) / FORMS.model
        if options.model is None:
            make_forms(model, taxonomy, lambda said: print(said, file=sys.stderr, flush=True))
        with serve(str(model)) as base_url:
            print("| flow | leaf | planned | made | refused | not parsed | requests | tokens | s | most frequent reason |")
            print("|---|---|---|---|---|---|---|---|---|---|")
            made = dict.fromkeys(list_bundled(), 0)
            for flow in map(load_flow, made):
                spec = specify(flow, str(model), base_url, options.candidates)
                for number, leaf in enumerate(choose_leaves(flow)):
                    made[flow.name] += run_flow(flow, leaf, spec, seeds, documents, Path(folder) / f"{flow.name}-{number}.sqlite")
    if unmade := [name for name, count in made.items() if count == 0]:
        sys.exit(f"no candidate came through every step of {', '.join(unmade)}")


if __name__ == "__main__":
    main()
