"""The stage that builds the pairs of a round, after the first with the current model."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from ..constitution.principle import Constitution
from ..constitution.yaml_form import load_constitution
from ..critic.calibrate import Calibration
from ..evaluation.judges.incoherence import COMMON
from ..files.write import hash_path, write_json
from ..llm.request import Model
from ..llm.run_sync import run_sync
from ..preferences.builders.roles import SILENT, Allows, Models, Progress, nowhere
from ..preferences.dataset import Pairs
from ..preferences.pair import pair_text
from ..preferences.settings import PairSettings
from ..prompts.prompt import Prompt
from .inputs import hash_data, hash_prompts, training_checks, training_prompts
from .resolved import Resolved, RoleModel, Roles
from .stage import Context, Stage
from .training_stages import round_weights
from .unit import round_folder
from .unit_data import label_standing

if TYPE_CHECKING:
    from ..preferences.builders.attempt import BuildResult

_FILES = ("30_pairs.jsonl", "31_outcomes.json", "32_confounds.json")


async def build_round(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    roles: Roles,
    settings: PairSettings,
    *,
    model_of: Callable[[RoleModel], Model],
    gate: Callable[[Model], Allows] | None,
    progress: Progress = SILENT,
) -> BuildResult:
    """Builds pairs with the models of a round; the run, its estimate and its shards all do it here.

    Args:
        prompts: Those of the round, or a part of them: each is asked the same either way.
        constitution: Principles to route from.
        roles: Which model does what; see `Resolved.roles`.
        settings: How to build; see `Resolved.pairs`.
        model_of: Gives the model of a role; asked once for each.
        gate: Says where a comparator may set labels, such as `Calibration.allows_of`; None:
            nowhere, so that none is loaded.
        progress: Who is told how far it is.

    Raises:
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
        ConfigurationError: The comparator is not the model that was calibrated.
    """
    from ..preferences.builders.registry import get_builder

    writer = model_of(roles.writer)
    critic = writer if roles.critic == roles.writer else model_of(roles.critic)
    known = {roles.writer: writer, roles.critic: critic}
    # In later rounds the comparator is a second copy of the model: loaded only to be asked.
    asked = settings.labels == "comparison" or (
        gate is not None and settings.labels != "construction"
    )
    comparator = known.get(roles.comparator)
    if comparator is None:
        comparator = model_of(roles.comparator) if asked else critic
    models = Models(
        policy=writer,
        critic=critic,
        comparator=comparator,
        teacher=model_of(roles.teacher) if roles.teacher else None,
        allows=gate(comparator) if gate is not None and asked else nowhere,
    )
    return await get_builder(settings.builder)(
        prompts, constitution, models, settings, progress=progress
    )


class PairsStage(Stage):
    """Builds the pairs of one round.

    Args:
        resolved: The run.
        number: The 0-based round.
    """

    version = 4
    shipped = (
        "prompts/templates/*.md",
        "archetypes/failure_modes.yaml",
    )

    def __init__(self, resolved: Resolved, number: int) -> None:
        here = round_folder(resolved, number)
        self.number = number
        self.name = f"pairs/round-{number + 1}" if here else "pairs"
        self.title = f"building pairs, round {number + 1}" if here else "building pairs"
        self.outputs = tuple(here + name for name in _FILES)

    def settings(self, resolved: Resolved) -> object:
        """How the round's pairs are built."""
        settings = resolved.pairs(self.number).model_dump(mode="json")
        again = self.number and not resolved.refresh
        return [settings, "round 1 again"] if again else settings

    def inputs(self, context: Context) -> dict[str, str]:
        """Principles, prompts, models, what may be labelled, and the weights drafted with."""
        resolved, identity = context.resolved, context.models.identity
        roles = resolved.roles(self.number)
        inputs = {
            "constitution": load_constitution(context.run.constitution).hash,
            "prompts": hash_prompts(training_prompts(resolved)),
            "policy": identity(roles.writer.spec),
            "critic": identity(roles.critic.spec),
            "comparator": identity(resolved.calibrated),
            "teacher": identity(roles.teacher.spec) if roles.teacher else "",
            "labels": hash_data(sorted(Calibration.load(context.run.calibration).slices)),
        }
        checks = training_checks(resolved)
        if checks:
            inputs["checks"] = hash_data([[*map(asdict, checks.values())], hash_path(COMMON)])
        if self.number:
            inputs["current"] = hash_path(_weights(context, roles.writer))
        return inputs

    def execute(self, context: Context) -> str:
        """Asks the models, or copies the first round's pairs where nothing is drafted anew."""
        from ..preferences.confounds import confounds
        from ..preferences.label_accuracy import checked

        resolved, calibration = context.resolved, Calibration.load(context.run.calibration)
        here = context.run.path / round_folder(resolved, self.number)
        here.mkdir(parents=True, exist_ok=True)
        if self.number and not resolved.refresh:
            for name in _FILES:
                shutil.copy(context.run.path / round_folder(resolved, 0) / name, here / name)
            return "the pairs of round 1 again"
        prompts, settings = training_prompts(resolved), resolved.pairs(self.number)
        built = run_sync(
            build_round(
                prompts,
                load_constitution(context.run.constitution),
                resolved.roles(self.number),
                settings,
                model_of=lambda role: _model(context, role),
                gate=calibration.allows_of if calibration.slices else None,
                progress=Progress(
                    on_stage=lambda name, count: context.progress.step(f"pairs: {name}"),
                    on_attempts=context.progress.attempts,
                ),
            )
        )
        result = checked(built, prompts, training_checks(resolved), settings)
        result.pairs.save(here / _FILES[0])
        write_json(here / _FILES[1], result.outcomes.to_json())
        write_json(here / _FILES[2], confounds(result.pairs))
        kinds = ", ".join(f"{count} {kind}" for kind, count in result.outcomes.by_kind.items())
        return f"{len(result.pairs)} pairs from {len(result.outcomes.attempts)} attempts ({kinds})"

    def tell(self, context: Context) -> None:
        """Shows three pairs, and how far their labels are trusted."""
        from ..preferences.label_accuracy import advice, sentence

        run, file = context.run.path, context.run.path / self.outputs[0]
        pairs, say = Pairs.load(file), context.progress.say
        drawn = random.Random(context.resolved.data_seed).sample(list(pairs), min(3, len(pairs)))  # noqa: S311
        count = f"{len(drawn)} of {len(pairs)} pairs, drawn at random"
        table = label_standing(context.resolved, file).table
        for line in (
            f"{count}; more: anlage runs pairs {run}",
            *map(pair_text, drawn),
            *filter(None, (sentence(table), *advice(table, run))),
        ):
            say(escape(line))


def _model(context: Context, role: RoleModel) -> Model:
    if role.rounds:
        return context.models.trained(role.spec, _weights(context, role))
    return context.models.get(role.spec)


def _weights(context: Context, role: RoleModel) -> Path:
    """The weights that the model has after so many rounds of training."""
    return round_weights(context.resolved, context.run.path)[f"round-{role.rounds}"]
