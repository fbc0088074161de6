"""Runs an engine function for each leaf of a run: what is unchanged is reused, what is made is stored at once, a failure loses nothing."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from assets.pages import show_kept
from factory.faults import FactoryError
from factory.generation.chat import ParkedError
from factory.generation.spending import BudgetSpentError
from resources.keeper import Keeper, Kept, Made

Page = Callable[[pl.DataFrame], Mapping[str, Any]]

STOPPED = "Stopped by a person or the system; what was made is stored, and the next run goes on from there."


def make_leaves(
    context: dg.AssetExecutionContext,
    keeper: Keeper,
    fingerprint: Callable[[str], str],
    make: Callable[[str], Made],
    page: Page,
    *,
    refresh: bool,
    patience: float = 0.0,
) -> pl.DataFrame:
    """The frames of the run's leaves as one, each stored as soon as it is made, its page's metadata and facts on its own partition.

    A leaf whose engine raises FactoryError does not stop the others; at the end the step fails and names every such leaf. A leaf whose
    server was parked is tried again after the others, each time that the server may be asked again, for at most `patience` seconds.
    """
    leaves = sorted(context.partition_keys)
    asset = context.asset_key
    keeper.progress.start(asset.path[-1], len(leaves))
    frames: dict[str, pl.DataFrame] = {}
    pages: dict[str, dict[str, Any]] = {}
    failures: dict[str, FactoryError] = {}

    def try_leaf(leaf: str) -> None:
        try:
            kept = _keep_leaf(keeper, asset, leaf, fingerprint, make, refresh=refresh)
        except FactoryError as error:
            failures[leaf] = error
            return
        failures.pop(leaf, None)
        frames[leaf] = kept.frame
        pages[leaf] = show_kept(kept) | dict(page(kept.frame)) | kept.facts
        if not kept.reused:
            context.log.info(f"{leaf}: {kept.frame.height} rows in {kept.seconds:.1f} s")

    try:
        for leaf in leaves:
            try_leaf(leaf)
        for leaf in _return_to_parked(failures, patience, context.log.info):
            try_leaf(leaf)
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as stop:
        # A retry policy would take being told to stop for a failure, and start again.
        raise dg.Failure(description=STOPPED, allow_retries=False) from stop
    if failures:
        _fail(context, pages, failures)
    for leaf, metadata in pages.items():
        context.add_asset_metadata(metadata, partition_key=leaf)
    return pl.concat(frames[leaf] for leaf in leaves)


def _return_to_parked(failures: Mapping[str, FactoryError], patience: float, tell: Callable[[str], None]) -> Iterator[str]:
    """The leaves of `failures` that are parked, each when its server may be asked again, until none is or `patience` seconds are spent.

    What is spent is the waiting and the tries that end parked again.
    """
    while parked := {leaf: error.retry_at for leaf, error in failures.items() if isinstance(error, ParkedError)}:
        first = min(parked.values())
        left = max(0.0, first - time.monotonic())
        if left > patience:
            return
        tell(f"waiting {left:.0f} s for the server of {', '.join(sorted(parked))}")
        time.sleep(left)
        patience -= left
        for leaf in sorted(leaf for leaf, retry_at in parked.items() if retry_at <= first):
            began = time.monotonic()
            yield leaf
            patience -= time.monotonic() - began if leaf in failures else 0.0


def _keep_leaf(
    keeper: Keeper,
    asset: dg.AssetKey,
    leaf: str,
    fingerprint: Callable[[str], str],
    make: Callable[[str], Made],
    *,
    refresh: bool,
) -> Kept:
    return keeper.keep(asset, leaf, fingerprint(leaf), lambda: make(leaf), refresh=refresh)


def _fail(context: dg.AssetExecutionContext, pages: Mapping[str, Mapping[str, Any]], failures: Mapping[str, FactoryError]) -> None:
    """Records the leaves that were made, which a failed step would not, and fails."""
    for leaf, metadata in pages.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=leaf, metadata=metadata))
    raise dg.Failure(
        description="\n".join(explain_leaves(failures, len(pages))),
        metadata={leaf: str(error) for leaf, error in failures.items()},
        allow_retries=False,
    )


def explain_leaves(failures: Mapping[str, FactoryError], made: int) -> Iterator[str]:
    """What went wrong with leaves, a paragraph each; leaves that are parked for one reason are named in one, with what to do.

    `made`: how many other leaves were made.
    """
    rest = f"The other {made} {'leaf is' if made == 1 else 'leaves are'} made and stored." if made else "No other leaf was made."
    parked = {leaf: error for leaf, error in failures.items() if isinstance(error, ParkedError)}
    if parked:
        *_, last = parked.values()
        yield f"{_count(parked)} parked, as their server does not answer: {', '.join(parked)}. {rest}"
        yield f"  {last}"
    unpaid = {leaf: error for leaf, error in failures.items() if isinstance(error, BudgetSpentError)}
    if unpaid:
        *_, spent = unpaid.values()
        yield f"The run's budget is spent: {spent.spent}. {_count(unpaid)} parked, with what is left of them:"
        yield from (f"  {error.left}" for error in unpaid.values())
        yield (
            f"{rest} Everything answered is in the ledger and is not paid for again: run again to go on with the same budget, or raise "
            "generation.budget first. `factory estimate` says what the rest costs."
        )
    for leaf, error in failures.items():
        if leaf not in parked and leaf not in unpaid:
            yield str(error) if leaf in str(error) else f"leaf {leaf}: {error}"


def _count(leaves: Mapping[str, FactoryError]) -> str:
    return "1 leaf is" if len(leaves) == 1 else f"{len(leaves)} leaves are"
