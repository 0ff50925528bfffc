"""Two evaluations read from files or runs, for `anlage compare`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigurationError
from ..evaluation.result import Evaluation
from ..evaluation.suites.evaluation import FORMAT, ModelOutcomes, SuiteEvaluation

Compared = ModelOutcomes | Evaluation


def read_compared(word: str, *, first: bool) -> Compared:
    """One side of a comparison.

    Args:
        word: A file of `anlage evaluate --json` or a run directory, with `:MODEL` where
            it holds several models.
        first: True for the side compared with: of several models the first is taken,
            else the last.

    Raises:
        ConfigurationError: No such file or model, or no evaluation in it.
    """
    path, name = Path(word), ""
    if not path.exists() and ":" in word:
        left, _, name = word.rpartition(":")
        path = Path(left)
    if path.is_dir():
        path = path / "50_evaluation.json"
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not JSON"
        fix = "give a file of `anlage evaluate --json FILE`, or a finished run"
        raise ConfigurationError.one("E010", path, f"cannot be read: {reason}", fix) from None
    if isinstance(data, dict) and data.get("format") == FORMAT:
        evaluation = SuiteEvaluation.from_json(text, source=str(path))
        names = [model.name for model in evaluation.models]
        return evaluation.model(_chosen(names, name, str(path), first=first))
    found = Evaluation.from_json(text, source=str(path))
    names = [model.name for model in found.models]
    model = found.model(_chosen(names, name, str(path), first=False))
    return replace(found, models=(model,), baseline=None)


def _chosen(names: list[str], name: str, source: str, *, first: bool) -> str:
    if not name:
        return names[0] if first else names[-1]
    if name not in names:
        fix = f"name one of: {', '.join(names)}"
        raise ConfigurationError.one("E011", source, f"no model {name!r} in it", fix)
    return name
