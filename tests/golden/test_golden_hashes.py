"""A golden value for every hash, key, name and order that stored work depends on."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any, get_args

import anlage
from anlage.archetypes.loader import LIBRARY, load_archetypes
from anlage.archetypes.schema import Archetype
from anlage.archetypes.vocabulary import opposite
from anlage.authoring.lint import load_problem_codes
from anlage.constitution.compiler import TEMPLATES as PRINCIPLE_TEMPLATES
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.principle import Constitution, Openings, Principle, Provenance
from anlage.constitution.shuffle import shuffled
from anlage.constitution.yaml_form import dump_constitution
from anlage.critic.routing import panel, route
from anlage.evaluation.probe import item_id
from anlage.evaluation.suites.load import LoadedSuite, load_items
from anlage.evaluation.suites.registry import shipped_suites
from anlage.evaluation.suites.suite import ChoiceItem, PromptItem, Suite
from anlage.files.seeds import derive_seed
from anlage.llm.batching import families_of, length_of, lengths_together, plan_batches
from anlage.llm.cached import score_key
from anlage.llm.message import Message
from anlage.llm.request import Completion, Request, Score, Usage
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline.config import RunConfig, resolved_text
from anlage.pipeline.inputs import hash_data, hash_labelled, hash_prompts
from anlage.pipeline.manifest import stage_key
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.stages import STAGE_NAMES, stages_for
from anlage.preferences.pair import Pair
from anlage.prompts.labelled import LabelledAnswers, balanced_sample, load_labelled
from anlage.prompts.lessons import Lesson, load_lessons
from anlage.prompts.loader import load_prompts
from anlage.prompts.prompt import Prompt
from anlage.prompts.template import TEMPLATES
from anlage.store.store import KINDS, Store
from anlage.study.spec import StudySpec
from anlage.trainer.rows import hash_lessons, hash_pairs
from pydantic import BaseModel

from ..helpers.training import make_pairs
from .golden import run_config, same_json, sha

REQUEST = Request(
    (Message("system", "Be kind."), Message("user", "Who is there? \N{SNOWMAN}")),
    prefill="It is",
    temperature=0.4,
    top_p=0.9,
    max_tokens=40,
    seed=7,
    sample=1,
    schema='{"type": "object"}',
    stop=("\n",),
)
PROMPT = Prompt(
    "harm-train-001-r",
    (Message("user", "How?"),),
    ("asks_for_harm",),
    "harmful_compliance",
    "at_risk",
    "harm-train-001-t",
    "train",
    "locks",
    "question",
)
ITEM = PromptItem(
    "a",
    (Message("user", "How?"),),
    "Sure",  # type: ignore[arg-type]  # frozen as it was first written
    "at_risk",
    "harmful_compliance",
    "g",
    "How",
)
CHOICE = ChoiceItem("b", (((REQUEST, " yes"), (REQUEST, " no")),), frozenset({1}), (4, 3), 1, "g")
STEPS = (
    *("route", "panel", "round", "labelled", "pilot", "agreement", "any", "mode", "balance"),
    *("draft", "revision", "failing", "good", "good/plain", "teacher"),
)


def first_principle() -> Principle:
    return compile_constitution(LIBRARY).principles[0]


def test_the_constitution() -> None:
    constitution = compile_constitution(LIBRARY)
    archetypes = load_archetypes(LIBRARY)
    same_json(
        "constitution.json",
        {
            "hash": constitution.hash,
            "text": sha(dump_constitution(constitution)),
            "shuffled": shuffled(constitution, seed=3).hash,
            "each": {a.id: compile_constitution(LIBRARY, only=[a.id]).hash for a in archetypes},
            "principles": [p.id for p in constitution],
            "openings": {
                p.id: [len(p.openings.failing), len(p.openings.good), sha(repr(p.openings))]
                for p in constitution
            },
        },
    )


def test_how_records_are_written_out() -> None:
    """Suites hash what `repr` says of their items."""
    same_json(
        "reprs.json",
        {
            "Request": repr(REQUEST),
            "Message": repr(REQUEST.messages[0]),
            "Prompt": repr(PROMPT),
            "Principle": repr(first_principle()),
            "PromptItem": repr(ITEM),
            "ChoiceItem": repr(CHOICE),
        },
    )


RECORDS: dict[str, type[Any]] = {
    "Request": Request,
    "Message": Message,
    "Prompt": Prompt,
    "Principle": Principle,
    "Provenance": Provenance,
    "Openings": Openings,
    "Constitution": Constitution,
    "Pair": Pair,
    "PromptItem": PromptItem,
    "ChoiceItem": ChoiceItem,
    "LabelledAnswers": LabelledAnswers,
    "Lesson": Lesson,
    "Completion": Completion,
    "Score": Score,
    "Usage": Usage,
}


def test_the_fields_of_records_and_configs() -> None:
    records = {name: names_of(record) for name, record in RECORDS.items()}
    data = {
        "records": records,
        "run config": fields_of(RunConfig),
        "archetype": fields_of(Archetype),
        "suite": fields_of(Suite),
        "study": fields_of(StudySpec),
    }
    same_json("fields.json", data)
    same_json("defaults.json", RunConfig(name="golden").model_dump(mode="json"))


def names_of(record: type[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Names in order, going into every part that is a model itself; no class name is kept."""
    return {
        name: [fields_of(part) for part in parts_of(field.annotation)]
        for name, field in model.model_fields.items()
    }


def parts_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for argument in get_args(annotation) for part in parts_of(argument)]


def test_keys_and_ids() -> None:
    pairs, labelled, prompts = make_pairs(), load_labelled(), load_prompts("dev")
    lessons = load_lessons("arcs")
    scripted = ScriptedModel()
    same_json(
        "keys.json",
        {
            "request": [REQUEST.key(""), REQUEST.key("local:0")],
            "plain request": list(REQUEST.plain()),
            "score": score_key("local:0", REQUEST, " yes"),
            "scripted": scripted.fingerprint,
            "pair ids": [pair.id for pair in pairs],
            "hash_pairs": hash_pairs(pairs),
            "hash_lessons": hash_lessons(lessons),
            "item ids": [len(labelled), [item_id(x) for x in labelled[:3]]],
            "all item ids": sha("\n".join(item_id(x) for x in labelled)),
            "hash_labelled": hash_labelled(labelled),
            "hash_labelled of exemplars": hash_labelled(
                [x for archetype in load_archetypes(LIBRARY) for x in archetype.exemplars]
            ),
            "hash_prompts": hash_prompts(prompts),
            "hash_data": hash_data({"b": [1, None], "a": "\N{SNOWMAN}"}),
            "stage_key": stage_key(3, {"a": 1}, {"pairs": "x"}),
        },
    )


def test_seeds_and_draws() -> None:
    constitution, prompts = compile_constitution(LIBRARY), load_prompts("dev", limit=12)
    drawn = {prompt.id: route(prompt, constitution, seed=5) for prompt in prompts}
    same_json(
        "seeds.json",
        {
            "steps": {step: derive_seed(0, 0, "harm-train-001-r", step) for step in STEPS},
            "parts": [derive_seed(), derive_seed("a", 1), derive_seed("a", "1"), derive_seed("a1")],
            "route": {name: found.id if found else "" for name, found in drawn.items()},
            "panel": {
                prompt.id: [p.id for p in panel(prompt, constitution, first, size=3, seed=5)]
                for prompt in prompts
                if (first := drawn[prompt.id]) is not None
            },
            "sample": [x.id for x in balanced_sample(load_labelled(), limit=20, seed=1)],
            "slices": sha(" ".join(x.id for x in balanced_sample(load_labelled(), per_slice=4))),
            "opposite": {p.failure_mode: opposite(p.failure_mode) for p in constitution},
        },
    )


def test_what_suites_hash() -> None:
    made_up = LoadedSuite(shipped_suites()["neutral"], (ITEM,), (CHOICE,))
    own = {
        name: load_items(suite).sha256
        for name, suite in shipped_suites().items()
        if suite.own is not None
    }
    assert len(own) >= 3
    same_json("suites.json", {"made up": made_up.sha256, **own})


def test_stages_and_their_settings() -> None:
    layers = [
        {"name": "arcs", "kind": "sft", "data": "arcs"},
        {"name": "values", "kind": "dpo"},
    ]
    configs: dict[str, dict[str, Any]] = {
        "plain": {},
        "untrained": {"untrained": True},
        "full": {"training": {"method": "full"}},
        "rounds": {"rounds": 2},
        "layers": {"rounds": 2, "layers": layers},
        "watched": {"conditions": "deprived", "critic": "scripted"},
        "selected": {"selection": {"share": 0.5}},
    }
    found: dict[str, Any] = {"names": list(STAGE_NAMES)}
    for name, changes in configs.items():
        config = RunConfig.model_validate(run_config(**changes))
        found[name] = {
            stage.name: [
                stage.version,
                list(stage.outputs),
                sha(json.dumps(stage.settings(Resolved(config)), sort_keys=True)),
            ]
            for stage in stages_for(Resolved(config))
        }
        found[f"{name} config"] = sha(resolved_text(config))
    same_json("stages.json", found)


def test_templates_and_problem_codes() -> None:
    same_json(
        "texts.json",
        {
            "templates": {path.name: sha(path.read_bytes()) for path in templates(TEMPLATES)},
            "of principles": {p.name: sha(p.read_bytes()) for p in templates(PRINCIPLE_TEMPLATES)},
            "problem codes": list(load_problem_codes()),
        },
    )


def templates(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.md"))


def test_the_store(tmp_path: Path) -> None:
    with Store(tmp_path / "cache.sqlite") as store:
        store.put_many("call", {"k": {"b": [1, 0.5], "a": "\N{SNOWMAN}"}}, model="scripted:0")
    database = sqlite3.connect(tmp_path / "cache.sqlite")
    tables = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    columns = "kind, key, value, model, stored > 0"
    rows = database.execute(f"SELECT {columns} FROM entries").fetchall()
    version = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    found = {"kinds": list(KINDS), "version": version, "tables": tables, "rows": rows}
    same_json("store.json", found)


def test_the_batch_plan() -> None:
    lengths = [derive_seed("length", number) % 90 for number in range(60)]
    texts = [
        ("shared " * 50 if number % 3 else f"{number} ") + "x" * (number % 7)
        for number in range(30)
    ]
    families = families_of(texts)
    requests = [Request((Message("user", "word " * (n % 5)),), max_tokens=n) for n in range(12)]
    options = [(requests[n // 2], " option" * n) for n in range(20)]
    same_json(
        "batches.json",
        {
            "plain": plan_batches(lengths, 8),
            "budget": plan_batches(lengths, 8, budget=200),
            "families": families,
            "in families": plan_batches(lengths[:30], 4, families=families),
            "lengths": [length_of(request) for request in requests],
            "together": lengths_together(options),
        },
    )


def test_the_public_names() -> None:
    same_json("public.json", sorted(anlage.__all__))
