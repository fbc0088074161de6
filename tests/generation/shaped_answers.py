"""Answers of the shape that each step of the bundled flows asks for, in any script: what a good teacher behind a server would write."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Script:
    """A language with a few words of its script, and a polite opening that a simulated user is not to keep."""

    language: str
    question: str
    answer: str
    context: str
    word: str
    polite: str


SCRIPTS = {
    "Latin": Script("en", "Sort these words: pear, apple", "apple, pear", "The tarsier is small. It sleeps by day.", "tree", "Thanks! "),
    "Arabic": Script("ar", "رتب هذه الكلمات: تفاح، موز", "تفاح، موز", "القط صغير. ينام في النهار.", "شجرة", "شكرا، "),
    "CJK": Script("zh", "给这些词排序：梨、苹果", "苹果、梨", "眼镜猴很小。它白天睡觉。", "树木", "谢谢。"),
}


def write_shaped(script: Script) -> Callable[[dict[str, Any]], str]:
    """The answer to a request's JSON body; other messages and another seed get another one."""

    def answer(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        mark = hashlib.sha256(json.dumps([body["messages"], body.get("seed")]).encode()).hexdigest()[:8]
        texts = [f"{script.word} {mark}{n}" for n in range(9)]
        if "[Judgement]" in asked:
            return "[Judgement]not equal[/Judgement]"
        if "[Score]" in asked:
            best = 3 if "from 1 to 3" in asked else 2 if "2, all of it" in asked else 1
            return f"{texts[0]}. [Score]{best}[/Score]"
        if "Turn the list below into JSON" in asked:
            return json.dumps({"tasks": re.findall(r"^\d+\. (.+)$", asked, re.MULTILINE)}, ensure_ascii=False)
        if "between [Question] and [/Question]" in asked:
            return "\n".join(f"[Question]{text}?[/Question]\n[Answer]{text}.[/Answer]" for text in texts[:3])
        for tag, count in (("Task", 3 if "3 new tasks" in asked else 1), ("Text", 1), ("New task", 1)):
            if f"between [{tag}] and [/{tag}]" in asked:
                return "\n".join(f"[{tag}]{text}[/{tag}]" for text in texts[:count])
        if "numbered list" in asked:
            count = int(re.search(r"(?:Name|Write) (\d+)", asked)[1])  # type: ignore[index]
            return "\n".join(f"{n + 1}. {text}" for n, text in enumerate(texts[:count]))
        return f"{script.polite}{texts[0]}" if "message to the assistant" in asked else texts[0]

    return answer
