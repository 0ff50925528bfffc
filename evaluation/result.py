"""The evaluation of one or more models on the same prompts, and its file form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from ..llm.request import Score
from .answer import Answer, Checked, JudgeQuality
from .change import Change, changes
from .file_form import form_text, model_named, read_form
from .measure import HARM
from .model_evaluation import ModelEvaluation
from .perplexity import Perplexity
from .probe import ProbeItem

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, on which prompts, judged by whom.

    Attributes:
        models: One entry per model, in the order given.
        baseline: Name of the model the others are compared with, or None.
        judge: The judge's measured quality.
        splits: Splits the prompts came from.
        max_tokens: Most new tokens per answer; all answers are greedy.
        system: System prompt used for every answer, "" for none.
        declared: Failure modes with checks that the training aims at.
    """

    models: tuple[ModelEvaluation, ...]
    baseline: str | None
    judge: JudgeQuality
    splits: tuple[str, ...]
    max_tokens: int
    system: str = ""
    declared: tuple[str, ...] = ()

    def model(self, name: str) -> ModelEvaluation:
        """The evaluation of one model.

        Raises:
            KeyError: No model has this name; the message lists those there are.
        """
        return model_named(self.models, name)

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the models that are compared with the baseline."""
        if self.baseline is None:
            return ()
        return tuple(model.name for model in self.models if model.name != self.baseline)

    def changes(self, name: str) -> tuple[Change, ...]:
        """Changes of one model against the baseline.

        Raises:
            KeyError: No such model.
            ValueError: The evaluation has no baseline.
        """
        if self.baseline is None:
            raise ValueError("this evaluation has no baseline; evaluate again with baseline=...")
        before, after = self.model(self.baseline), self.model(name)
        return changes(before, after, targets=(HARM, *self.declared), declared=self.declared)

    def to_frame(self) -> pd.DataFrame:
        """One row per model and measure.

        Columns: model, family, measure, failure_mode, role, n, value, low,
        high and, for models compared with the baseline (else NaN), difference,
        difference_low, difference_high, p, p_holm. The difference of perplexity
        is in nats per token.
        """
        import pandas as pd

        rows = [row for model in self.models for row in self._rows(model)]
        return pd.DataFrame(rows, columns=[*_VALUE_COLUMNS, *_CHANGE_COLUMNS])

    def to_json(self) -> str:
        """The evaluation as JSON: the same evaluation gives the same bytes.

        `changes` repeats what can be derived from the answers, for readers
        without this package; `from_json` derives it again.
        """
        data: dict[str, Any] = asdict(self)
        for chunk in (c for m in data["models"] for c in (m["perplexity"] or {}).get("chunks", ())):
            del chunk["reason"]  # always "": what cannot be scored ends the measurement
        # Only where a prompt had a check: other evaluations keep the form they had.
        for entry in (data, *data["models"]):
            for key in ("checked", "declared"):
                if not entry.get(key, True):
                    del entry[key]
        data["changes"] = {
            name: [change.form() for change in self.changes(name)] for name in self.compared
        }
        if any(model.checked for model in self.models):
            data["neither"] = {model.name: _undecided(model) for model in self.models}
        return form_text(FORMAT, data)

    @classmethod
    def from_json(cls, text: str, *, source: str = "evaluation") -> Evaluation:
        """Read what `to_json` wrote.

        Raises:
            ConfigurationError: Not JSON, another format, or a field is missing.
        """
        fix = "evaluate again; do not edit the file by hand"
        return read_form(
            text, FORMAT, _evaluation, source=source, wrong="is not an evaluation", fix=fix
        )

    def _rows(self, model: ModelEvaluation) -> list[dict[str, object]]:
        found = self.changes(model.name) if model.name in self.compared else ()
        by_measure = {change.measure: change for change in found}
        rows: list[dict[str, object]] = []
        for measure in model.measures():
            estimate = model.estimate(measure)
            if estimate is None:
                continue
            head = (model.name, measure.family, measure.name, measure.failure_mode, measure.role)
            value = (estimate.n, estimate.value, estimate.interval.low, estimate.interval.high)
            change = _change_values(by_measure.get(measure))
            rows.append(
                {
                    **dict(zip(_VALUE_COLUMNS, (*head, *value), strict=True)),
                    **dict(zip(_CHANGE_COLUMNS, change, strict=True)),
                }
            )
        return rows


_VALUE_COLUMNS = (
    *("model", "family", "measure", "failure_mode", "role"),
    *("n", "value", "low", "high"),
)
_CHANGE_COLUMNS = ("difference", "difference_low", "difference_high", "p", "p_holm")


def _undecided(model: ModelEvaluation) -> list[dict[str, Any]]:
    """The share of answers that neither fail nor keep, per checked failure mode and role."""
    found = dict.fromkeys((each.failure_mode, each.role) for each in model.checked)
    return [
        {"failure_mode": mode, "role": role, "n": rate.n, "share": rate.value}
        for mode, role in found
        for rate in (model.undecided(mode, role),)
    ]


def _change_values(change: Change | None) -> tuple[float, ...]:
    if change is None:
        return (math.nan,) * len(_CHANGE_COLUMNS)
    ends = change.difference.interval
    return (change.difference.value, ends.low, ends.high, change.difference.p, change.p_holm)


def _model(data: Mapping[str, Any]) -> ModelEvaluation:
    chunks = data["perplexity"]
    return ModelEvaluation(
        name=data["name"],
        fingerprint=data["fingerprint"],
        answers=tuple(Answer(**answer) for answer in data["answers"]),
        perplexity=Perplexity(tuple(Score(**chunk) for chunk in chunks["chunks"]))
        if chunks
        else None,
        probe=tuple(ProbeItem(**item) for item in data["probe"]),
        notes=tuple(cast("list[str]", data["notes"])),
        checked=tuple(Checked(**found) for found in data.get("checked", ())),
    )


def _evaluation(data: dict[str, Any]) -> Evaluation:
    return Evaluation(
        models=tuple(_model(entry) for entry in data["models"]),
        baseline=data["baseline"],
        judge=JudgeQuality(**data["judge"]),
        splits=tuple(data["splits"]),
        max_tokens=data["max_tokens"],
        system=data["system"],
        declared=tuple(data.get("declared", ())),
    )
