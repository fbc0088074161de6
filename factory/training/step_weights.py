"""Batches of pairs that are accumulated to one step: in its loss each pair weighs alike, and each token of a chosen response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def weigh_by_step(kind: Any) -> Any:
    """`kind`, a class of Trainer, as one that knows what a batch is of its step. Batches hold a `completion_mask` (2 pairs, tokens), the
    chosen sides before the rejected.

    The Trainer would give each batch of a step the same weight, so that a pair of a short last batch counted for several, and a token of
    short responses for more than one of long ones.
    """

    import torch

    class WeighingTrainer(kind):  # type: ignore[misc]
        loss_is_scaled_for_ga = True

        def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
            """The batches of a step, and how many pairs and chosen tokens they have, in all processes."""
            batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
            if not batches:
                return batches, None
            own = torch.stack([_count(batch) for batch in batches]).sum(0)
            return batches, self.accelerator.gather(own.to(device)[None]).sum(0)

        def take_shares(self, batch: dict[str, Any], of_step: Tensor) -> tuple[Tensor, Tensor]:
            """By what to multiply a mean over the pairs of `batch`, and one over its chosen tokens, for the batches of a step to sum to the
            mean over the step. Gradients of several processes are averaged, hence times their number."""
            pairs, tokens = _count(batch) / of_step * self.accelerator.num_processes
            return pairs, tokens

    return WeighingTrainer


def _count(batch: dict[str, Any]) -> Tensor:
    """Pairs, and tokens of the chosen responses that something stands before."""
    mask: Tensor = batch["completion_mask"]
    pairs = len(mask) // 2
    return mask.new_tensor([pairs, int(mask[:pairs, 1:].sum())])
