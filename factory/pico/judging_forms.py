"""What a judge writes at the judging steps of the bundled flows, of what is good and of what was spoilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from factory.pico.corpus import spoil
from factory.pico.forms import Scene

Shown = Mapping[str, Any]
Spoil = Callable[[Scene, Shown], dict[str, str]]
"""Variables in a spoilt form."""


@dataclass(frozen=True)
class Verdict:
    """What is said of good variables (`good`), and for each way to spoil them the answer. `reasons` go before the word, one of them."""

    good: str
    spoilt: tuple[tuple[Spoil, str], ...]
    opening: str = "[Score]"
    closing: str = "[/Score]"
    reasons: tuple[str, ...] = ("",)
    faults: tuple[str, ...] = ("",)

    def say(self, scene: Scene, word: str) -> str:
        """A reason, and the word between its marks."""
        reason = scene.rng.choice(self.reasons if word == self.good else self.faults)
        return f"{reason} {self.opening}{word}{self.closing}".strip()


def _spoil_response(scene: Scene, shown: Shown) -> dict[str, str]:
    return {"response": spoil(scene.rng, shown["response"], _other_answer(scene, shown))}


def _add_other(scene: Scene, shown: Shown) -> dict[str, str]:
    return {"response": f"{shown['response']} {_other_answer(scene, shown)}"}


def _answer_other(scene: Scene, shown: Shown) -> dict[str, str]:
    return {"response": _other_answer(scene, shown)}


def _other_answer(scene: Scene, shown: Shown) -> str:
    """The right answer to another task."""
    others = [answer for answer in scene.answers.values() if answer != shown["response"]]
    return scene.rng.choice(others) if others else scene.fill(scene.phrases.texts, t=scene.fill(("{w}",)))


def _cut_instruction(scene: Scene, shown: Shown) -> dict[str, str]:
    words = shown["instruction"].split()
    return {"instruction": " ".join(words[: max(1, len(words) // 3)])}


def _ask_for_picture(scene: Scene, shown: Shown) -> dict[str, str]:
    return {"instruction": scene.fill(("Draw a {w} and a {v}.", "Play a song about a {w}.", "Open the file {w}.txt and print it."))}


def _speak_of_text(scene: Scene, shown: Shown) -> dict[str, str]:
    return {"instruction": scene.fill(("What does the text say about the {w}?", "Who is named in the passage above?", "What is it?"))}


def _repeat_first(scene: Scene, shown: Shown) -> dict[str, str]:
    return {"instruction": shown["examples"][0]["question"]}


POSSIBLE = ("It is clear and complete.", "It can be done from what it says.", "All that is needed is there.")
RIGHT = ("The answer does the task and is right.", "It is right and clear.", "It does all of the task.")
WRONG = ("It is not what was asked.", "The answer is wrong.", "It leaves out what was asked.")

VERDICTS: dict[str, Verdict] = {
    "lab_skills.instruction_judge": Verdict(
        "1", ((_cut_instruction, "0"), (_ask_for_picture, "0")), reasons=POSSIBLE, faults=("It is not complete.", "It cannot be done.")
    ),
    "lab_grounded_skills.instruction_judge": Verdict(
        "1", ((_cut_instruction, "0"), (_ask_for_picture, "0")), reasons=POSSIBLE, faults=("The text does not say it.",)
    ),
    "lab_skills.pair_judge": Verdict("3", ((_spoil_response, "1"), (_add_other, "2")), reasons=RIGHT, faults=WRONG),
    "lab_grounded_skills.pair_judge": Verdict("3", ((_spoil_response, "1"), (_add_other, "2")), reasons=RIGHT, faults=WRONG),
    "lab_knowledge.faithfulness": Verdict(
        "1",
        ((_spoil_response, "0"),),
        reasons=("The document says so.", "Each statement is in the document."),
        faults=("The document does not say so.",),
    ),
    "lab_knowledge.relevancy": Verdict(
        "2",
        ((_add_other, "1"), (_answer_other, "0")),
        reasons=("It answers the question.", "All of it is answered."),
        faults=("It speaks of something else.",),
    ),
    "lab_knowledge.self_contained": Verdict(
        "1", ((_speak_of_text, "0"),), reasons=("It can be understood alone.",), faults=("It speaks of a text.",)
    ),
    "evolved.elimination": Verdict("not equal", ((_repeat_first, "equal"),), "[Judgement]", "[/Judgement]"),
}
"""By "<flow>.<step>"."""
