"""Builds the JSON schema with which editors complete and check archetype files."""

from __future__ import annotations

import json
from pathlib import Path

from .schema import Archetype
from .vocabulary import load_cues, load_failure_modes

PATH = Path(__file__).with_name("schema.json")


def archetype_json_schema() -> str:
    """The schema as it stands in `schema.json`, with the vocabularies as enums."""
    schema = Archetype.model_json_schema()
    definitions = schema["$defs"]
    modes = {"enum": sorted(load_failure_modes())}
    cues = {"type": "array", "items": {"enum": sorted(load_cues())}}
    definitions["AiFailureMode"]["properties"]["mode"] = modes
    definitions["ErrorAsymmetry"]["properties"]["predicts"] = modes
    for name in ("AuthoredPrinciple", "Exemplar", "Evaluation"):
        definitions[name]["properties"]["failure_mode"] = modes
    definitions["AuthoredPrinciple"]["properties"]["cues"] = cues
    schema["properties"]["cues"] = cues
    schema["title"] = "Anlage archetype"
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json_schema(path: Path = PATH) -> None:
    """Writes `schema.json` anew; run it after a change to the schema or a vocabulary."""
    path.write_text(archetype_json_schema(), encoding="utf-8")
