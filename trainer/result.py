"""What a finished training leaves behind."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TrainingError
from .checkpoint import write_json

if TYPE_CHECKING:
    from ..llm.local.model import LocalModel

FILE = "result.json"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model on disk.

    Attributes:
        path: Folder of the adapter (method `lora` or `qlora`), or of the whole model (`full`).
        method: `lora`, `qlora` or `full`.
        base: Name of the base model, as it was given.
        reference: Fingerprint of the reference: weights, tokenizer, chat template.
        metrics: Path of `metrics.jsonl`.
        seconds: Wall seconds of the call that finished it (reference pass included;
            work done before a resume is not).
        steps: Optimizer steps in all.
        pairs: Pairs trained on.
        too_long: Pairs left out because they exceeded `max_length`.
        reference_seconds: Of them, the reference pass; near 0 where the store had it.
        training_seconds: Of them, the steps; loading and saving are in neither.
        layout: Whether a prompt was computed once for both answers, and why if not.
    """

    path: Path
    method: str
    base: str
    reference: str
    metrics: Path
    seconds: float
    steps: int
    pairs: int
    too_long: int
    reference_seconds: float = 0.0
    training_seconds: float = 0.0
    layout: str = ""

    @property
    def loaded_from(self) -> tuple[str, Path | None]:
        """What `load_model` takes: the model's name or folder, and the adapter to merge in.

        The base is read in full precision, also where it was held in 4 bits for the training.
        """
        return (str(self.path), None) if self.method == "full" else (self.base, self.path)

    def load(self, *, dtype: str = "auto", batch_size: int = 32) -> LocalModel:
        """The trained model, ready to answer and score; an adapter is merged in.

        Args:
            dtype: As in `LocalModel.load`.
            batch_size: Most requests run together.

        Raises:
            ModelNotFoundError: Base or adapter is gone. A model trained from memory
                needs a base that can be loaded by name.
        """
        from ..llm.local.model import LocalModel

        name, adapter = self.loaded_from
        return LocalModel.load(name, adapter=adapter, dtype=dtype, batch_size=batch_size)

    def save(self, output: Path) -> None:
        """Writes `result.json`: the mark of a finished training. Paths are relative."""
        record: dict[str, Any] = asdict(self)
        record["path"] = self.path.relative_to(output).as_posix()
        record["metrics"] = self.metrics.relative_to(output).as_posix()
        write_json(output / FILE, record)

    @classmethod
    def read(cls, output: str | Path) -> TrainedModel:
        """The finished training in a folder.

        Raises:
            TrainingError: The folder holds none.
        """
        folder = Path(output)
        try:
            record = json.loads((folder / FILE).read_text(encoding="utf-8"))
            record["path"] = folder / record["path"]
            record["metrics"] = folder / record["metrics"]
            return cls(**record)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{folder} holds no finished training ({error}); run the training again: it "
                "goes on from the last checkpoint."
            ) from error
