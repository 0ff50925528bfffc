"""From a trained pair back to the line of YAML it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..archetypes.loader import LIBRARY, archetype_source
from ..constitution.principle import Principle
from ..constitution.yaml_form import load_constitution
from ..errors import PairError
from ..llm.cached import lookup_call
from ..llm.request import Completion, Request
from ..pipeline.config import load_config
from ..pipeline.run_directory import RunDirectory
from ..preferences.dataset import Pairs
from ..preferences.pair import Pair
from ..store.store import Store


@dataclass(frozen=True, slots=True)
class TracedCall:
    """One model call behind a pair.

    Attributes:
        step: `draft`, `critique` or `revision`.
        key: Its key in the call store.
        request: What was asked, or None if the store no longer has it.
        completion: What came back, likewise.
    """

    step: str
    key: str
    request: Request | None
    completion: Completion | None


@dataclass(frozen=True, slots=True)
class TracedPrinciple:
    """A principle with the line of the archetype file it was written on."""

    principle: Principle
    file: Path
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything behind one pair, in the order it came about."""

    pair: Pair
    principles: tuple[TracedPrinciple, ...]
    calls: tuple[TracedCall, ...]


def trace(run: RunDirectory, pair_id: str) -> Trace:
    """Follows a pair back to its principles, YAML lines and model calls.

    Args:
        run: The run it was made in.
        pair_id: Its id, or an unambiguous beginning of it.

    Raises:
        PairError: No pair, or several, with that id.
    """
    pair = _find(run, pair_id)
    config = load_config(run.config_file)
    folder = archetype_source(config.archetypes.path)
    folder = folder if folder.is_dir() else folder.parent
    constitution = load_constitution(run.constitution)
    principles = []
    for principle_id in pair.principles:
        principle = constitution.get(principle_id)
        home = LIBRARY if principle.archetype in config.archetypes.library else folder
        file, line = home / principle.provenance.file, principle.provenance.line
        principles.append(TracedPrinciple(principle, file, line, _line_of(file, line)))
    calls = []
    with Store(run.store) as store:
        for step, keys in pair.calls.items():
            for key in keys:
                try:
                    request, completion = lookup_call(store, key)
                    calls.append(TracedCall(step, key, request, completion))
                except KeyError:  # the store was cleared or moved
                    calls.append(TracedCall(step, key, None, None))
    return Trace(pair, tuple(principles), tuple(calls))


def _find(run: RunDirectory, pair_id: str) -> Pair:
    pairs = Pairs.load(run.pairs)
    found = [pair for pair in pairs if pair.id.startswith(pair_id)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} pairs begin" if found else "no pair begins"
    example = ", ".join(pair.id for pair in (found or list(pairs))[:3])
    raise PairError.one(
        "D020",
        run.pairs,
        f"{what} with {pair_id!r}",
        f"Use an id from the first field of that file, e.g. {example}.",
    )


def _line_of(file: Path, line: int) -> str:
    try:
        return file.read_text("utf-8").splitlines()[line - 1].strip()
    except (OSError, IndexError):
        return "(that line is not there any more)"
