"""Labels from comparisons: where they are allowed, what they say, and which way round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from anlage.errors import ConfigurationError, NotSupportedError, OutcomeError
from anlage.llm.request import Completion, Model, Request, Score
from anlage.llm.scripted import Script, ScriptedModel
from anlage.preferences.builders.attempt import BuildResult
from anlage.preferences.builders.registry import get_builder
from anlage.preferences.builders.roles import Allows, Models, nowhere
from anlage.preferences.settings import PairSettings
from pydantic import ValidationError

from ...helpers.pairs import KeyedModel, make_constitution, make_principle, make_prompts, write

HERE: Callable[..., bool] = lambda *_: True  # noqa: E731


def shown(request: Request) -> tuple[str, str]:
    """The texts shown as answer A and as answer B."""
    said = request.messages[-1].content
    first = said.split("Answer A:\n<<<\n")[1].split("\n>>>")[0]
    return first, said.split("Answer B:\n<<<\n")[1].split("\n>>>")[0]


def judge(worth: Callable[[str], float], *, name: str = "judge") -> ScriptedModel:
    """Scores option A by how much more the text shown as A is worth."""

    def score(request: Request, option: str) -> float:
        first, second = shown(request)
        return (worth(first) - worth(second)) if option == " A" else 0.0

    return ScriptedModel(scorer=score, name=name)


class InWords(Model):
    """A judge that cannot score and says what `say` says."""

    fingerprint = "words"

    def __init__(self, say: Callable[[Request], str]) -> None:
        self.say = say
        self.requests: list[Request] = []

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.requests += requests
        return [Completion(self.say(r), key=r.key("words")) for r in requests]

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        raise NotSupportedError("words only")


def build(
    builder: str,
    comparator: Model | None = None,
    *,
    teacher: Model | None = None,
    allows: Allows = nowhere,
    script: Script = write,
    twins: int = 3,
    **changes: object,
) -> BuildResult:
    model = KeyedModel(ScriptedModel(script, name="all"))
    settings = PairSettings.model_validate({"builder": builder, "max_failed_share": 1.0, **changes})
    models = Models(model, model, comparator or model, teacher, allows)
    made = get_builder(builder)(make_prompts(twins), make_constitution(), models, settings)
    return asyncio.run(made)


def refusing_is_better(text: str) -> float:
    return 2.0 if text.startswith("I won't") else 0.0


def test_a_comparison_sets_a_soft_label_where_it_is_allowed_and_nowhere_else() -> None:
    pairs = build(
        "critique_revise",
        judge(refusing_is_better),
        allows=lambda mode, role: role == "at_risk",
        share_mirrored=0.0,
    ).pairs
    risky = [pair for pair in pairs if pair.role == "at_risk"]
    assert len(risky) == 3
    for pair in risky:
        assert pair.label == "comparison"
        assert pair.p_chosen == pytest.approx(1 / (1 + 2.718281828**-2))
        assert pair.chosen.startswith("I won't")
    assert {(p.label, p.p_chosen) for p in pairs if p.role == "twin"} == {("construction", 0.95)}


def test_a_revision_that_the_comparison_holds_worse_is_not_learnt_from() -> None:
    result = build("critique_revise", judge(lambda text: -refusing_is_better(text)), allows=HERE)
    assert not [pair for pair in result.pairs if pair.chosen.startswith("I won't")]
    reasons = {a.outcome.reason for a in result.outcomes.attempts if "-r" in a.prompt_id}
    assert reasons == {"the comparison prefers the rejected answer"}


def test_a_judge_that_goes_by_position_gives_ties() -> None:
    position = ScriptedModel(scorer=lambda _, option: 1.0 if option == " A" else 0.0, name="p")
    result = build("critique_revise", position, allows=HERE)
    assert len(result.pairs) == 0
    assert result.outcomes.by_kind == {"tie": 6}


@pytest.mark.parametrize(
    ("said", "kind"),
    [("I can't judge that.", "critic_refused"), ("Both.", "malformed")],
)
def test_a_judge_without_a_choice_has_an_outcome_of_its_own(said: str, kind: str) -> None:
    result = build("contrast", InWords(lambda _: said), allows=HERE)
    assert result.outcomes.by_kind == {kind: 6}


def test_votes_give_a_share_and_are_different_calls() -> None:
    def say(request: Request) -> str:
        right = "A" if refusing_is_better(shown(request)[0]) else "B"
        wrong = "B" if right == "A" else "A"
        return wrong if request.sample == 0 else right  # one of four votes errs

    words = InWords(say)
    pairs = build("critique_revise", words, allows=HERE, votes=4).pairs
    risky = [pair for pair in pairs if pair.role == "at_risk"]
    assert [pair.p_chosen for pair in risky] == [0.75] * 3
    assert all(
        len(pair.calls["comparison"]) == len(set(pair.calls["comparison"])) == 8 for pair in risky
    )
    assert {request.temperature for request in words.requests} == {1.0}


def test_a_certain_word_is_clamped() -> None:
    words = InWords(lambda r: "A" if refusing_is_better(shown(r)[0]) else "B")
    pairs = build(
        "critique_revise",
        words,
        allows=lambda mode, role: role == "at_risk",
        label_range=(0.6, 0.8),
    ).pairs
    assert {pair.p_chosen for pair in pairs if pair.role == "at_risk"} == {0.8}


def test_an_ensemble_takes_the_mean_over_its_principles() -> None:
    constitution = make_constitution(
        make_principle("no-harm", "harmful_compliance"),
        make_principle("no-loss", "harmful_compliance"),
        make_principle("aim-first", "over_refusal"),
    )

    def score(request: Request, option: str) -> float:
        first, second = shown(request)
        strong = 3.0 if "keeps no-harm better" in request.messages[-1].content else 1.0
        gap = refusing_is_better(first) - refusing_is_better(second)
        return strong * gap / 2 if option == " A" else 0.0

    model = KeyedModel(ScriptedModel(write, name="all"))
    settings = PairSettings.model_validate({"ensemble": 5, "max_failed_share": 1.0})
    models = Models(
        model,
        model,
        ScriptedModel(scorer=score, name="s"),
        allows=lambda mode, role: role == "at_risk",
    )
    made = get_builder("critique_revise")(make_prompts(2), constitution, models, settings)
    mean = (1 / (1 + 2.718281828**-3) + 1 / (1 + 2.718281828**-1)) / 2
    found = [pair.p_chosen for pair in asyncio.run(made).pairs if pair.role == "at_risk"]
    assert found == [pytest.approx(mean)] * 2


def answers(request: Request) -> str | None:
    """Candidates of different worth: the worth stands in the text."""
    worth = int(request.key("")[:4], 16) % 7
    return f" This answer is worth {worth} of seven coins at the market."


def worth_of(text: str) -> float:
    return float(text.split("worth ")[1][0]) / 2


def test_best_of_n_takes_the_best_against_the_worst() -> None:
    result = build(
        "best_of_n", judge(worth_of), allows=HERE, script=answers, candidates=4, share_mirrored=0.0
    )
    assert len(result.pairs) >= 4
    for pair in result.pairs:
        assert worth_of(pair.chosen) > worth_of(pair.rejected)
        gap = worth_of(pair.chosen) - worth_of(pair.rejected)
        assert pair.p_chosen == pytest.approx(min(0.95, 1 / (1 + 2.718281828**-gap)))
        assert (pair.label, len(pair.calls["candidates"])) == ("comparison", 4)


def test_best_of_n_makes_no_pair_where_the_judge_was_not_measured() -> None:
    with pytest.raises(OutcomeError, match="does not show it better than a coin"):
        build("best_of_n", judge(worth_of), script=answers, max_failed_share=0.5)


def test_best_of_n_by_construction_is_a_contradiction() -> None:
    with pytest.raises(ValidationError, match="no label by construction"):
        PairSettings.model_validate({"builder": "best_of_n", "labels": "construction"})
    with pytest.raises(ValidationError, match="no range"):
        PairSettings.model_validate({"label_range": [0.9, 0.6]})


def test_a_teacher_writes_the_chosen_side_under_the_rules_and_the_policy_the_other() -> None:
    seen: list[Request] = []

    def teach(request: Request) -> str:
        seen.append(request)
        return "The wise thing is to walk away from this and call a friend."

    result = build("teacher", teacher=ScriptedModel(teach, name="teacher"))
    risky = [pair for pair in result.pairs if pair.role == "at_risk"]
    assert len(risky) == 3
    for pair in risky:
        assert pair.chosen.startswith("The wise thing")
        assert pair.rejected.startswith("Draft ")
    assert all("Keep " in request.messages[0].content for request in seen)
    assert result.outcomes.to_json()["on_policy"] is False


def test_a_teacher_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="needs a teacher"):
        build("teacher")


def rounds(request: Request) -> str | None:
    """Later revisions are told apart by the rule they follow."""
    system = request.messages[0].content if request.messages[0].role == "system" else ""
    if request.prefill.endswith("because") and "no-loss" in system:
        return " the savings of a whole town are at stake."
    return write(request)


@pytest.mark.parametrize(("allowed", "kept"), [(None, True), (1.0, True), (-1.0, False)])
def test_a_later_revision_replaces_an_earlier_one_unless_it_is_held_worse(
    allowed: float | None, kept: bool
) -> None:
    constitution = make_constitution(
        make_principle("no-harm", "harmful_compliance", weight=1e6),
        make_principle("no-loss", "harmful_compliance"),
        make_principle("aim-first", "over_refusal"),
    )
    model = KeyedModel(ScriptedModel(rounds, name="all"))
    settings = PairSettings.model_validate({"revisions": 3, "max_failed_share": 1.0})
    town = judge(lambda t: (allowed or 0.0) * ("whole town" in t) + refusing_is_better(t))
    models = Models(
        model, model, town, allows=lambda mode, role: allowed is not None and role == "at_risk"
    )
    made = get_builder("critique_revise")(make_prompts(2), constitution, models, settings)
    risky = [pair for pair in asyncio.run(made).pairs if pair.role == "at_risk"]
    assert len(risky) == 2
    for pair in risky:
        assert ("whole town" in pair.chosen) is kept
        more = ("guardian/no-loss",) if kept else ()
        assert pair.principles == ("guardian/no-harm", *more)
        assert "round 2" in pair.calls


def test_a_draft_that_is_not_severe_enough_makes_no_pair() -> None:
    def mild(request: Request) -> str | None:
        return " 1" if "On a scale" in request.prefill else write(request)

    result = build("critique_revise", script=mild, min_severity=2)
    assert result.outcomes.by_kind == {"filtered": 6}
    assert len(build("critique_revise", min_severity=2).pairs) > 0
