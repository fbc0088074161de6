"""A trace as a tree for the terminal, and as plain text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from factory.release.trace import Trace, TracedStudent
from factory.release.visible import make_visible

if TYPE_CHECKING:
    from rich.tree import Tree

_MOST_CHILDREN = 12
_LONGEST_TEXT = 400


def draw_trace(trace: Trace) -> Tree:
    """The trace as a tree of rich: what the record is, where it came from, how it was judged, what came of it."""
    from rich.tree import Tree

    tree = Tree(_label(trace.kind, trace.record_id, f"{trace.leaf} · {trace.language or '-'} · {trace.licence or 'licence unknown'}"))
    for name in ("source", "context", *(() if trace.turns else ("instruction", "response"))):
        _add(tree, name, getattr(trace, name))
    for role, content in trace.turns:
        _add(tree, role, content)
    _draw_origin(tree, trace)
    _draw_judgement(tree, trace)
    _draw_fate(tree, trace)
    return tree


def describe_trace(trace: Trace, width: int = 120) -> str:
    """The same tree as plain text of at most `width` columns."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(draw_trace(trace))
    return capture.get()


def _draw_origin(tree: Tree, trace: Trace) -> None:
    if trace.seeds:
        seeds = tree.add(_label("made from", f"{len(trace.seeds)} seed examples"))
        for seed in trace.seeds:
            told = " → ".join(filter(None, (seed.question, seed.answer))) if seed.question else "no longer in the taxonomy"
            seeds.add(_label(seed.record_id, told, seed.source or ""))
    if document := trace.document:
        place = " · ".join(part for part in (document.document, document.heading) if part)
        _add(tree.add(_label("document", document.record_id, place)), "text", document.text or "no longer in the taxonomy")
    if writing := trace.writing:
        branch = tree.add(_label("written by", writing.teacher, f"depth {writing.depth}"))
        _add(branch, "flow", writing.flow)
        _add(branch, "topic", writing.topic)
        _add(branch, "constraint", writing.constraint)
        _add(branch, "prompt hash", writing.prompt_hash)
        _add(branch, "sampling", f"{writing.sampling}, seed {writing.seed}")
        _add(
            branch, "tokens", f"{writing.prompt_tokens or 0:,} read, {writing.completion_tokens or 0:,} written, cost {writing.cost or 0:g}"
        )
        _draw_requests(branch, writing.usage)
        for judgement in writing.judgements or ():
            branch.add(_label(f"judged by {judgement['step']}", f"{judgement['score']:g}"))
        _add(branch, "refused", writing.refusal)
        _add(branch, "not parsed", writing.parse_fault)


def _draw_judgement(tree: Tree, trace: Trace) -> None:
    if scores := trace.scores:
        branch = tree.add(_label("goodness", "unknown" if scores.goodness is None else f"{scores.goodness:.3f}"))
        if scores.verifier:
            said = {True: "right", False: "wrong", None: "cannot tell"}[scores.verified]
            branch.add(_label(f"verifier {scores.verifier}", said, scores.verifier_note or ""))
        if scores.reward is not None:
            branch.add(_label("reward", f"{scores.reward:.3f}", scores.reward_model or ""))
        if scores.attributes:
            values = ", ".join(f"{name} {value:.2f}" for name, value in scores.attributes.items())
            branch.add(_label("attributes", values, scores.reward_model or ""))
        if scores.reward_note:
            branch.add(_label("not rated", scores.reward_note, scores.reward_model or ""))
        for vote in scores.votes or ():
            said = "not parsed" if vote["score"] is None else f"{vote['score']:g}, {'good' if vote['good'] else 'bad'}"
            branch.add(_label(f"judge {vote['judge']}", said, vote["rubric"]))
        _draw_requests(branch, scores.scoring)
    if verdict := trace.verdict:
        branch = tree.add(_label("verdict", verdict.verdict, "" if verdict.reason == verdict.verdict else verdict.reason))
        if verdict.matched_id:
            _add(branch, "matches", " ".join(part for part in (verdict.matched_id, verdict.matched_by, verdict.matched_text) if part))


def _draw_requests(branch: Tree, requests: Sequence[Mapping[str, Any]] | None) -> None:
    for request in requests or ():
        spent = f"{request['prompt_tokens']:,} read, {request['completion_tokens']:,} written, cost {request['cost']:g}"
        branch.add(_label(f"step {request['step']}", f"{spent}, {request['model']}"))


def _draw_fate(tree: Tree, trace: Trace) -> None:
    if trace.made:
        accepted = sum(child.verdict == "accepted" for child in trace.made)
        branch = tree.add(_label("candidates made from it", f"{len(trace.made)}", f"{accepted} accepted"))
        for child in trace.made[:_MOST_CHILDREN]:
            branch.add(_label(child.record_id, child.instruction or "(not parsed)", child.reason or ""))
        if len(trace.made) > _MOST_CHILDREN:
            branch.add(f"… and {len(trace.made) - _MOST_CHILDREN} more")
    releases = tree.add(_label("releases", "" if trace.releases else "none holds it"))
    for release in trace.releases:
        held = f"holds {release.records:,} of them" if trace.made else "holds it"
        branch = releases.add(_label(f"{release.line} {release.version}", held, str(release.folder)))
        for student in (each for each in trace.students if each.release_version == release.version):
            branch.add(_label("trained", student.model, _describe_student(student)))
    shown = {release.version for release in trace.releases}
    for student in (each for each in trace.students if each.release_version not in shown):
        beside = f"with release {student.release_version}"
        tree.add(_label("trained", student.model, " · ".join(part for part in (_describe_student(student), beside) if part)))


def _describe_student(student: TracedStudent) -> str:
    return " · ".join(part for part in (student.phase, student.alias) if part)


def _add(tree: Tree, name: str, text: str | None) -> None:
    if text is not None:
        tree.add(_label(name, text))


def _label(name: str, text: str, note: str = "") -> Any:
    """Name, text and a dim note on one line. Built as rich Text, so that nothing in a record is read as markup."""
    from rich.text import Text

    label = Text(_printable(name), style="bold")
    label.append(f"  {_printable(text)}" if text else "", style="not bold")
    return label.append(f"  {_printable(note)}" if note else "", style="not bold dim")


def _printable(text: str) -> str:
    text = make_visible(text)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"
