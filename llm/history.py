"""The record of a training run: a small table that saves and draws itself."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from llm.checkpoint import write_atomically

COLUMNS = ("step", "loss", "val_loss", "lr", "grad_norm", "tokens_per_second")


@dataclass
class History:
    """One dictionary a row, with the keys of :data:`COLUMNS`; ``val_loss`` only where measured."""

    rows: list[dict] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no steps yet)"
        val = self.column("val_loss")
        best = f", best validation loss {min(val):.4f}" if val else ""
        last = self.rows[-1]
        return f"History({last['step']} steps, last loss {last['loss']:.4f}{best})"

    def column(self, name: str) -> list[float]:
        """The values of one column, rows without it left out."""
        if name not in COLUMNS:
            raise ValueError(f"no column {name!r}: choose one of {', '.join(COLUMNS)}")
        return [row[name] for row in self.rows if row.get(name) is not None]

    def save(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(path, text.getvalue().encode())

    @classmethod
    def load(cls, path: str | Path) -> "History":
        """Read what :meth:`save` wrote; ``ValueError`` for a table with other columns."""
        with open(path, newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ValueError(
                    f"{path} has the columns {table.fieldnames}, a history has {', '.join(COLUMNS)}"
                )
            rows = [{k: float(v) for k, v in row.items() if v} for row in table]
        return cls([row | {"step": int(row["step"])} for row in rows])

    def plot(self, floor: float | None = None):
        """Training and validation loss against the step, with the floor where there is one."""
        from llm.plots import loss_curves

        return loss_curves(self, floor)
