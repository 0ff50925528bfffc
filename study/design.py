"""Works out a study file: the config of every arm at every seed, checked before any run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigurationError, Problem
from ..files.validation import validation_problems
from ..files.yaml_document import Location, YamlDocument
from ..files.yaml_file import load_yaml
from ..pipeline.config import RunConfig, load_config
from ..pipeline.model_names import model_problems
from ..pipeline.preflight import name_problems
from .arms.arm import Arm, apply_overrides, guarded_modes
from .arms.arm_list import arm_problems, arms_of
from .spec import StudyFile, StudySpec, load_spec


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One arm at one seed.

    Attributes:
        name: Name of its run directory: study, arm, seed and a hash of the config.
        arm: Name of the arm.
        seed: The study's seed; runs of different arms with one seed are paired.
        config: What is run.
    """

    name: str
    arm: str
    seed: int
    config: RunConfig


@dataclass(frozen=True, slots=True)
class Design:
    """Everything a study will run.

    Attributes:
        spec: The study, `--full` already applied.
        source: Its file, for messages.
        base: The base config as plain data, every default written out.
        arms: All arms: written, generated, controls.
        runs: Arms times seeds; an untrained arm has one run that stands for every seed.
        warnings: What a reader of the report must know, in sentences.
    """

    spec: StudySpec
    source: str
    base: Mapping[str, Any]
    arms: tuple[Arm, ...]
    runs: tuple[PlannedRun, ...]
    warnings: tuple[str, ...]

    def run_of(self, arm: str, seed: int) -> PlannedRun:
        """The run of an arm at a seed; an untrained arm has one for all.

        Raises:
            KeyError: There is none.
        """
        for run in self.runs:
            if run.arm == arm and (run.seed == seed or run.config.untrained):
                return run
        raise KeyError(f"{arm} has no run at seed {seed}")


def design(path: str | Path, *, full: bool = False) -> Design:
    """Reads a study file and works it out.

    Raises:
        ConfigurationError: Every problem: of the file, of an arm's config, arms that
            contradict themselves or are the same, unknown names.
    """
    file = load_spec(path)
    spec = _sized(file, full=full)
    base = _base_config(spec, Path(path))
    arms = arms_of(spec, base, file.document)
    return _worked_out(spec, base, arms, file.document)


def _sized(file: StudyFile, *, full: bool) -> StudySpec:
    if not full:
        return file.spec
    sized = file.spec.full
    if sized is None:
        fix = "add `full:` with `set` and `seeds`, or run it without the flag"
        where = str(file.document.path)
        raise ConfigurationError.one("U002", where, "the study has no full size", fix)
    update: dict[str, Any] = {
        "set": {**file.spec.set, **sized.set},
        "name": f"{file.spec.name}-full"[:40],
    }
    if sized.seeds is not None:
        update["seeds"] = sized.seeds
    return file.spec.model_copy(update=update)


def _base_config(spec: StudySpec, path: Path) -> dict[str, Any]:
    """The base config with the study's own overrides, every default written out."""
    if isinstance(spec.base, str):
        file = path.parent / spec.base
        if not file.exists() and not Path(spec.base).exists():
            line = load_yaml(path).line(("base",))
            message = f"`base` is {spec.base!r}, and there is no such file"
            fix = "check the path: it counts from the study's folder"
            raise ConfigurationError.one("R001", path, message, fix, line=line)
        data = load_config(file if file.exists() else spec.base).model_dump(mode="json")
    else:
        data = {"name": "base", **spec.base}
    if spec.suites is not None:
        data = apply_overrides(data, {"evaluation.sets": list(spec.suites)})
    data = apply_overrides(data, {**spec.set, "runs": spec.runs})
    lines = load_yaml(path).lines if path.is_file() else {}
    places: dict[Location, int] = {
        (*key.split("."),): lines.get(("set", key), 1) for key in spec.set
    }
    document = YamlDocument(path, {}, {(): 1, **_nested(places)}, {}, "")
    try:
        base = RunConfig.model_validate(data).model_dump(mode="json")
    except ValidationError as error:
        raise ConfigurationError(validation_problems(error, document, RunConfig)) from None
    if base["evaluation"]["failure_modes"] is None:
        # One probe for all arms, whatever archetypes they leave out.
        base["evaluation"]["failure_modes"] = guarded_modes(base)
    return base


def _nested(places: Mapping[Location, int]) -> dict[Location, int]:
    """The places with those around them, so that a key below is found by its path."""
    return {at[:end]: line for at, line in places.items() for end in range(1, len(at) + 1)}


def _worked_out(
    spec: StudySpec, base: dict[str, Any], arms: list[Arm], document: YamlDocument
) -> Design:
    configs, problems = _configs(spec, base, arms, document)
    problems += arm_problems(spec, arms, configs, document)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise ConfigurationError(errors)
    runs = [
        PlannedRun(_run_name(spec, arm, seed, config), arm.name, seed, config)
        for arm in arms
        for seed in (spec.seeds[:1] if configs[arm.name].untrained else spec.seeds)
        for config in [_seeded(configs[arm.name], spec, seed + arm.seed_offset)]
    ]
    named = [replace(r, config=r.config.model_copy(update={"name": r.name})) for r in runs]
    warnings = tuple(problem.message for problem in problems)
    return Design(spec, str(document.path), base, tuple(arms), tuple(named), warnings)


def _configs(
    spec: StudySpec, base: dict[str, Any], arms: list[Arm], document: YamlDocument
) -> tuple[dict[str, RunConfig], list[Problem]]:
    configs: dict[str, RunConfig] = {}
    problems: list[Problem] = []
    for arm in arms:
        line = document.line(("arms", arm.name))
        written = spec.arms.get(arm.name) or {}
        place = YamlDocument(document.path, {}, {(): line}, {}, "")
        try:
            data = apply_overrides(base, arm.overrides)
            configs[arm.name] = config = RunConfig.model_validate(data)
            source = str(document.path)
            for found in [*name_problems(config, source), *model_problems(config, source)]:
                message = f"arm `{arm.name}`: {found.message}"
                problems.append(replace(found, line=line, message=message))
        except KeyError as error:
            message = f"arm `{arm.name}`: `{error.args[0]}` goes through a value"
            gone = str(error.args[0])
            fix = f"set the whole section `{gone.split('.')[0]}`, or a field that exists"
            at = document.line(("arms", arm.name, gone))
            problems.append(Problem("U003", "error", str(document.path), at, message, fix))
        except ValidationError as error:
            for found in validation_problems(error, place, RunConfig):
                message = f"arm `{arm.name}`: {found.message}"
                way = found.fix
                named = re.findall(r"`([\w.-]+)`", found.message)
                key = next((key for key in written if any(_ends(key, n) for n in named)), None)
                at = document.line(("arms", arm.name, key)) if key else line
                if key is not None and "." not in key and "it belongs to" in way:
                    home = re.findall(r"`(\w+)`", way)[-1]
                    way = f"write it with its section: `{home}.{key}:`"
                problems.append(Problem(found.code, "error", found.file, at, message, way))
    return configs, problems


def _ends(key: str, name: str) -> bool:
    """Whether a dotted key of an arm is, begins or ends with a name."""
    return key == name or name in key.split(".")


def _seeded(config: RunConfig, spec: StudySpec, seed: int) -> RunConfig:
    """The config at a seed. What does not vary keeps the base config's seed."""
    if config.untrained:
        return config
    if config.archetypes.shuffle_seed is not None:
        # One deal for all seeds would be a single draw, however many seeds there are.
        deal = config.archetypes.shuffle_seed + seed
        archetypes = config.archetypes.model_copy(update={"shuffle_seed": deal})
        config = config.model_copy(update={"archetypes": archetypes})
    data = seed if spec.vary in ("both", "data") else None
    return config.seeded(data, seed if spec.vary in ("both", "train") else None)


def _run_name(spec: StudySpec, arm: Arm, seed: int, config: RunConfig) -> str:
    """Readable, and different for every content: an edited study never meets its old runs."""
    names = ("name", "runs", "budget", "chat", "policy_server")
    aside: dict[str, Any] = dict.fromkeys(names, True)
    if config.selection.trust == "measured":
        aside["selection"] = {"trust"}  # as it was before there was a choice
    data = config.model_dump_json(exclude=aside)
    digest = hashlib.sha256(data.encode()).hexdigest()[:8]
    return f"{spec.name}.{arm.name[:40]}.s{seed}.{digest}"
