from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from anlage.constitution.principle import Openings
from anlage.errors import ConfigurationError, OutcomeError, PromptError
from anlage.llm.message import Message
from anlage.llm.request import Outcome, OutcomeKind, Request
from anlage.llm.scripted import Script, ScriptedModel
from anlage.preferences.builders.attempt import BuildResult
from anlage.preferences.builders.registry import BUILDERS, get_builder
from anlage.preferences.builders.roles import Models
from anlage.preferences.ledger import NO_PRINCIPLE, collect
from anlage.preferences.settings import PairSettings
from anlage.prompts.prompt import Prompt, Role

from ...helpers.pairs import (
    CURT,
    KeyedModel,
    make_constitution,
    make_principle,
    make_prompts,
    write,
)

ANSWER = "Ask at the branch for a form, then fill it in."


def build(
    builder: str = "critique_revise",
    script: Script = write,
    prompts: list[Prompt] | None = None,
    *,
    model: KeyedModel | None = None,
    seed: int = 0,
    share_unprefilled: float = 0.5,
    share_mirrored: float = 0.5,
    max_failed_share: float = 0.5,
) -> BuildResult:
    model = model or KeyedModel(ScriptedModel(script, name="all"))
    settings = PairSettings.model_validate(
        {
            "builder": builder,
            "seed": seed,
            "share_unprefilled": share_unprefilled,
            "share_mirrored": share_mirrored,
            "max_failed_share": max_failed_share,
        }
    )
    models = Models(model, model, model, teacher=model, allows=lambda *_: builder == "best_of_n")
    plain = [replace(p, answer=ANSWER) for p in make_prompts(6)]
    asked = prompts or (plain if builder == "authored" else make_prompts(6))
    made = get_builder(builder)(asked, make_constitution(), models, settings)
    return asyncio.run(made)


def sees_critique(request: Request) -> bool:
    """True if the scripted critic's reason stands in the conversation."""
    return any("that helps a robbery" in message.content for message in request.messages)


def test_at_risk_the_revision_is_chosen_and_the_plain_draft_rejected() -> None:
    for pair in build().pairs:
        if pair.role == "at_risk":
            assert pair.chosen.startswith("I won't do that, because")
            assert pair.rejected.startswith("Draft ")
            assert pair.failure_mode == "harmful_compliance"


def test_on_twins_an_elicited_refusal_is_rejected_and_a_plain_answer_chosen() -> None:
    result = build(share_mirrored=0.0)
    twins = [pair for pair in result.pairs if pair.role == "twin"]
    assert len(twins) == 6
    for pair in twins:
        assert pair.rejected.startswith(CURT)
        assert pair.chosen.startswith(("The easiest way is to look", "Draft "))
        assert pair.failure_mode == "over_refusal"


def over_refusal_set(twins: int) -> list[Prompt]:
    """The same prompts as a set against over-refusal: the harmless half is the one at risk."""
    roles: dict[str, Role] = {"at_risk": "twin", "twin": "at_risk"}
    return [
        replace(prompt, failure_mode="over_refusal", role=roles[prompt.role])
        for prompt in make_prompts(twins)
    ]


@pytest.mark.parametrize("builder", ["critique_revise", "contrast"])
def test_labels_follow_what_threatens_and_not_the_role(builder: str) -> None:
    pairs = build(builder, prompts=over_refusal_set(6), share_mirrored=0.0).pairs
    harmful = [pair for pair in pairs if "rob bank" in pair.prompt[-1].content]
    harmless = [pair for pair in pairs if "find bank" in pair.prompt[-1].content]
    assert (len(harmful), len(harmless)) == (6, 6)
    for pair in harmful:  # a plain answer helps to rob, a refusal never does
        assert (pair.role, pair.failure_mode) == ("twin", "harmful_compliance")
        assert pair.chosen.startswith("I won't")
        assert not pair.rejected.startswith(("I won't", CURT))
    for pair in harmless:
        assert (pair.role, pair.failure_mode) == ("at_risk", "over_refusal")
        assert not pair.chosen.startswith(("I won't", CURT))
        assert pair.rejected.startswith(CURT)


def test_best_of_n_begins_failing_answers_where_plain_ones_help() -> None:
    model = KeyedModel(ScriptedModel(write, name="all"))
    prompts = over_refusal_set(6)
    build("best_of_n", model=model, prompts=prompts, share_mirrored=0.0, max_failed_share=1.0)
    begun = {r.messages[-1].content for r in model.inner.requests if r.prefill.startswith(CURT)}
    assert len(begun) == 6
    assert all("find bank" in asked for asked in begun)


def test_the_plain_share_of_twins_is_really_plain() -> None:
    plain = build(share_unprefilled=1.0).pairs
    assert all(pair.chosen.startswith("Draft ") for pair in plain if pair.role == "twin")
    led = build(share_unprefilled=0.0).pairs
    assert all(pair.chosen.startswith("The easiest") for pair in led if pair.role == "twin")


def test_mirrored_failures_open_like_the_twins_good_answer() -> None:
    pairs = build(share_mirrored=1.0).pairs
    assert all(p.rejected.startswith("I won't do that") for p in pairs if p.role == "twin")


@pytest.mark.parametrize("builder", sorted(BUILDERS.keys() - {"best_of_n", "authored"}))
def test_every_attempt_has_one_outcome_and_pairs_lead_back(builder: str) -> None:
    model = KeyedModel(ScriptedModel(write, name="all"))
    result = build(builder, model=model)
    assert len(result.outcomes.attempts) == 12
    assert sum(result.outcomes.by_kind.values()) == 12
    assert sum(sum(row.values()) for row in result.outcomes.by_principle.values()) == 12
    called = {request.key(model.fingerprint) for request in model.inner.requests}
    for pair in result.pairs:
        keys = [key for step in pair.calls.values() for key in step]
        assert keys
        assert called.issuperset(keys)
        expected = "no-harm" if pair.role == "at_risk" else "aim-first"
        assert pair.principles == (f"guardian/{expected}",)
        assert (pair.builder, pair.label, pair.p_chosen) == (builder, "construction", 0.95)


def test_steps_are_named_and_a_frame_counts_its_gaps() -> None:
    pair = next(pair for pair in build().pairs if pair.role == "at_risk")
    assert {step: len(keys) for step, keys in pair.calls.items()} == {
        "draft": 1,
        "critique": 1,
        "revision": 2,
    }


def test_stages_run_in_full_batches() -> None:
    model = KeyedModel(ScriptedModel(write, name="all"))
    build(model=model, share_mirrored=0.0)
    # drafts, reasons, first gaps of all revisions, last gaps of the refusals
    assert model.batches == [12, 12, 12, 6]


def test_contrast_tells_the_same_model_to_keep_and_to_break_the_rule() -> None:
    def sides(request: Request) -> str | None:
        asked = request.messages[-1].content
        if "what this rule forbids: Don't break" in asked:
            return f" go along with number {len(asked)} at noon."
        if "what this rule asks: Keep" in asked:
            return " we stay with what is lawful here."
        return write(request)

    pairs = build("contrast", sides, share_mirrored=0.0).pairs
    risky = [pair for pair in pairs if pair.role == "at_risk"]
    assert len(risky) == 6
    for pair in risky:
        assert pair.chosen.startswith("I won't do that")
        assert "we stay with what is lawful" in pair.chosen
        assert pair.rejected.startswith("Sure, it is easy. First, go along")
        assert pair.prompt[-1].content.startswith("How do I rob")


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_same_seed_same_bytes_other_seed_other_bytes(builder: str, tmp_path: Path) -> None:
    def default(request: Request) -> str | None:
        return " 1" if "On a scale" in request.prefill else None

    files = [
        build(builder, default, seed=seed).pairs.save(tmp_path / f"{i}.jsonl").read_bytes()
        for i, seed in enumerate((3, 3, 4))
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_a_revision_that_repeats_the_draft_is_no_op() -> None:
    def same(request: Request) -> str | None:
        return write(request) if request.prefill else " The same words as ever before."

    free = replace(
        make_principle("no-harm", "harmful_compliance"), openings=Openings(failing=(), good=())
    )
    model = KeyedModel(ScriptedModel(same, name="same"))
    risky = [prompt for prompt in make_prompts(3) if prompt.role == "at_risk"]
    lenient = PairSettings(max_failed_share=1.0)
    made = get_builder("critique_revise")(
        risky, make_constitution(free), Models(model, model, model), lenient
    )
    result = asyncio.run(made)
    assert result.outcomes.by_kind == {"no_op": 3}
    assert len(result.pairs) == 0


def test_where_the_policy_refuses_by_itself_the_failing_draft_is_elicited() -> None:
    def careful(request: Request) -> str | None:
        if not request.prefill and "rob bank" in request.messages[-1].content:
            return "I can't help with robbing a bank at any time."
        return write(request)

    result = build(script=careful)
    risky = [pair for pair in result.pairs if pair.role == "at_risk"]
    assert len(risky) == 6
    for pair in risky:
        assert not pair.rejected.startswith("I can't help")
        assert len(pair.calls["draft"]) == 2


def test_a_refusal_is_never_the_rejected_side_on_at_risk_prompts() -> None:
    def stubborn(request: Request) -> str | None:
        if "rob bank" in request.messages[-1].content and "because" not in request.prefill:
            return "" if request.prefill else "I can't help with robbing a bank at any time."
        return write(request)

    result = build(script=stubborn)
    assert all(pair.role == "twin" for pair in result.pairs)


def test_a_revision_about_the_model_is_written_again_and_noted() -> None:
    asked: list[str] = []

    def vain(request: Request) -> str | None:
        if request.prefill.endswith("because"):
            asked.append(request.prefill)
            return " I'm not a banking chatbot." if len(asked) <= 6 else " it would hurt people."
        return write(request)

    result = build(script=vain, share_mirrored=0.0)
    risky = [pair for pair in result.pairs if pair.role == "at_risk"]
    assert [pair.chosen.split(". ")[0] for pair in risky] == [
        "I won't do that, because it would hurt people"
    ] * 6
    assert all(len(pair.calls["revision"]) == 4 for pair in risky)
    assert result.outcomes.by_kind == {"ok": 6, "repaired": 6}
    notes = {a.outcome.reason for a in result.outcomes.attempts}
    assert notes == {"", "revised again: chosen talks about the model"}


def test_a_revision_that_copies_the_critique_is_written_from_the_prompt_alone() -> None:
    def parrot(request: Request) -> str | None:
        if request.prefill.endswith("because") and sees_critique(request):
            return " the front door helps a robbery and that helps a robbery."
        return write(request)

    model = KeyedModel(ScriptedModel(parrot, name="parrot"))
    result = build(model=model, share_mirrored=0.0)
    risky = [pair for pair in result.pairs if pair.role == "at_risk"]
    assert len(risky) == 6
    assert all("people would lose their savings" in pair.chosen for pair in risky)
    notes = {a.outcome.reason for a in result.outcomes.attempts}
    assert notes == {"", "revised again: chosen copies its instructions"}


def sees_rule(request: Request) -> bool:
    """True if the principle's request to revise stands in the conversation."""
    return any(make_constitution().principles[0].revise in m.content for m in request.messages)


CONTEXTS = {"critique": (True, True), "rule": (False, True), "critique_alone": (True, False)}


@pytest.mark.parametrize("context", [*CONTEXTS, "prompt"])
def test_what_a_revision_sees_is_a_setting(context: str) -> None:
    model = KeyedModel(ScriptedModel(write, name="all"))
    chosen = PairSettings.model_validate({"revision_context": context})
    made = get_builder("critique_revise")(
        make_prompts(3), make_constitution(), Models(model, model, model), chosen
    )
    asyncio.run(made)
    revisions = [r for r in model.inner.requests if r.prefill.endswith("because") and r.sample == 0]
    critique, rule = CONTEXTS.get(context, (False, False))
    assert any(map(sees_critique, revisions)) == critique
    assert any(map(sees_rule, revisions)) == rule


@pytest.mark.parametrize("context", ["rule", "prompt"])
@pytest.mark.parametrize("says", ["I'm sorry, I cannot judge that.", "", " that helps a robbery."])
def test_a_critic_that_is_left_out_is_not_asked_and_decides_nothing(
    context: str, says: str
) -> None:
    """It refused or said nothing, and its prompts made no pair, in the arm without critique too."""
    critic = KeyedModel(ScriptedModel(lambda _: says, name="critic"))
    policy = KeyedModel(ScriptedModel(write, name="policy"))
    chosen = PairSettings.model_validate(
        {"revision_context": context, "min_severity": 2, "revisions": 2, "max_failed_share": 1.0}
    )
    models = Models(policy, critic, critic)
    made = asyncio.run(
        get_builder("critique_revise")(make_prompts(4), make_constitution(), models, chosen)
    )
    assert critic.inner.requests == []
    assert made.outcomes.by_kind.get("ok", 0) + made.outcomes.by_kind.get("repaired", 0) == 8
    assert len(made.pairs) == 8
    assert all("critique" not in pair.calls for pair in made.pairs)


def test_errors_and_missing_principles_are_counted_not_lost() -> None:
    model = KeyedModel(ScriptedModel(write, name="all", error_at=frozenset({1, 2})))
    result = build(model=model)
    assert result.outcomes.by_kind["error"] == 2
    assert len(result.pairs) + result.outcomes.failed == 12

    harm_only = make_constitution(make_principle("no-harm", "harmful_compliance"))
    plain = KeyedModel(ScriptedModel(write, name="all"))
    made = get_builder("contrast")(
        make_prompts(2), harm_only, Models(plain, plain, plain), PairSettings()
    )
    kinds = asyncio.run(made).outcomes.by_principle["(no principle)"]
    assert kinds == {"filtered": 2}


def test_too_many_failures_stop_the_build_and_say_why() -> None:
    def silent(request: Request) -> str:
        return ""

    with pytest.raises(OutcomeError, match=r"12 of 12 attempts made no pair.*malformed"):
        build(script=silent)


def test_prompts_that_nothing_guards_are_no_failed_attempts() -> None:
    """Known before the first call, and said there: the share is of what was tried."""

    def ended(*kinds: str, principle: str = "no-harm") -> list[tuple[str, str, Outcome]]:
        return [("p", principle, Outcome(cast(OutcomeKind, kind))) for kind in kinds]

    impossible = ended(*["filtered"] * 8, principle=NO_PRINCIPLE)
    collect(impossible + ended("ok", "ok", "ok", "filtered")).check(0.25)
    with pytest.raises(OutcomeError, match="2 of 4 attempts made no pair"):
        collect(impossible + ended("ok", "ok", "error", "filtered")).check(0.25)
    with pytest.raises(OutcomeError, match=r"none of 8 prompts.*archetypes\.library"):
        collect(impossible).check(0.25)
    collect(impossible).check(1.0)
    collect([]).check(0.0)


def test_an_unknown_builder_is_answered_with_a_near_one() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'contrast'"):
        get_builder("contrasts")


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_two_prompts_with_one_id_are_refused_before_any_call(builder: str) -> None:
    first, second = make_prompts(2)[:2]
    bread = replace(first, messages=(Message("user", "How do I bake rye bread?"),))
    model = KeyedModel(ScriptedModel(write, name="all"))
    with pytest.raises(PromptError, match=r"prompts 1 and 3 have one id.*rob bank.*rye bread"):
        build(builder, prompts=[first, second, bread], model=model)
    with pytest.raises(PromptError, match="prompts 2 and 3 have one id"):
        build(builder, prompts=[first, second, second], model=model)
    assert not model.batches


def test_authored_takes_a_persons_answer_against_the_models_own_failing_draft() -> None:
    prompts = [replace(p, answer=ANSWER) for p in make_prompts(3)] + make_prompts(4)[6:]
    result = build("authored", prompts=prompts, share_mirrored=0.0)
    assert result.outcomes.by_kind == {"filtered": 2, "ok": 6}
    assert not result.outcomes.on_policy
    for pair in result.pairs:
        assert pair.chosen == ANSWER
        assert pair.rejected.startswith("Draft " if pair.role == "at_risk" else CURT)
        assert (pair.builder, list(pair.calls)) == ("authored", ["draft"])


def test_authored_without_any_answer_says_where_to_write_one() -> None:
    with pytest.raises(ConfigurationError, match=r"no prompt has one.*`answer`"):
        build("authored", prompts=make_prompts(2))


@pytest.mark.parametrize("builder", ["critique_revise", "contrast"])
def test_answers_are_begun_with_openings_of_their_own_principle(builder: str) -> None:
    """Two principles of one mode: none is begun with the other's opening."""
    own = {}
    for slug in ("no-harm", "no-theft"):
        principle = make_principle(slug, "harmful_compliance")
        good = (f"Under {slug} I decline, because ... What I can do is help you ...",)
        own[principle.id] = replace(principle, openings=replace(principle.openings, good=good))
    settings = PairSettings(builder=builder, max_failed_share=1.0)  # type: ignore[arg-type]
    model = KeyedModel(ScriptedModel(write, name="all"))
    models, known = Models(model, model, model), make_constitution(*own.values())
    pairs = asyncio.run(get_builder(builder)(make_prompts(20), known, models, settings)).pairs
    assert {pair.principles for pair in pairs} == {(name,) for name in own}
    for pair in pairs:
        assert pair.chosen.startswith(f"Under {pair.principles[0].split('/')[1]} I decline")
