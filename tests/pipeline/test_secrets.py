"""No key of the environment and no credential of a header reaches any file of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from anlage.files.redaction import REDACTED, redact
from anlage.llm.request import Completion, Outcome, Request
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline import models
from anlage.pipeline.config import RunConfig
from anlage.pipeline.run import run

from ..helpers.run import tiny_run_config

KEY = "sk-planted-0123456789abcdef"
HEADER = "planted-in-a-header-98765"


class Leaky(ScriptedModel):
    """Every third call fails with a message that quotes its headers; answers quote the key."""

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        reason = f"401 with headers {{'Authorization': 'Bearer {HEADER}', 'x-api-key': '{KEY}'}}"
        answers = await super().complete(requests)
        return [
            replace(answer, text="", finish="error", outcome=Outcome("error", reason))
            if number % 3 == 2
            else replace(answer, text=f" The key is {KEY}, go in by the door.{answer.text}")
            for number, answer in enumerate(answers)
        ]


def test_no_secret_is_in_any_file_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    leaky = Leaky(name="leaky")
    monkeypatch.setattr(models, "load_model", lambda *_, **__: leaky)
    config = tiny_run_config(tmp_path / "runs", tmp_path)
    config = RunConfig.model_validate({**config.model_dump(), "model": "scripted"})
    done = run(config, until="pairs")
    assert leaky.calls > 20
    outcomes = (done.path / "31_outcomes.json").read_text()
    assert "401 with headers" in outcomes  # the leaks were there to be taken out
    assert REDACTED in outcomes
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert {"cache.sqlite", "30_pairs.jsonl", "31_outcomes.json", "manifest.json"} <= {
        path.name for path in files
    }
    for path in files:
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        assert HEADER.encode() not in content, path


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"Bearer {HEADER}", f"Bearer {REDACTED}"),
        (f'"Authorization": "Basic {HEADER}"', f'"Authorization": "{REDACTED}"'),
        (f"x-api-key: {HEADER}\nnext", f"x-api-key: {REDACTED}\nnext"),
        (f'{{"a": "api-key={HEADER}"}}', f'{{"a": "api-key={REDACTED}"}}'),
        (f"say {KEY}{KEY}!", f"say {REDACTED}{REDACTED}!"),
        ("The bearer of this letter is the author.", "The bearer of this letter is the author."),
        ("Authorization is needed: ask first.", "Authorization is needed: ask first."),
        ("value-of-twelve and short", "value-of-twelve and short"),
    ],
)
def test_what_counts_as_a_secret(monkeypatch: pytest.MonkeyPatch, text: str, kept: str) -> None:
    monkeypatch.setenv("MY_SERVICE_API_KEY", KEY)
    monkeypatch.setenv("SHORT_TOKEN", "short")  # too short to be one
    monkeypatch.setenv("MONKEY", "value-of-twelve")  # not a secret by its name
    assert redact(text) == kept
