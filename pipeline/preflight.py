"""Everything that can be known of a run before its first call, all at once.

Asked by `lint`, `run --dry-run`, `doctor` and `run`. A misspelt name would otherwise choose
nothing, and a run that cannot work would fail after its calls were paid for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..archetypes.loader import LIBRARY, archetype_source, load_archetypes
from ..archetypes.schema import Archetype
from ..archetypes.vocabulary import load_failure_modes
from ..critic.routing import candidates
from ..errors import ArchetypeError, ConfigurationError, Problem, Severity
from ..files.validation import suggestion
from ..llm.chat.spec import parse_chat_spec
from ..llm.local.embedded import folder_here
from ..llm.prices import load_prices
from ..prompts.loader import load_prompts, unknown_sets
from ..prompts.prompt import threat
from ..store.store import Store
from .config import at_lines
from .inputs import (
    chosen_archetypes,
    compile_for,
    declared_modes,
    evaluation_checks,
    evaluation_prompts,
    labelled_pairs,
    training_prompts,
)
from .layer import missing_data
from .manifest import Manifest
from .model_names import model_problems, unreachable

if TYPE_CHECKING:
    from ..trainer.checks.memory_need import MemoryNeed
    from .config import RunConfig
    from .resolved import Resolved

MEMORY_MARGIN: Final = 0.8
"""Share of the free memory from which on it is called tight."""
_NAMES: Final = ("R010", "R011", "T011", "M001")  # of models: who has none cannot be reached
_ANSWER_TOKENS: Final = 40  # of a pair that is not built yet
_CHARACTERS_PER_TOKEN: Final = 4.5  # English


def preflight(
    resolved: Resolved, source: str, *, environment: Severity | None = "error", full: bool = True
) -> list[Problem]:
    """Everything that is wrong with a run, or doubtful, without a call; errors first.

    Args:
        resolved: The run.
        source: Where its config came from, for messages.
        environment: How bad it is that a key is not set, a server does not answer or the
            memory is too small: all of it may be otherwise elsewhere. None looks at none of it,
            and only `error` loads what the memory is measured with.
        full: Also looks at what prompts and principles come to, and at the memory.
    """
    found: list[Problem] = []
    try:
        resolved.check(source)
    except ConfigurationError as error:
        found += error.problems
    if full and not found:
        try:
            found += [*_guards(resolved, source), *_unmeasured(resolved, source)]
        except ConfigurationError as error:
            found += error.problems
    if environment is not None and not any(p.code in _NAMES for p in found):
        found += unreachable(resolved, source, environment)
        if environment == "error" and full and not any(p.severity == "error" for p in found):
            found += _memory(resolved, source)
    order = {"error": 0, "warning": 1, "info": 2}
    return at_lines(sorted(found, key=lambda problem: order[problem.severity]), source)


def asked_before(resolved: Resolved) -> bool:
    """Whether stored calls may answer for models that cannot be reached now.

    True for a run that has finished a stage with calls, and where the store holds calls of
    every chat model that the run asks.
    """
    if (resolved.folder / "manifest.json").is_file():
        stages = Manifest(resolved.folder).stages.values()
        if any(record.calls or record.adopted for record in stages):
            return True
    file = resolved.folder.parent / "cache.sqlite"
    specs = [spec for spec in map(parse_chat_spec, resolved.models) if spec is not None]
    if not specs or not file.is_file():
        return False
    with Store(file) as store:
        known = store.models("call")
    return all(spec.fingerprint + resolved.chat.identity in known for spec in specs)


def refuse(problems: Sequence[Problem]) -> list[Problem]:
    """The problems that are no errors.

    Raises:
        ConfigurationError: Some are.
    """
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise ConfigurationError(errors)
    return list(problems)


# --- what prompts and principles come to


def _guards(resolved: Resolved, source: str) -> Iterator[Problem]:
    """Prompts that cannot make a pair, and archetypes that no prompt is about."""
    if resolved.untrained:
        return
    constitution, prompts = compile_for(resolved), training_prompts(resolved)
    bare = Counter(threat(prompt) for prompt in prompts if not candidates(prompt, constitution))
    lost, allowed = sum(bare.values()), resolved.pairs(0).max_failed_share
    choice = resolved.archetypes
    field = next(
        (f"archetypes.{n}" for n in ("only", "path", "guards") if getattr(choice, n)),
        "prompts.sets",
    )
    sets = ", ".join(resolved.prompts.sets or ()) or "all sets"
    if lost:
        named = ", ".join(f"{mode} ({count} prompts)" for mode, count in sorted(bare.items()))
        fatal = lost > allowed * len(prompts)
        message = (
            f"`{field}`: {lost} of {len(prompts)} training prompts ({sets}) cannot make a pair: "
            f"no chosen archetype guards against {named}"
        )
        chosen = {archetype.id for archetype in chosen_archetypes(choice)}
        fix = f"{_helpers(bare, chosen)}choose other `prompts.sets`"
        yield Problem("R012", "error" if fatal else "warning", source, 0, message, fix)
    if lost == len(prompts):
        return  # one cause, one problem: it has been said that nothing guards there
    threats = {threat(prompt) for prompt in prompts}
    for archetype in chosen_archetypes(choice):
        modes = sorted({principle.failure_mode for principle in archetype.principles})
        if not threats.intersection(modes):
            message = (
                f"`{field}`: `{archetype.id}` changes nothing here: it guards against "
                f"{', '.join(modes)}, and no training prompt ({sets}) is about that"
            )
            fix = "add prompts about it (`prompts.folder`), or leave the archetype out"
            # One that was added may be there for what the others risk.
            severity: Severity = "info" if archetype.id in choice.library else "warning"
            yield Problem("R013", severity, source, 0, message, fix)


def _helpers(bare: Iterable[str], chosen: set[str]) -> str:
    """Which shipped archetypes guard against these failure modes, as the start of a fix."""
    shipped = _archetypes(None, None)
    found = {
        mode: [
            a.id
            for a in shipped
            if a.id not in chosen and any(p.failure_mode == mode for p in a.principles)
        ]
        for mode in sorted(bare)
    }
    if not all(found.values()):
        names = ", ".join(mode for mode, ids in found.items() if not ids)
        return f"write a principle with `failure_mode: {names}`, or "
    listed = "; ".join(f"{mode}: {', '.join(ids)}" for mode, ids in found.items())
    often = Counter(name for ids in found.values() for name in ids)
    best = dict.fromkeys(max(ids, key=lambda name: often[name]) for ids in found.values())
    return f"add `library: [{', '.join(best)}]` under `archetypes` (who guards: {listed}), or "


def _unmeasured(resolved: Resolved, source: str) -> Iterator[Problem]:
    """Failure modes that the run trains against and that no check, judge or label can measure."""
    measured = {pair.failure_mode for pair in labelled_pairs(resolved)}
    checks = evaluation_checks(resolved)
    # The shipped judge reads refusals, so it measures every prompt of either of the two.
    for prompt in evaluation_prompts(resolved):
        if prompt.id in checks or threat(prompt) in ("harmful_compliance", "over_refusal"):
            measured.add(threat(prompt))
    for mode in sorted(declared_modes(resolved) - measured):
        message = (
            f"`archetypes`: nothing measures {mode}: no prompt of it has a check, no judge "
            "reads it and no answers are labelled"
        )
        fix = "write `exemplars` for it, or prompts with a `check`"
        yield Problem("R014", "warning", source, 0, message, fix)


# --- the machine and what it reaches


def _memory(resolved: Resolved, source: str) -> list[Problem]:
    """Whether the training fits, from the sizes of the files; nothing where they are not here."""
    model = None if resolved.untrained else folder_here(resolved.model)
    if model is None:
        return []
    from ..trainer.checks.memory_need import available_memory, memory_need, read_shape

    answer = range(_ANSWER_TOKENS)
    rows = [
        {
            "prompt_ids": range(
                round(sum(len(m.content) for m in prompt.messages) / _CHARACTERS_PER_TOKEN)
            ),
            "chosen_ids": answer,
            "rejected_ids": answer,
        }
        for prompt in training_prompts(resolved)
    ]
    training = resolved.training()
    try:
        need = memory_need(read_shape(model), rows, training)
    except (KeyError, OSError, ValueError):
        return []  # sizes that are not known give no estimate
    return memory_problems(need, available_memory(), training.batch_size, source)


def memory_problems(need: MemoryNeed, free: float, batch: int, source: str) -> list[Problem]:
    """Whether a training fits in the memory that is free.

    Args:
        need: What it needs.
        free: Bytes.
        batch: Its batch size.
        source: Where the config came from, for messages.
    """
    if need.total <= MEMORY_MARGIN * free:
        return []
    message = (
        f"`training` needs about {need.total / 1e9:.1f} GB (weights {need.weights / 1e9:.1f}, "
        f"trained {need.trained / 1e9:.1f}, activations {need.activations / 1e9:.1f}, logits "
        f"{need.logits / 1e9:.1f}), and {free / 1e9:.1f} GB are free"
    )
    fix = (
        f"lower training.batch_size (now {batch}) and raise gradient_accumulation by the same "
        "factor"
        if batch > 1
        else "use method lora, a smaller model or a larger machine"
    )
    severity: Severity = "warning" if need.total <= free else "error"
    return [Problem("T010", severity, source, 0, message, fix)]


# --- what the config names


def check_config(config: RunConfig, source: str, models: Sequence[str]) -> None:
    """Checks what the file alone cannot show: that what it names exists.

    Args:
        config: The config.
        source: Where it came from, for messages.
        models: Every model that the run asks; see `Resolved.models`.

    Raises:
        ConfigurationError: All problems at once.
    """
    problems = []
    for field, value in (
        ("archetypes.path", str(archetype_source(config.archetypes.path))),
        ("prompts.folder", config.prompts.folder),
    ):
        if value is not None and not Path(value).exists():
            message = f"`{field}` is {value!r}, which does not exist"
            fix = "check the path: it counts from the folder where the command is run"
            problems.append(Problem("R001", "error", source, 0, message, fix))
    folder = Path(config.prompts.folder) if config.prompts.folder else None
    if folder is None or folder.exists():
        problems += unknown_sets("train", config.prompts.sets, folder)
        chosen = config.evaluation
        problems += unknown_sets(chosen.split, chosen.sets, folder)
    problems += missing_data(config.layers or (), source)
    problems += name_problems(config, source)
    if config.pairs.builder == "teacher" and config.teacher is None:
        message = "`pairs.builder` is teacher, but there is no `teacher`"
        fix = "name a stronger model in `teacher`, or take another builder"
        problems.append(Problem("D011", "error", source, 0, message, fix))
    if config.pairs.builder == "authored" and not problems:
        answered = load_prompts("train", sets=config.prompts.sets, folder=folder)
        if not any(prompt.answer for prompt in answered):
            message = "`pairs.builder` is authored, but no training prompt has an `answer`"
            fix = "write the field `answer` into rows of the set, or take another builder"
            problems.append(Problem("D012", "error", source, 0, message, fix))
    problems += _price_problems(config, source, models)
    problems += model_problems(config, source)
    if problems:
        raise ConfigurationError(at_lines(problems, source))


def _price_problems(config: RunConfig, source: str, models: Sequence[str]) -> list[Problem]:
    """A cap in dollars needs every price; a price file must be readable."""
    budget = config.budget
    try:
        prices = load_prices(Path(budget.prices) if budget.prices else None)
    except ConfigurationError as error:
        if not Path(budget.prices or "").exists():
            message = f"`budget.prices` is {budget.prices!r}, which does not exist"
            return [Problem("Y001", "error", source, 0, message, "check the path, or remove it")]
        return list(error.problems)
    if budget.max_usd is None:
        return []
    fix = "give it in a file named by `budget.prices`, or cap calls or tokens instead"
    return [
        Problem("R004", "error", source, 0, f"`budget.max_usd` needs the price of {spec!r}", fix)
        for spec in models
        if prices.price(spec) is None
    ]


def name_problems(config: RunConfig, source: str) -> list[Problem]:
    """A problem for every name that does not exist, with the nearest one that does.

    Names of archetypes are left alone where the archetypes themselves cannot be read:
    loading them says why.

    Args:
        config: The config.
        source: Where it came from, for messages.
    """
    found = []
    for field, kind, names, known in _uses(config):
        for name in names:
            if name not in known:
                message = f"`{field}` names the {kind} `{name}`, which does not exist here"
                fix = suggestion(name, known)
                code = "A010" if kind == "failure mode" else "R006"
                found.append(Problem(code, "error", source, 0, message, fix))
    library = config.archetypes.library
    twice = [name for number, name in enumerate(library) if name in library[:number]]
    if twice:
        message = f"`archetypes.library` names `{twice[0]}` twice"
        found.append(Problem("A024", "error", source, 0, message, "name it once"))
    return found


def _uses(config: RunConfig) -> Iterator[tuple[str, str, Iterable[str], set[str]]]:
    modes = set(load_failure_modes())
    yield "archetypes.guards", "failure mode", config.archetypes.guards or (), modes
    yield "evaluation.failure_modes", "failure mode", config.evaluation.failure_modes or (), modes
    layers = config.layers or ()
    for layer in layers:
        field = f"layers.{layer.name}.failure_modes"
        yield field, "failure mode", layer.failure_modes or (), modes
    chosen, selection = config.archetypes, config.selection
    if not (selection.without or selection.only or any(layer.archetypes for layer in layers)):
        return
    try:
        own = _archetypes(chosen.path, chosen.only)
        added = _archetypes(None, chosen.library) if chosen.library else ()
    except (ArchetypeError, ConfigurationError):
        return
    ids = {archetype.id for archetype in (*own, *added)}
    principles = {f"{a.id}/{p.id}" for a in (*own, *added) for p in a.principles}
    kind = "archetype or principle"
    yield "selection.without", kind, selection.without, ids | principles
    yield "selection.only", kind, selection.only or (), ids | principles
    shipped = {path.stem for path in LIBRARY.glob("*.yaml")}  # lessons may be about any of them
    for layer in layers:
        field = f"layers.{layer.name}.archetypes"
        yield field, "archetype", layer.archetypes or (), ids | shipped


@lru_cache(maxsize=8)
def _archetypes(path: str | None, only: tuple[str, ...] | None) -> tuple[Archetype, ...]:
    return tuple(load_archetypes(archetype_source(path), only=only))
