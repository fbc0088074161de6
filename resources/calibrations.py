"""Where calibrations lie: one JSON file for each judge or reward model, with its figures for each set of labelled examples."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from factory.faults import FactoryError
from factory.reward.calibration import Calibration

NO_LINE = "_models"
"""Folder of what was calibrated without a line, whose name begins with a letter."""
_ADAPTER = TypeAdapter(tuple[Calibration, ...])


@dataclass(frozen=True)
class Calibrations:
    """The calibrations in a folder."""

    folder: Path

    def file(self, key: str) -> Path:
        """Where those of the judge or reward model with that key lie."""
        return self.folder / f"{key}.json"

    def find(self, key: str) -> tuple[Calibration, ...]:
        """All of one judge or reward model, by the name of the examples; none where there are none, or those of an older form."""
        try:
            return _ADAPTER.validate_json(self.file(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return ()

    def add(self, calibration: Calibration) -> Path:
        """Stores one, in place of an earlier one on examples of the same name. Raises FactoryError where it cannot be written."""
        others = [each for each in self.find(calibration.key) if each.examples != calibration.examples]
        kept = tuple(sorted([*others, calibration], key=lambda each: each.examples))
        file = self.file(calibration.key)
        part = file.with_suffix(f".{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(_ADAPTER.dump_json(kept, indent=2) + b"\n")
            part.replace(file)
        except OSError as error:
            raise FactoryError(
                f"the calibration cannot be written to {file}: {error.strerror or error}. Make room and run again: the answers are kept."
            ) from error
        return file
