"""A suffix automaton over texts of words: all runs of words of all texts in one graph of linear size."""

from __future__ import annotations

from collections.abc import Sequence


class SuffixAutomaton:
    """Which runs of words of the texts it was made of stand in other texts (Blumer et al. 1985, Theor. Comput. Sci. 40:31).

    A state stands for runs that end at the same places; `_length` is its longest, and the state of `_link` holds the next shorter
    suffixes. No run crosses from one text into the next. Time and memory are linear in the words of all texts.
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._link = [-1]
        self._length = [0]
        self._ends: list[list[int]] = []
        for text in texts:
            last, ends = 0, []
            for word in text:
                last = self._extend(last, word)
                ends.append(last)
            self._ends.append(ends)
        self._matched = [0] * len(self._length)

    def _extend(self, last: int, word: str) -> int:
        """The state of the text so far with `word` behind it, which may be there already, from another text."""
        if (held := self._next[last].get(word)) is not None:
            return held if self._length[held] == self._length[last] + 1 else self._split(last, word, held)
        state = self._add(self._length[last] + 1, {}, 0)
        while last != -1 and word not in self._next[last]:
            self._next[last][word] = state
            last = self._link[last]
        if last != -1:
            held = self._next[last][word]
            self._link[state] = held if self._length[held] == self._length[last] + 1 else self._split(last, word, held)
        return state

    def _split(self, last: int, word: str, held: int) -> int:
        """Parts the shorter runs of `held`, which also end elsewhere, from its longer ones."""
        shorter = self._add(self._length[last] + 1, dict(self._next[held]), self._link[held])
        self._link[held] = shorter
        while last != -1 and self._next[last].get(word) == held:
            self._next[last][word] = shorter
            last = self._link[last]
        return shorter

    def _add(self, length: int, following: dict[str, int], link: int) -> int:
        self._next.append(following)
        self._link.append(link)
        self._length.append(length)
        return len(self._length) - 1

    def match(self, text: Sequence[str]) -> None:
        """Notes for each state the longest of its runs that stands in `text`."""
        state, length = 0, 0
        for word in text:
            while state and word not in self._next[state]:
                state = self._link[state]
                length = self._length[state]
            if (following := self._next[state].get(word)) is None:
                continue
            state, length = following, length + 1
            self._matched[state] = max(self._matched[state], length)

    def longest_matches(self) -> list[int]:
        """Words in the longest run that each text shares with any text that was matched."""
        longest = list(self._matched)
        order = sorted(range(1, len(longest)), key=self._length.__getitem__)
        # A run that was matched was matched with all its suffixes, which are the states that its link leads to.
        for state in reversed(order):
            link = self._link[state]
            if longest[state] and link > 0:
                longest[link] = max(longest[link], self._length[link])
        for state in order:
            longest[state] = max(longest[state], longest[self._link[state]])
        return [max((longest[state] for state in ends), default=0) for ends in self._ends]
