"""Reviews a leaf's candidates while they are written: how many would be accepted, what refuses most, and a few that it refused."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from factory.generation.quota import Review
from factory.personal_data.records import redact
from factory.personal_data.spec import PersonalDataSpec
from factory.records import SCORED, empty
from factory.reward.funnel import count_funnel, explain_loss
from factory.reward.judges import Voter
from factory.reward.rating import RewardModel
from factory.reward.score import score_candidates
from factory.reward.verdict import ACCEPTED, decide_verdicts, explain_refusal
from factory.reward_spec import RewardSpec

SAMPLES = 3
LONGEST_TEXT = 160
"""Characters of one text of a sample."""


class LeafReviewer:
    """Reviews one leaf: called with all its candidates so far, it scores those alone that it has not seen.

    `seeds` are the leaf's SEED rows, held-out ones too. The verdict is that of the leaf by itself; that of the whole line, which has the
    last word, may call a few of its records copies of another leaf's.
    """

    def __init__(
        self,
        seeds: pl.DataFrame,
        spec: RewardSpec,
        reward_model: Callable[[], RewardModel],
        judges: Voter | None = None,
        personal_data: PersonalDataSpec | None = None,
        greatest_depth: int | None = None,
    ) -> None:
        self._seeds = seeds
        self._spec = spec
        self._reward_model = reward_model
        self._judges = judges
        self._personal_data = personal_data or PersonalDataSpec()
        self._greatest_depth = greatest_depth
        self._scored = empty(SCORED)

    def __call__(self, candidates: pl.DataFrame) -> Review:
        """Raises what `score_candidates` and `decide_verdicts` raise."""
        new = candidates.join(self._scored, on="record_id", how="anti", maintain_order="left")
        self._scored = pl.concat([self._scored, score_candidates(new, self._spec, self._reward_model, self._judges)])
        verdicts = decide_verdicts(self._scored, self._seeds, self._spec, self._personal_data, self._greatest_depth)
        (row,) = count_funnel(verdicts).to_dicts()
        commonest = verdicts.filter(pl.col("reason") == (row["most_refused_by"] or ""))
        return Review(
            accepted=verdicts.filter(verdict=ACCEPTED).height,
            funnel={name: value for name, value in row.items() if isinstance(value, int)},
            refusing=explain_loss(row),
            refused=tuple(_write_sample(sample, self._personal_data) for sample in commonest.head(SAMPLES).to_dicts()),
        )


def _write_sample(row: dict[str, str | None], personal_data: PersonalDataSpec) -> str:
    """Samples are printed, so none holds personal data, whatever the line does about it."""
    shown = (redact(row[name] or "(nothing)", row["language"], personal_data) for name in ("instruction", "response"))
    texts = " → ".join(_cut(text) for text in shown)
    why = explain_refusal(row)
    return f"{row['reason']}: {texts}" + (f" ({_cut(why)})" if why else "")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
