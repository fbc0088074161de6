"""The section `mixing:` of a line: what is trained on beside its newest release, and how far from real data that may be."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from factory.spec import Share, Spec

MOST_TIMES: Final = 4
"""Times that one pass over the data reads a real example at most: four epochs of the same data are nearly worth as much new data
(Muennighoff et al. 2023, arXiv:2305.16264)."""


class MixingSpec(Spec):
    """What students are trained on. Without more it is the release and nothing else."""

    policy: Literal["replace", "accumulate"] = Field(
        default="replace", description="replace: the newest release. accumulate: the records of the line's earlier releases too."
    )
    least_real_share: Share = Field(
        default=0.0, description="Least share of the words to train on that people wrote; above 0 every seed example is mixed in."
    )
    greatest_depth: int | None = Field(
        default=None, ge=1, description="Greatest generation depth of a record; the verdict refuses a deeper one as too_deep."
    )

    @property
    def release_alone(self) -> bool:
        """Whether nothing but the newest release is trained on."""
        return self.policy == "replace" and not self.least_real_share
