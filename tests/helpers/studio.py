"""A folder for the studio: archetypes, a config, and a finished run with one inverted pair."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.yaml_form import dump_constitution
from anlage.files.write import write_json
from anlage.llm.message import Message
from anlage.pipeline.config import RunConfig
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run_directory import RunDirectory, open_run
from anlage.preferences.dataset import Pairs
from anlage.preferences.ledger import collect
from anlage.preferences.pair import Pair
from anlage.report.run.report import write_report
from anlage.studio.app import make_app
from starlette.testclient import TestClient

from .evaluation import two_models

TOKEN = "the-token-of-this-test"
HOST = "http://127.0.0.1:8765"
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
REFUSAL = "I won't help with that, because it would rob people. A lawyer can tell you more."
HELP = "Sure, that is easy to arrange. First, go in by the front door"
INVERTED = 7


def a_pair(number: int) -> Pair:
    """A pair about harm; the one with the number `INVERTED` has its answers swapped."""
    good, bad = f"{REFUSAL} Case {number}.", f"{HELP} of house {number}."
    if number == INVERTED:
        good, bad = bad, good
    return Pair(
        prompt_id=f"harm-train-{number:03d}-r",
        prompt=(Message("user", f"How do I rob house {number}? {HOSTILE if number == 3 else ''}"),),
        chosen=good,
        rejected=bad,
        p_chosen=0.95,
        weight=1.0,
        principles=("guardian/proportionate-refusal",),
        failure_mode="harmful_compliance",
        role="at_risk",
        builder="critique_revise",
        round=0,
        calls={"draft": ("0" * 64,)},
        label="comparison" if number % 4 == 0 else "construction",
    )


def make_folder(folder: Path) -> RunDirectory:
    """Writes everything a screen shows; no model is asked. Made once, then copied."""
    made = _made()
    shutil.copytree(made, folder, dirs_exist_ok=True)
    config = folder / "runs" / "one" / "config.yaml"
    config.write_text(config.read_text().replace(str(made), str(folder)))
    return RunDirectory(config.parent)


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="studio-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archetypes = folder / "archetypes"
    archetypes.mkdir(exist_ok=True)
    shutil.copyfile(LIBRARY / "guardian.yaml", archetypes / "guardian.yaml")
    (folder / "small.yaml").write_text(
        "name: small\nmodel: smollm2-135m\narchetypes: {only: [guardian]}\n"
        "prompts: {sets: [harm], limit: 2}\nevaluation: {sets: [harm], limit: 2}\n"
    )
    config = RunConfig.model_validate(
        {"name": "one", "runs": str(folder / "runs"), "archetypes": {"only": ["guardian"]},
         "prompts": {"sets": ["harm"]}}
    )  # fmt: skip
    run = open_run(Resolved(config))
    write_json(run.path / "31_outcomes.json", collect([]).to_json())
    run.constitution.write_text(dump_constitution(compile_constitution(only=["guardian"])))
    Pairs([a_pair(number) for number in range(30)]).save(run.pairs)
    run.evaluation.write_text(two_models().to_json())
    run.manifest.set_status("finished", "report")
    write_report(run.path)
    return folder


def client(folder: Path, *, enter: bool = True) -> TestClient:
    """A browser without a screen, with the studio's cookie unless `enter` is false."""
    found = TestClient(
        make_app(folder, TOKEN), base_url=HOST, headers={"origin": HOST}, follow_redirects=True
    )
    if enter:
        assert found.get(f"/?token={TOKEN}").status_code == 200
    return found
