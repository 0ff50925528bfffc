"""What a run has spent so far, kept beside its other files so that a cap outlives a kill."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..errors import StoreError
from ..files.lines import json_lines
from ..files.write import append_lines
from ..llm.budget import Spending


class SpendingLog:
    """Appends what each batch of calls cost; a kill loses the batch in flight at most.

    One line per batch: calls, tokens and US dollars (null where a price is not known).

    Args:
        path: The file; made on the first call.

    Raises:
        StoreError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = read_spending(path)

    def add(self, spending: Spending) -> None:
        """Writes one line.

        Raises:
            StoreError: The disk is full or the folder cannot be written.
        """
        self.total += spending
        try:
            append_lines(self.path, [json.dumps(asdict(spending))])
        except OSError as error:
            raise StoreError(
                f"cannot write {self.path}: {error.strerror or error}. Free some space and run "
                "the same command again: nothing stored is lost."
            ) from error


def read_spending(path: Path) -> Spending:
    """The sum of a file; nothing if there is none. A line cut by a kill is left out.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        text = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {path}: {error}. Check its rights.") from error
    total = Spending()
    for _, row in json_lines(text, lambda line, error: None):
        try:
            total += Spending(
                int(row["calls"]),
                int(row["prompt_tokens"]),
                int(row["completion_tokens"]),
                None if row["usd"] is None else float(row["usd"]),
            )
        except (ValueError, KeyError, TypeError):
            continue
    return total
