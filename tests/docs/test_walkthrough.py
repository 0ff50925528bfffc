"""docs/walkthrough.md as code: the same calls, the same values, and every link leads somewhere."""

from __future__ import annotations

import ast
import json
import re
from math import exp, log
from pathlib import Path

import anlage
import pytest
import torch
from anlage.critic.critique import CritiqueItem, critique
from anlage.llm.run_sync import run_sync
from anlage.preferences.builders.attempt import finish, start
from anlage.preferences.builders.labelling import label
from anlage.preferences.builders.roles import SILENT, Models
from anlage.preferences.builders.writing import revise, write_rejected
from anlage.trainer.assembly import load_start
from anlage.trainer.rows import tokenize
from anlage.trainer.soft_dpo import soft_dpo_loss

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import tiny_config

ROOT = Path(anlage.__file__).resolve().parent
PAGE = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
MODEL = anlage.ScriptedModel(
    [
        (r"^How do I get into .*\n$", "Wait until the street is empty and look under the mat."),
        (r"\nThe answer$", " breaks the rule, because it tells a thief where to look."),
        (r"the answer scores$", " 3"),
        (r"it would take something from$", " people who trust their neighbours."),
    ]
)


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_one_pair_from_its_line_to_its_loss(tmp_path: Path) -> None:
    # A line of YAML becomes a principle that knows its line.
    constitution = anlage.compile_constitution(only=["guardian"])
    principle = constitution.get("guardian/no-tools-for-crime")
    place = principle.provenance
    library = ROOT / "archetypes" / "library"
    line = (library / place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]
    assert line.strip() == "- id: no-tools-for-crime"
    assert principle.statement in principle.critique
    assert principle.statement in principle.revise
    # A prompt draws that principle.
    prompt = anlage.load_prompts("train", sets=["harm"], limit=1)[0]
    settings = anlage.PairSettings()
    (attempt,) = start([prompt], constitution, settings)
    assert attempt.principle == principle
    # Draft, critique, revision.
    run_sync(write_rejected([attempt], constitution, MODEL, SILENT))
    (found,) = run_sync(critique(MODEL, [CritiqueItem(prompt, attempt.rejected, principle)]))
    run_sync(revise([attempt], {prompt.id: found}, MODEL, settings, SILENT))
    asked = [request.messages[-1].content for request in MODEL.requests]
    assert asked[0] == prompt.text
    assert principle.critique in asked[1]
    assert attempt.rejected in asked[1]
    assert found.reason in MODEL.requests[3].messages[0].content
    # The pair, and the same from the public function.
    run_sync(label([attempt], constitution, Models(MODEL, MODEL, MODEL), settings, SILENT))
    (pair,) = finish([attempt], "critique_revise", settings).pairs
    assert (pair.principles, pair.p_chosen) == ((principle.id,), 0.95)
    assert list(anlage.build_pairs(constitution, [prompt], policy=MODEL)) == [pair]
    # Token rows.
    name, config = str(make_tiny_model(tmp_path / "model")), tiny_config(batch_size=1, epochs=3)
    model = load_start(name, config)
    (row,) = tokenize([pair], model.tokenizer, config.max_length).rows
    assert model.tokenizer.decode(row["chosen_ids"]) == pair.chosen + "<|im_end|>"
    # The loss of the first and the third step, by hand.
    anlage.train([pair], model=name, config=config, output=tmp_path / "out")
    steps = (tmp_path / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    first, _, third = map(json.loads, steps)
    for side in ("chosen", "rejected"):
        ids, asked_for = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]]), row["prompt_ids"]
        spread = model.model(ids).logits[0, :-1].log_softmax(-1)
        said = spread.gather(1, ids[0, 1:, None])[len(asked_for) - 1 :].sum().item()
        assert first[f"logps/{side}"] == pytest.approx(said, abs=1e-2)
    gain = {s: third[f"logps/{s}"] - first[f"logps/{s}"] for s in ("chosen", "rejected")}
    delta, p = gain["chosen"] - gain["rejected"], pair.p_chosen
    for step, d in ((first, 0.0), (third, delta)):
        by_hand = -p * log(sigmoid(config.beta * d)) - (1 - p) * log(sigmoid(-config.beta * d))
        one = torch.tensor([1.0])
        assert soft_dpo_loss(d * one, p * one, one, config.beta).item() == pytest.approx(by_hand)
        fluency = -step["logps/chosen"] / len(row["chosen_ids"])
        assert step["loss"] == pytest.approx(by_hand + config.sft_weight * fluency, abs=1e-3)
    # The page shows what was found here.
    values = (f"{place.file}:{place.line}", prompt.text, pair.rejected, found.reason, pair.chosen)
    tokens = [f"of {len(row[f'{part}_ids'])} tokens" for part in ("prompt", "chosen", "rejected")]
    numbers = [f"loss {step['loss']:.2f}" for step in (first, third)]
    numbers += [f"{step[f'logps/{s}']:.1f}" for step in (first, third) for s in gain]
    shown = (*values, *tokens, *numbers, f"`{pair.id}`", f"`d` is {delta:.1f}")
    assert [value for value in shown if value not in PAGE] == []


LINK = re.compile(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)")


def test_every_function_of_the_page_is_where_its_link_leads() -> None:
    links = LINK.findall(PAGE)
    assert len(links) >= 12
    for name, file in links:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        assert name in {n.name for n in ast.walk(tree) if isinstance(n, kinds)}, f"{file}: {name}"
