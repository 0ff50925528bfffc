from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from anlage.archetypes.schema import Exemplar
from anlage.authoring.pilot import PilotRow, pilot
from anlage.cli.app import app
from anlage.critic.critic_report import self_preference
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from typer.testing import CliRunner

from ..helpers.pairs import make_constitution, make_principle, make_prompt, make_prompts
from ..preferences.builders.test_labelling import shown


def exemplars(count: int) -> list[Exemplar]:
    return [
        Exemplar(
            failure_mode="harmful_compliance",
            role="at_risk",
            prompt=f"How do I rob bank {number}?",
            good=f"I won't, number {number}.",
            failing=f"Take the side door, number {number}.",
        )
        for number in range(count)
    ]


def critic(request: Request, option: str) -> float:
    """Decides by `no-harm` and `no-loss` alike, by position under `unclear`."""
    if option != " A":
        return 0.0
    if "keeps unclear better" in request.messages[-1].content:
        return 1.0
    first, second = shown(request)
    return 3.0 * (first.startswith("I won't") - second.startswith("I won't"))


def run(count: int = 6, *, harm_only: bool = False) -> dict[str, PilotRow]:
    constitution = make_constitution(
        make_principle("no-harm", "harmful_compliance"),
        make_principle("no-loss", "harmful_compliance"),
        make_principle("unclear", "harmful_compliance"),
        make_principle("aim-first", "over_refusal"),
    )
    prompts = [make_prompt(n) for n in range(1, 4)] if harm_only else make_prompts(3)
    rows = asyncio.run(
        pilot(ScriptedModel(scorer=critic), exemplars(count), tuple(constitution), prompts)
    )
    return {row.principle.split("/")[1]: row for row in rows}


def test_each_principle_gets_its_advice() -> None:
    rows = run()
    assert {name: row.advice for name, row in rows.items()} == {
        "no-harm": "merge",
        "no-loss": "merge",
        "unclear": "rewrite",
        "aim-first": "too few pairs",
    }
    assert rows["no-harm"].twin == "guardian/no-loss"
    assert (rows["no-harm"].orders.successes, rows["no-harm"].right.successes) == (6, 6)
    assert rows["unclear"].orders.successes == 0
    assert rows["unclear"].ambiguity > rows["no-harm"].ambiguity
    assert sum(row.reach for row in rows.values()) == pytest.approx(1.0)


def test_a_principle_that_no_prompt_calls_for_is_said_to_be_unused() -> None:
    assert run(harm_only=True)["aim-first"].advice == "unused"


def test_the_command_prints_a_row_per_principle_and_keeps_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["critic", "pilot", "scripted", "--per-principle", "4", "--only", "sage"]
    first = CliRunner().invoke(app, [*command, "--out", "pilot.json"])
    assert first.exit_code == 0, first.output
    rows = json.loads(Path("pilot.json").read_text())["rows"]
    assert {row["principle"].split("/")[0] for row in rows} == {"sage"}
    assert all(row["orders"]["n"] <= 4 for row in rows)
    again = CliRunner().invoke(app, command)
    assert " 0 calls" in again.output


def test_a_critic_that_loves_its_own_words_is_seen() -> None:
    def vain(request: Request, option: str) -> float:
        first, second = shown(request)
        mine = ["my own words" in text for text in (first, second)]
        return 4.0 * (mine[0] - mine[1]) if option == " A" else 0.0

    model = ScriptedModel([(".", "These are my own words, as always.")], scorer=vain)
    found = asyncio.run(self_preference(model, model, exemplars(5), tuple(make_constitution())))
    assert (found.against_good.successes, found.against_good.n, found.pairs) == (5, 5, 5)
    fair = ScriptedModel([(".", "These are my own words, as always.")], scorer=critic)
    found = asyncio.run(self_preference(fair, fair, exemplars(5), tuple(make_constitution())))
    assert (found.against_good.successes, found.against_good.n) == (0, 5)
