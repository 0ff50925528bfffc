"""Plan: a config written or chosen, checked and counted before it costs anything, and started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from starlette.responses import Response

from ..archetypes.loader import LIBRARY
from ..archetypes.vocabulary import opposite
from ..errors import AnlageError, ConfigurationError
from ..files.write import write_atomically
from ..llm.local.embedded import EMBEDDED
from ..pipeline.config import load_config
from ..pipeline.estimate import RunEstimate, estimate
from ..pipeline.inputs import declared_modes
from ..pipeline.preflight import preflight
from ..pipeline.resolved import Resolved
from ..prompts.loader import SETS
from .live import start
from .page import Asked, go_to, screen
from .place import NotThereError


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist: `ok`, `look` or `error`, and what was found."""

    state: str
    what: str
    found: str


def _plan(asked: Asked) -> Response:
    chosen = asked.query("config")
    data: dict[str, Any] = {
        "configs": [asked.place.name(file) for file in asked.place.configs()],
        "archetypes": [asked.place.name(file) for file in asked.place.archetypes()],
        "library": sorted(file.stem for file in LIBRARY.glob("*.yaml")),
        "sets": sorted(file.stem for file in (SETS / "train").glob("*.jsonl")),
        "model": EMBEDDED, "chosen": chosen, "checks": [], "estimate": None, "ready": False,
        "text": "",
    }  # fmt: skip
    if chosen:
        file = asked.place.file(chosen)
        data |= _checked(file, deep=bool(asked.query("deep")))
    return asked.page("plan.html", data=data)


def _checked(file: Path, *, deep: bool) -> dict[str, Any]:
    """The checklist of a config, and what it would ask where it is right."""
    try:
        text = file.read_text("utf-8")
        resolved = Resolved.load(file)
        checks = [*_known(resolved, str(file)), *_guards(resolved)]
        counted = None
        if deep and all(
            check.state != "error" for check in checks
        ):  # takes seconds: the run is played through with models that only count
            counted = estimate(resolved, str(file))
            checks += [*_within(counted, resolved), *_trains(resolved)]
    except ConfigurationError as error:
        checks = [Check("error", "Config", str(problem)) for problem in error.problems]
        return {"checks": checks, "text": text}
    ready = all(check.state != "error" for check in checks)
    return {
        "checks": checks,
        "estimate": counted and _amounts(counted),
        "ready": ready,
        "text": text,
    }


def _known(resolved: Resolved, source: str) -> Iterator[Check]:
    """What can be known before the first call; keys and servers may still follow."""
    found = preflight(resolved, source, environment="warning")
    if not any(problem.severity == "error" for problem in found):
        yield Check("ok", "Config, prompts and archetypes", "read, and they fit together")
    for problem in found:
        yield Check("error" if problem.severity == "error" else "look", "Preflight", str(problem))
    if not any(problem.code.startswith("M") for problem in found):
        yield Check("ok", "Servers and keys", "every server answers, every key is set")


def _guards(resolved: Resolved) -> Iterator[Check]:
    if resolved.archetypes.path is None:
        guarded = declared_modes(resolved)
        lacking = sorted({opposite(mode) for mode in guarded} - guarded)
        if lacking:
            names = ", ".join(mode.replace("_", " ") for mode in lacking)
            text = f"nothing guards against {names}, which overdoing it may cause"
            yield Check("look", "Guards", text)
        else:
            yield Check("ok", "Guards", "every failure mode's opposite is guarded, too")


def _within(counted: RunEstimate, resolved: Resolved) -> Iterator[Check]:
    most = resolved.budget.max_calls
    if most is None:
        yield Check("look", "Budget", "no cap on calls; local models cost time, others money")
    elif counted.high.calls > most:
        text = f"up to {counted.high.calls:,} calls are needed, {most:,} are allowed: it may stop"
        yield Check("look", "Budget", text)
    else:
        yield Check(
            "ok", "Budget", f"{most:,} calls allowed, at most {counted.high.calls:,} needed"
        )


def _trains(resolved: Resolved) -> Iterator[Check]:
    """What the doctor says: the model is here, rows fit, memory is enough."""
    from ..pipeline.doctor import diagnose

    try:
        found = diagnose(resolved)
    except AnlageError as error:
        yield Check("error", "Training", str(error))
        return
    for problem in found.problems:
        state = "error" if problem.severity == "error" else "look"
        yield Check(state, "Training", f"{problem.message}. {problem.fix}")
    if found.need is not None and not any(p.code == "T010" for p in found.problems):
        yield Check("ok", "Memory", f"about {found.need.total / 1e9:.1f} GB are needed")


def _amounts(found: RunEstimate) -> dict[str, Any]:
    rows = [
        (row.stage, row.model, _range(row.low.calls, row.high.calls),
         _range(row.low.tokens, row.high.tokens))
        for row in found.rows
    ]  # fmt: skip
    low, high = found.low, found.high
    paid = low.usd is not None and high.usd is not None
    cost = f"${low.usd:,.2f} to ${high.usd:,.2f}" if paid else "a price is not known"
    total = (_range(low.calls, high.calls), _range(low.tokens, high.tokens), cost)
    return {"rows": rows, "total": total, "time": found.time, "notes": found.notes}


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _new(asked: Asked) -> Response:
    """Writes a config from the form; it is checked before it takes its place."""
    form = asked.form
    archetypes: dict[str, Any] = {}
    if form.get("archetypes"):
        archetypes["path"] = asked.place.name(asked.place.file(form["archetypes"]))
    if form.get("library", "").split():
        key = "library" if archetypes else "only"
        archetypes[key] = form["library"].replace(",", " ").split()
    data: dict[str, Any] = {"name": form.get("name", "").strip(), "model": form.get("model", "")}
    if archetypes:
        data["archetypes"] = archetypes
    sets, limit, calls = (form.get(name, "").strip() for name in ("sets", "limit", "max_calls"))
    data["prompts"], data["evaluation"] = (
        {"sets": sets.replace(",", " ").split()} if sets else {} for _ in range(2)
    )
    if limit.isdecimal():
        data["prompts"]["limit"] = int(limit)
    if calls.isdecimal():
        data["budget"] = {"max_calls": int(calls)}
    file = asked.place.file(f"{data['name']}.yaml")
    if file.exists():
        fix = "choose another name, or change the file by hand"
        raise ConfigurationError.one("X002", file.name, "there is such a config already", fix)
    text = yaml.safe_dump({k: v for k, v in data.items() if v}, sort_keys=False)
    write_atomically(file, text)
    try:
        load_config(file)
    except ConfigurationError:
        file.unlink()
        raise
    return go_to("/plan", {"config": asked.place.name(file)})


def _start(asked: Asked) -> Response:
    file = asked.place.file(asked.form.get("config", ""))
    resolved = Resolved.load(file)
    resolved.check(str(file))
    folder = asked.place.folder / resolved.folder
    start(file, folder, asked.place.folder)
    return go_to(f"/started/{resolved.name}")


def _started(asked: Asked) -> Response:
    """Between the start and the moment the run has a folder of its own."""
    name = asked.path("run")
    if name.startswith("."):
        raise NotThereError(f"There is no run called {name!r}.")
    if (asked.place.runs_folder / name / "config.yaml").is_file():
        return go_to(f"/runs/{name}/live")
    log = asked.place.runs_folder / f"{name}.log"
    said = log.read_text("utf-8", "replace")[-4000:] if log.is_file() else ""
    return asked.page("started.html", data={"name": name, "said": said})


ROUTES = (
    screen("/plan", _plan),
    screen("/plan", _new, post=True),
    screen("/start", _start, post=True),
    screen("/started/{run}", _started),
)
