"""Packages a trained model with its card and sends it to a hub; `--really` makes it do so."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..constitution.yaml_form import load_constitution
from ..errors import ConfigurationError, RunDirectoryError, StoreError
from ..evaluation.result import Evaluation
from ..evaluation.wording import CAPTION, change_cells, undecided_texts, verdict_sentence
from ..files.redaction import redact
from ..files.write import hash_path
from ..llm.local.embedded import EMBEDDED, HUB_ID, resolve_model
from ..llm.local.loading import load_parts
from ..pipeline.resolved import Resolved
from ..pipeline.run_directory import RunDirectory
from ..pipeline.unit import units_of
from ..trainer.result import TrainedModel


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


_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def planned_calls(package: Package, repository: str, *, private: bool) -> list[str]:
    """The calls of the hub's client that `push` makes, in order, without a secret.

    Raises:
        ConfigurationError: `repository` is not `owner/name`.
    """
    if not _REPOSITORY.fullmatch(repository):
        fix = "give it as owner/name"
        raise ConfigurationError.one("X020", "push", f"{repository!r} names no repository", fix)
    return [
        f"create_repo({repository!r}, private={private}, exist_ok=True)",
        f"upload_folder({repository!r}, {len(package.files)} files, {package.size / 1e6:.1f} MB)",
    ]


def push(package: Package, repository: str, *, private: bool, endpoint: str | None = None) -> str:
    """Uploads a package with the hub's own client, which finds the token by itself.

    Args:
        package: What is sent.
        repository: `owner/name`; made if it does not exist.
        private: Whether a new repository is private.
        endpoint: Address of another hub; None takes `$HF_ENDPOINT` or the public one.

    Returns:
        The address of the commit.

    Raises:
        ConfigurationError: `repository` is not `owner/name`.
        StoreError: The hub refuses or cannot be reached.
    """
    planned_calls(package, repository, private=private)
    from httpx import HTTPError
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repository, private=private, exist_ok=True, repo_type="model")
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=str(Path(package.folder)),
            repo_type="model",
            commit_message="Weights, tokenizer, model card and constitution",
        )
    except (HTTPError, OSError, ValueError) as error:
        said = redact(str(error).strip().splitlines()[0] if str(error).strip() else repr(error))
        raise StoreError(
            f"the hub did not take {repository}: {said}. Log in with `hf auth login` or set "
            "HF_TOKEN to a token that may write there; nothing was lost here."
        ) from error
    return str(commit.commit_url)


_LIMITS = (
    "Trained on few prompts of the project's own; whatever they do not cover is untested.",
    "The judge that counted refusals makes errors, which are in no interval above.",
    "A model that refuses more of the harmful prompts above still answers others. It is no "
    "safeguard by itself.",
    "That an archetype's motive maps to a model's failure is a design hypothesis, not a finding.",
)


def public_base(name: str) -> str:
    """The base model's name as others know it: a hub id, or a folder's last part.

    A path of this machine would tell a reader nothing they can use.
    """
    if name == EMBEDDED:
        return HUB_ID
    folder = Path(name).expanduser()
    return folder.name if folder.is_dir() else name


def model_card(run: RunDirectory, *, merged: bool) -> str:
    """Markdown that begins with the hub's own header.

    Args:
        run: A run whose model is trained; without an evaluation the card says so.
        merged: The weights are whole, though an adapter was trained.

    Raises:
        TrainingError: Nothing is trained yet.
    """
    resolved, trained = Resolved.load(run.config_file), TrainedModel.read(run.training)
    whole = merged or trained.method == "full"
    base = public_base(trained.base)
    header = {
        "base_model": base,
        "library_name": "transformers" if whole else "peft",
        "pipeline_tag": "text-generation",
        "tags": ["anlage", "dpo", "preference-pairs"],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=True)}---",
        f"# {resolved.name}",
        f"`{base}`, trained with DPO on preference pairs made from archetypes with Anlage.",
        f"## What was measured\n\n{_measured(run)}",
        f"## What it was trained on\n\n{_provenance(run, resolved, trained)}",
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _LIMITS),
        f"## Use\n\n{_use(base, whole)}",
    ]
    return "\n\n".join(parts) + "\n"


def _measured(run: RunDirectory) -> str:
    if not run.evaluation.is_file():
        return "**Nothing.** The run has no evaluation; `anlage run` makes one."
    found = Evaluation.from_json(run.evaluation.read_text("utf-8"), source=str(run.evaluation))
    parts = [verdict_sentence(found)]
    for name in found.compared:
        rows = [change_cells(change) for change in found.changes(name)]
        parts.append(_table(("measure", "n", "before", "after", "change [95%]", "p"), rows))
    return "\n\n".join([*parts, *undecided_texts(found), CAPTION])


def _provenance(run: RunDirectory, resolved: Resolved, trained: TrainedModel) -> str:
    constitution = load_constitution(run.constitution)
    training, used = resolved.training(), _used(run, resolved)
    each = training.batch_size * training.gradient_accumulation
    each *= max((int(one.get("processes", 1)) for one in used), default=1)
    rates = dict.fromkeys(f"{float(one['learning_rate']):g}" for one in used)
    archetypes = sorted({principle.archetype for principle in constitution})
    rows = [
        ("constitution", f"{len(constitution)} principles, hash `{constitution.hash}`"),
        ("archetypes", ", ".join(archetypes)),
        ("pairs", f"{trained.pairs}, SHA-256 `{hash_path(run.pairs)}`"),
        ("reference", f"`{trained.reference}`"),
        ("method", f"{trained.method}, {trained.steps} steps of {each} pairs"),
        ("learning rate; beta; SFT", f"{', '.join(rates)}; {training.beta:g}; "
         f"{training.sft_weight:g}"),
        ("seed", str(training.seed)),
    ]  # fmt: skip
    text = _table(("what", "value"), rows)
    if trained.base == EMBEDDED:
        text += (
            "\n\nThe base was unpacked from a 4-bit file, so its weights differ a little from the "
            "hub's; the reference's hash is that of the weights used."
        )
    if trained.method == "qlora":
        text += (
            "\n\nThe base was held in 4 bits for the training only; what was evaluated is the "
            "adapter on the base in full precision."
        )
    return text


def _used(run: RunDirectory, resolved: Resolved) -> list[dict[str, Any]]:
    """What every layer that was trained says it was trained with, in order."""
    files = (run.path / unit.folder / "training.json" for unit in units_of(resolved))
    return [json.loads(file.read_text("utf-8"))["config"] for file in files if file.is_file()]


def _use(base: str, whole: bool) -> str:
    if whole:
        code = (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained("THIS_REPOSITORY")\n'
            'tokenizer = AutoTokenizer.from_pretrained("THIS_REPOSITORY")'
        )
    else:
        code = (
            "from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n\n"
            f'base = AutoModelForCausalLM.from_pretrained("{base}")\n'
            'model = PeftModel.from_pretrained(base, "THIS_REPOSITORY")'
        )
    return f"```python\n{code}\n```"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines: list[tuple[str, ...]] = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
