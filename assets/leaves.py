"""Runs an engine function for each leaf of a run: what is unchanged is reused, what is made is stored at once, a failure loses nothing."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from assets.pages import show_kept
from factory.faults import FactoryError
from resources.keeper import Keeper, Kept, Made

Page = Callable[[pl.DataFrame], Mapping[str, Any]]

STOPPED = "Stopped by a person or the system; what was made is stored, and the next run goes on from there."


def make_leaves(
    context: dg.AssetExecutionContext,
    keeper: Keeper,
    fingerprint: Callable[[str], str],
    make: Callable[[str], pl.DataFrame],
    page: Page,
    *,
    refresh: bool,
) -> pl.DataFrame:
    """The frames of the run's leaves as one, each stored as soon as it is made, its page's metadata on its own partition.

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
        pages[leaf] = show_kept(kept) | dict(page(kept.frame))
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
    make: Callable[[str], pl.DataFrame],
    *,
    refresh: bool,
) -> Kept:
    return keeper.keep(asset, leaf, fingerprint(leaf), lambda: Made(make(leaf)), refresh=refresh)


def _fail(context: dg.AssetExecutionContext, pages: Mapping[str, Mapping[str, Any]], failures: Mapping[str, FactoryError]) -> None:
    """Records the leaves that were made, which a failed step would not, and fails."""
    for leaf, metadata in pages.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=leaf, metadata=metadata))
    raise dg.Failure(
        description="\n".join(str(error) for error in failures.values()),
        metadata={leaf: str(error) for leaf, error in failures.items()},
        allow_retries=False,
    )
