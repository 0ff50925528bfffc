"""Puts a trained model into a folder: weights, tokenizer, model card, constitution."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError, StoreError
from ..llm.local.embedded import resolve_model
from ..llm.local.loading import load_parts
from ..pipeline.run_directory import RunDirectory
from ..trainer.result import TrainedModel
from .model_card import model_card, public_base


@dataclass(frozen=True, slots=True)
class Package:
    """What was written.

    Attributes:
        folder: Where.
        files: Name -> bytes, sorted by name.
    """

    folder: Path
    files: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.files.values())


def package(
    run: str | Path, folder: str | Path, *, merged: bool = False, dtype: str = "float32"
) -> Package:
    """Writes a run's trained model with a model card.

    Args:
        run: A run directory whose training is finished.
        folder: Made anew; must not exist or be empty.
        merged: Add the adapter to the base and write the whole model. Without it the
            adapter alone is written; a model trained in full is whole in either case. The
            base is the one in full precision, as it is everywhere outside the training: that
            is the model that was evaluated, also where method `qlora` trained on 4 bits.
        dtype: Of merged weights: `float32` loses nothing, `bfloat16` is half as large.

    Raises:
        RunDirectoryError: No run, or `folder` is not empty.
        TrainingError: The run's training is not finished.
        ModelNotFoundError: `merged`, and the base cannot be found.
        StoreError: Something cannot be written.
    """
    directory, target = RunDirectory(Path(run)), Path(folder)
    trained = TrainedModel.read(directory.training)
    card = model_card(directory, merged=merged)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunDirectoryError(f"{target} is not empty and is left as it is. Give a new folder.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        if trained.method == "full" or not merged:
            shutil.copytree(trained.path, target, dirs_exist_ok=True)
            (target / "README.md").unlink(missing_ok=True)
        else:
            parts = load_parts(trained.base, trained.path, dtype)
            parts.model.save_pretrained(str(target))
            parts.tokenizer.save_pretrained(str(target))
        if trained.method != "full" and not merged:
            _finish_adapter(target, trained.base)
        (target / "README.md").write_text(card, encoding="utf-8")
        shutil.copyfile(directory.constitution, target / "constitution.yaml")
        if directory.evaluation.is_file():
            shutil.copyfile(directory.evaluation, target / "evaluation.json")
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error}. Free some disk space.") from error
    return Package(target, _files(target))


def _finish_adapter(target: Path, base: str) -> None:
    """The base's public name in place of a path of this machine; the tokenizer beside it."""
    from transformers import AutoTokenizer

    path = target / "adapter_config.json"
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = public_base(base)
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(resolve_model(base)), trust_remote_code=False
    )
    tokenizer.save_pretrained(str(target))


def _files(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
