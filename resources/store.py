"""The frame store: one Parquet file per asset and leaf, stamped with what it was made from; Dagster's IO manager over it."""

import io
import json
import os
import posixpath
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import dagster as dg
import polars as pl
from pydantic import PrivateAttr

from factory.faults import FactoryError
from factory.records import digest_frame
from resources.lock import LineLock

STAMP = "factory"
"""Key of the Parquet file's metadata under which the stamp stands."""


@dataclass(frozen=True)
class Stamp:
    """What a stored frame says of itself: the fingerprint of what it was made from, its digest, and facts that are no rows."""

    fingerprint: str
    digest: str
    facts: dict[str, Any] = field(default_factory=dict)


class FrameStore(dg.ConfigurableIOManager):
    """Frames under `root`, a local folder or any fsspec URL. A file is written whole or not at all.

    An asset of one frame per leaf may return them as one frame with a `leaf` column, which is split over the run's leaves, or write
    each as soon as it is made. Loading gives the frames of the asked leaves as one, in order of leaf; a leaf that has none is left out.
    """

    root: str
    lock: dg.ResourceDependency[LineLock]
    _fs: Any = PrivateAttr(default=None)

    def write(self, key: dg.AssetKey, leaf: str | None, frame: pl.DataFrame, stamp: Stamp) -> None:
        """Stores `frame`. Raises FactoryError where the place cannot be written; what was there before stays."""
        buffer = io.BytesIO()
        frame.write_parquet(buffer, metadata={STAMP: json.dumps(asdict(stamp))})
        path = self._path(key, leaf)
        try:
            self._write_whole(path, buffer.getvalue())
        except OSError as error:
            raise FactoryError(
                f"The frame {'/'.join(key.path)}{f' of leaf {leaf}' if leaf else ''} cannot be written to {path}: "
                f"{error.strerror or error}. Nothing stored before is lost: make room (or the folder writable) and run again."
            ) from error

    def read(self, key: dg.AssetKey, leaf: str | None) -> pl.DataFrame | None:
        """The stored frame, or None."""
        content = self._content(key, leaf)
        return None if content is None else pl.read_parquet(io.BytesIO(content))

    def read_leaves(self, key: dg.AssetKey, leaves: Iterable[str]) -> pl.DataFrame | None:
        """The stored frames of `leaves` as one, in order of leaf; None where there is none. A column that another version of this program
        added is null in frames that were stored before."""
        frames = [frame for leaf in sorted(leaves) if (frame := self.read(key, leaf)) is not None]
        return pl.concat(frames, how="diagonal") if frames else None

    def stamp(self, key: dg.AssetKey, leaf: str | None) -> Stamp | None:
        """The stamp of a stored frame; None where there is none, or a damaged one, which is made again."""
        content = self._content(key, leaf)
        if content is None:
            return None
        try:
            return Stamp(**json.loads(pl.read_parquet_metadata(io.BytesIO(content))[STAMP]))
        except (pl.exceptions.PolarsError, KeyError, ValueError, TypeError):
            return None

    def lines(self) -> list[str]:
        """The lines that have frames here."""
        fs, root = self._open()
        return sorted(posixpath.basename(entry) for entry in fs.ls(root, detail=False)) if fs.exists(root) else []

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        """Stores a frame that an asset returned; with leaves, each leaf's rows, an empty frame where a leaf has none."""
        if not context.has_asset_partitions:
            self.write(context.asset_key, None, obj, Stamp("", digest_frame(obj)))
            return
        for leaf in context.asset_partition_keys:
            rows = obj.filter(pl.col("leaf") == leaf)
            self.write(context.asset_key, leaf, rows, Stamp("", digest_frame(rows)))

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        key = context.asset_key
        leaves = context.asset_partition_keys if context.has_asset_partitions else None
        frame = self.read(key, None) if leaves is None else self.read_leaves(key, leaves)
        if frame is None:
            raise FactoryError(f"There is no frame of {'/'.join(key.path)} yet: run that asset first, or the whole line.")
        return frame

    def _path(self, key: dg.AssetKey, leaf: str | None) -> str:
        return f"{posixpath.join(*key.path, *([leaf] if leaf else []))}.parquet"

    def _open(self) -> tuple[Any, str]:
        """The file system and the root's path in it."""
        from fsspec.core import url_to_fs

        if self._fs is None:
            self._fs = url_to_fs(self.root)
        return self._fs[0], self._fs[1]

    def _content(self, key: dg.AssetKey, leaf: str | None) -> bytes | None:
        fs, root = self._open()
        try:
            return bytes(fs.cat_file(f"{root}/{self._path(key, leaf)}"))
        except FileNotFoundError:
            return None

    def _write_whole(self, path: str, content: bytes) -> None:
        """Local files by a rename; an object store writes an object whole by itself."""
        fs, root = self._open()
        target = f"{root}/{path}"
        if "file" not in fs.protocol:
            fs.pipe_file(target, content)
            return
        fs.makedirs(posixpath.dirname(target), exist_ok=True)
        part = f"{target}.part"
        try:
            with open(part, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)  # noqa: PTH105
        except OSError:
            with suppress(OSError):
                os.unlink(part)  # noqa: PTH108
            raise
