"""curves.csv: the metrics of a training run, a row every so many steps."""

from __future__ import annotations

import csv
from pathlib import Path


class Curves:
    """A CSV file that is appended to. A file that exists keeps its columns."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns

    def add(self, row: dict[str, float | str]) -> None:
        """Append a row. Values without a column are left out."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", newline="") as file:
            file.seek(0)
            existing = next(csv.reader(file), [])
            writer = csv.DictWriter(file, existing or self.columns, extrasaction="ignore", restval="")
            if not existing:
                writer.writeheader()
            writer.writerow(row)


def rounded(row: dict[str, float | str]) -> dict[str, float | str]:
    """Return a row with floats as texts of five digits."""
    return {name: f"{value:.5g}" if isinstance(value, float) else value for name, value in row.items()}
