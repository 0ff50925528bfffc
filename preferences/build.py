"""`build_pairs`: the Python entry to every pair builder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..constitution.principle import Constitution
from ..critic.calibrate import Calibration
from ..llm.models import AnyModel, as_model
from ..llm.run_sync import run_sync
from ..prompts.check import Check
from ..prompts.prompt import Prompt
from .builders.registry import get_builder
from .builders.roles import Models, nowhere
from .dataset import Pairs
from .label_accuracy import checked
from .settings import PairSettings


def build_pairs(
    constitution: Constitution,
    prompts: Sequence[Prompt],
    *,
    policy: AnyModel,
    critic: AnyModel | None = None,
    comparator: AnyModel | None = None,
    teacher: AnyModel | None = None,
    calibration: Calibration | None = None,
    checks: Mapping[str, Check] | None = None,
    builder: str | None = None,
    settings: PairSettings | None = None,
) -> Pairs:
    """Builds preference pairs: the model's own failing answers against better ones.

    Works inside a running event loop, too (a notebook). For the ledger of attempts, await
    `anlage.preferences.builders.registry.get_builder(name)` instead. To keep every call,
    wrap the model in `anlage.CachedModel`.

    Args:
        constitution: Compiled principles.
        prompts: At-risk prompts and their twins.
        policy: The model that writes both answers, or its name.
        critic: The model that critiques, or its name; None: the policy itself. Any of the
            models may be a LangChain chat model made in Python, too.
        comparator: The model that says which answer is better, or its name; None: the
            critic.
        teacher: The stronger model of builder `teacher`, or its name.
        calibration: Of the comparator, on labelled pairs. Comparisons set labels only where
            it allows that; None: nowhere, unless `settings.labels` is `comparison`.
        checks: Prompt id -> check, such as from `anlage.prompts.loader.load_checks`: a pair that
            its check calls the wrong way round is left out.
        builder: `critique_revise`, `contrast`, `best_of_n`, `teacher` or `authored`; None
            takes it from `settings`.
        settings: Everything else; None for the defaults.

    Raises:
        ConfigurationError: No such builder, or the calibration is another model's.
        ModelNotFoundError: No such model.
        OutcomeError: Too many attempts made no pair.

    Example:
        >>> import anlage
        >>> prompts = anlage.load_prompts("train", sets=["harm"], limit=4)
        >>> pairs = anlage.build_pairs(
        ...     anlage.compile_constitution(), prompts, policy="smollm2-135m"
        ... )  # doctest: +SKIP
        >>> pairs.to_dataset()[0]["chosen"]  # doctest: +SKIP
    """
    settings = settings or PairSettings()
    name = builder or settings.builder
    build = get_builder(name)
    writer = as_model(policy)
    judge = writer if critic is None or critic == policy else as_model(critic)
    compares = judge if comparator is None else as_model(comparator)
    models = Models(
        policy=writer,
        critic=judge,
        comparator=compares,
        teacher=None if teacher is None else as_model(teacher),
        allows=calibration.allows_of(compares) if calibration else nowhere,
    )
    built = run_sync(build(prompts, constitution, models, settings))
    return checked(built, prompts, checks or {}, settings).pairs
