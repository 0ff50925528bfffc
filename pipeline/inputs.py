"""What the stages read, and the hash of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from ..archetypes.loader import LIBRARY, archetype_source, load_archetypes
from ..archetypes.schema import Archetype
from ..archetypes.vocabulary import opposite
from ..constitution.compiler import compile_constitution, constitution_of
from ..constitution.principle import Constitution
from ..constitution.shuffle import inverted, shuffled
from ..errors import ArchetypeError, Problem
from ..prompts.check import Check
from ..prompts.labelled import LabelledPair, balanced_sample, cues_of, load_labelled, messages_of
from ..prompts.loader import load_checks, load_prompts
from ..prompts.prompt import Prompt, Split
from .config import ArchetypeChoice
from .resolved import Resolved


def chosen_archetypes(choice: ArchetypeChoice) -> list[Archetype]:
    """The archetypes of the choice's path and those it adds from the shipped library.

    Raises:
        ArchetypeError: Anything wrong with a file, an unknown id, or one id twice.
    """
    return list(_chosen(choice, _stamp(archetype_source(choice.path))))


@lru_cache(maxsize=8)
def _chosen(
    choice: ArchetypeChoice, stamp: tuple[tuple[str, int, int], ...]
) -> tuple[Archetype, ...]:
    own = load_archetypes(archetype_source(choice.path), only=choice.only)
    if not choice.library:
        return tuple(own)
    added = load_archetypes(LIBRARY, only=choice.library)
    twice = sorted({a.id for a in own} & {a.id for a in added})
    if twice:
        fix = "leave it out of `archetypes.library`, or rename your own"
        message = f"archetype `{twice[0]}` is chosen from two places"
        where = str(archetype_source(choice.path))
        raise ArchetypeError([Problem("A024", "error", where, 0, message, fix)])
    return tuple(sorted([*own, *added], key=lambda archetype: archetype.id))


def labelled_pairs(resolved: Resolved) -> list[LabelledPair]:
    """All labelled answer pairs about the constitution's own failure modes; never trained on.

    The exemplars of the chosen archetypes, then the labelled answers of every
    failure mode that one of their principles guards against.
    """
    choice = resolved.archetypes
    exemplars = [e for archetype in chosen_archetypes(choice) for e in archetype.exemplars]
    return [*exemplars, *load_labelled(failure_modes=_guarded(choice))]


def _guarded(choice: ArchetypeChoice) -> set[str]:
    """Failure modes that the chosen principles guard against."""
    found = {p.failure_mode for a in chosen_archetypes(choice) for p in a.principles}
    return found if choice.guards is None else found.intersection(choice.guards)


def calibration_pairs(resolved: Resolved) -> list[LabelledPair]:
    """The labelled pairs the critic is measured on: a sample of those a principle can judge."""
    modes = _guarded(resolved.archetypes)
    pairs = [
        pair
        for pair in labelled_pairs(resolved)
        if (pair.failure_mode if pair.role == "at_risk" else opposite(pair.failure_mode)) in modes
    ]
    return balanced_sample(pairs, limit=resolved.calibration_limit, seed=resolved.data_seed)


def probe_pairs(resolved: Resolved) -> list[LabelledPair]:
    """The labelled pairs of the probe: the same ones whatever the data seed."""
    limit, modes = resolved.evaluation.probe_limit, resolved.evaluation.failure_modes
    # With a list of its own the probe does not depend on the chosen archetypes in any way.
    pairs = labelled_pairs(resolved) if modes is None else load_labelled(failure_modes=set(modes))
    return balanced_sample(pairs, per_slice=limit)


def _prompts(
    resolved: Resolved, split: Split, sets: Sequence[str] | None, limit: int | None
) -> list[Prompt]:
    folder = Path(resolved.prompts.folder) if resolved.prompts.folder else None
    return load_prompts(split, sets=sets, folder=folder, limit=limit)


def training_prompts(resolved: Resolved) -> list[Prompt]:
    """The prompts pairs are made from."""
    return _prompts(resolved, "train", resolved.prompts.sets, resolved.prompts.limit)


def evaluation_prompts(resolved: Resolved) -> list[Prompt]:
    """The prompts measured before and after."""
    chosen = resolved.evaluation
    return _prompts(resolved, chosen.split, chosen.sets, chosen.limit)


def evaluation_checks(resolved: Resolved) -> dict[str, Check]:
    """The checks of the prompts measured before and after: prompt id -> check."""
    chosen = resolved.evaluation
    return _checks(resolved, chosen.split, chosen.sets, evaluation_prompts(resolved))


def training_checks(resolved: Resolved) -> dict[str, Check]:
    """The checks of the prompts pairs are made from; none for a constitution turned around."""
    if resolved.archetypes.inverted:
        return {}  # the labels of this control are meant to be wrong
    return _checks(resolved, "train", resolved.prompts.sets, training_prompts(resolved))


def _checks(
    resolved: Resolved, split: Split, sets: Sequence[str] | None, prompts: Sequence[Prompt]
) -> dict[str, Check]:
    folder = Path(resolved.prompts.folder) if resolved.prompts.folder else None
    found = load_checks(split, sets=sets, folder=folder)
    return {prompt.id: found[prompt.id] for prompt in prompts if prompt.id in found}


def declared_modes(resolved: Resolved) -> set[str]:
    """The failure modes that the run's archetypes guard against."""
    return _guarded(resolved.archetypes)


def hash_data(data: object) -> str:
    """SHA-256 (hex) of plain data."""
    payload = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(payload.encode()).hexdigest()


def hash_prompts(prompts: Sequence[Prompt]) -> str:
    """SHA-256 (hex) of everything the prompts say."""
    rows = [asdict(prompt) for prompt in prompts]
    # Without answers the hash is what it was before there were any.
    return hash_data([{k: v for k, v in row.items() if k != "answer" or v} for row in rows])


def hash_labelled(pairs: Sequence[LabelledPair]) -> str:
    """SHA-256 (hex) of everything labelled answer pairs say."""
    return hash_data(
        [
            [
                pair.failure_mode,
                pair.role,
                [[message.role, message.content] for message in messages_of(pair)],
                cues_of(pair),
                pair.good,
                pair.failing,
            ]
            for pair in pairs
        ]
    )


def compile_for(resolved: Resolved) -> Constitution:
    """The constitution of the chosen archetypes; compiled once while no file changes."""
    return _compiled(resolved.archetypes, _stamp(archetype_source(resolved.archetypes.path)))


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every file a constitution may come from."""
    own = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    files = [*own, *sorted(LIBRARY.parent.rglob("*.yaml"))]
    facts = ((str(file), file.stat()) for file in files if file.exists())
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in facts)


@lru_cache(maxsize=8)
def _compiled(chosen: ArchetypeChoice, stamp: tuple[tuple[str, int, int], ...]) -> Constitution:
    own = compile_constitution(archetype_source(chosen.path), only=chosen.only)
    # What the linter calls an error in the author's own files has been raised by now.
    whole = constitution_of(chosen_archetypes(chosen)) if chosen.library else own
    if chosen.guards is not None:
        kept = tuple(p for p in whole if p.failure_mode in chosen.guards)
        whole = Constitution(kept, whole.sources)
    if chosen.inverted:
        return inverted(whole)
    seed = chosen.shuffle_seed
    return whole if seed is None else shuffled(whole, seed=seed)


def system_prompt(resolved: Resolved) -> str:
    """The system prompt of the evaluation: as written, or made of the principles."""
    if resolved.evaluation.system != "constitution":
        return resolved.evaluation.system
    rules = "\n".join(f"- When {p.situation}: {p.statement}" for p in compile_for(resolved))
    return f"Keep to these rules in every answer.\n{rules}"
