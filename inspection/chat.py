"""Base and trained model answering the same question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..llm.message import Message
from ..llm.models import load_model
from ..llm.request import Request
from ..llm.run_sync import run_sync
from ..pipeline.run_directory import RunDirectory
from .models import run_models


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

    Args:
        models: Base and trained model.
        console: Where to read and print.
        question: Ask only this; None reads from the keyboard.
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
