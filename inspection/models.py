"""What words on the command line name: models to evaluate or ask, evaluations to compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..constitution.principle import Principle
from ..constitution.yaml_form import load_constitution
from ..errors import ConfigurationError, Problem, TrainingError
from ..evaluation.result import Evaluation
from ..evaluation.suites.evaluation import FORMAT, ModelOutcomes, SuiteEvaluation
from ..llm.message import Message
from ..llm.models import load_model
from ..llm.request import Request
from ..llm.run_sync import run_sync
from ..pipeline.run_directory import RunDirectory
from ..trainer.result import TrainedModel


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model to evaluate.

    Attributes:
        name: What tables call it.
        spec: `smollm2-135m`, a folder, a hub id, or a chat model.
        adapter: Folder of a LoRA adapter to merge in, or None.
    """

    name: str
    spec: str
    adapter: Path | None = None


def named_models(words: list[str]) -> list[NamedModel]:
    """Models from words such as `smollm2-135m`, `mine=path/to/model`, a run directory
    (its base and its trained model), or the folder of an adapter.

    Raises:
        ConfigurationError: A run without a trained model, an adapter that does not say
            what it belongs to, or a name twice; all at once.
    """  # noqa: D205
    found: list[NamedModel] = []
    problems: list[Problem] = []
    for word in words:
        name, equals, spec = word.partition("=")
        if not equals or not name or "/" in name or ":" in name:
            name, spec = "", word
        try:
            found += _models(name, spec)
        except ConfigurationError as error:
            problems += error.problems
    names = [model.name for model in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        fix = "give names: first=MODEL second=MODEL"
        message = f"two models are called {', '.join(twice)}"
        problems.append(Problem("E011", "error", "evaluate", 0, message, fix))
    if problems:
        raise ConfigurationError(problems)
    return found


def run_models(folder: Path) -> tuple[NamedModel, NamedModel]:
    """The `base` and the `trained` model of a run, however it was trained.

    Raises:
        ConfigurationError: Its training is not finished, or there is none.
    """
    run = RunDirectory(folder)
    try:
        trained = TrainedModel.read(run.training)
    except TrainingError:
        message, fix = "this run has no trained model yet", f"finish it: anlage train {folder}"
        raise ConfigurationError.one("E011", folder, message, fix) from None
    spec, adapter = trained.loaded_from
    return NamedModel("base", trained.base), NamedModel("trained", spec, adapter)


def is_run(path: Path) -> bool:
    """True for a run directory."""
    return (path / "config.yaml").is_file()


def own_principles(words: list[str]) -> tuple[Principle, ...]:
    """The principles of all runs among the words, as they were compiled; each once."""
    found: dict[Principle, None] = {}
    for word in words:
        for spec in (word, word.partition("=")[2]):
            if not spec or not is_run(Path(spec)):
                continue
            file = RunDirectory(Path(spec)).constitution
            if file.is_file():
                found |= dict.fromkeys(load_constitution(file))
    return tuple(found)


def _models(name: str, spec: str) -> list[NamedModel]:
    path = Path(spec)
    if is_run(path):
        label = f"{name} " if name else ""
        return [replace(model, name=label + model.name) for model in run_models(path)]
    if (path / "adapter_config.json").is_file():
        base = _base_of(path)
        return [NamedModel(name or path.name, base, path)]
    return [NamedModel(name or spec, spec)]


def _base_of(adapter: Path) -> str:
    try:
        base = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))[
            "base_model_name_or_path"
        ]
        if isinstance(base, str) and base:
            return base
        reason = "names no base model"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"cannot be read ({type(error).__name__})"
    fix = "give the run directory instead, or complete adapter_config.json"
    message = f"its adapter_config.json {reason}"
    raise ConfigurationError.one("E011", adapter, message, fix)


class SideBySide:
    """Loads both models of a run once.

    Args:
        run: A run whose training has finished.
        max_tokens: Most new tokens per answer; answers are greedy.

    Raises:
        ConfigurationError: The run has no trained model yet.
    """

    def __init__(self, run: RunDirectory, *, max_tokens: int = 96) -> None:
        self.models = {
            model.name: load_model(model.spec, adapter=model.adapter)
            for model in run_models(run.path)
        }
        self.max_tokens = max_tokens

    def ask(
        self, question: str, before: Mapping[str, Sequence[Message]] | None = None
    ) -> dict[str, str]:
        """Model name -> its answer.

        Args:
            question: What the user says.
            before: Model name -> what was said so far; None for a fresh conversation.
        """
        answers = {}
        for name, model in self.models.items():
            said = (*(before or {}).get(name, ()), Message("user", question))
            request = Request(said, max_tokens=self.max_tokens)
            answers[name] = run_sync(model.complete([request]))[0].text.strip()
        return answers


def converse(models: SideBySide, console: Console, question: str | None = None) -> None:
    """Asks both models until an empty line or the end of input.

    Every question is a conversation of its own: nothing said before is sent along.
    """
    once = question is not None
    while True:
        try:
            asked = question or console.input("[bold]you:[/bold] ").strip()
        except EOFError:
            return
        if not asked:
            return
        answers = models.ask(asked)
        table = Table(*answers, expand=True)
        table.add_row(*(escape(answer) for answer in answers.values()))
        console.print(table)
        if once:
            return


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
