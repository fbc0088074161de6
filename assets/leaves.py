"""Runs an engine function for each leaf of a run: what is unchanged is reused, what is made is stored at once, a failure loses nothing."""

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
) -> pl.DataFrame:
    """The frames of the run's leaves as one, each stored as soon as it is made, its page's metadata and facts on its own partition.

    A leaf whose engine raises FactoryError does not stop the others; at the end the step fails and names every such leaf.
    """
    leaves = sorted(context.partition_keys)
    asset = context.asset_key
    keeper.progress.start(asset.path[-1], len(leaves))
    frames: list[pl.DataFrame] = []
    pages: dict[str, dict[str, Any]] = {}
    failures: dict[str, FactoryError] = {}
    for leaf in leaves:
        try:
            kept = _keep_leaf(keeper, asset, leaf, fingerprint, make, refresh=refresh)
        except FactoryError as error:
            failures[leaf] = error
            continue
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as stop:
            # A retry policy would take being told to stop for a failure, and start again.
            raise dg.Failure(description=STOPPED, allow_retries=False) from stop
        frames.append(kept.frame)
        pages[leaf] = show_kept(kept) | dict(page(kept.frame)) | kept.facts
        if not kept.reused:
            context.log.info(f"{leaf}: {kept.frame.height} rows in {kept.seconds:.1f} s")
    if failures:
        _fail(context, pages, failures)
    for leaf, metadata in pages.items():
        context.add_asset_metadata(metadata, partition_key=leaf)
    return pl.concat(frames)


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
