"""`build_pairs`: the Python entry to every pair builder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..constitution.principle import Constitution
from ..llm.models import load_model
from ..llm.request import Model
from ..prompts.prompt import Prompt
from .builder import get_builder
from .dataset import Pairs
from .settings import PairSettings


def build_pairs(
    constitution: Constitution,
    prompts: Sequence[Prompt],
    *,
    policy: Model | str,
    critic: Model | str | None = None,
    builder: str | None = None,
    settings: PairSettings | None = None,
) -> Pairs:
    """Builds preference pairs: the model's own failing answers against better ones.

    For the ledger of attempts, or from inside a running event loop, await
    `preferences.builder.get_builder(name)` instead. To keep every call, wrap the
    model in `llm.cached.CachedModel`.

    Args:
        constitution: Compiled principles.
        prompts: At-risk prompts and their twins.
        policy: The model that writes both answers, or its name.
        critic: The model that critiques, or its name; None: the policy itself.
        builder: `critique_revise` or `contrast`; None takes it from `settings`.
        settings: Everything else; None for the defaults.

    Raises:
        ConfigurationError: No such builder.
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
    writer = load_model(policy) if isinstance(policy, str) else policy
    if critic is None or critic == policy:
        judge = writer
    else:
        judge = load_model(critic) if isinstance(critic, str) else critic
    return asyncio.run(build(prompts, constitution, writer, judge, settings)).pairs
