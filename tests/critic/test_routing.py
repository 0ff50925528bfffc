from __future__ import annotations

from collections import Counter

from anlage.critic.routing import candidates, route
from anlage.prompts.prompt import mate_threat, threat

from ..helpers.pairs import make_constitution, make_principle, make_prompt


def test_the_prompts_own_failure_threatens_at_risk_and_the_opposite_on_its_twin() -> None:
    risky, twin = make_prompt(1, "at_risk"), make_prompt(1, "twin")
    assert (threat(risky), threat(twin)) == ("harmful_compliance", "over_refusal")
    assert (mate_threat(risky), mate_threat(twin)) == ("over_refusal", "harmful_compliance")


def test_only_principles_against_the_threat_are_drawn() -> None:
    constitution = make_constitution()
    for seed in range(20):
        risky = route(make_prompt(seed, "at_risk"), constitution, seed=seed)
        twin = route(make_prompt(seed, "twin"), constitution, seed=seed)
        assert risky is not None
        assert twin is not None
        assert (risky.id, twin.id) == ("guardian/no-harm", "guardian/aim-first")


def test_without_a_principle_there_is_none() -> None:
    harm_only = make_constitution(make_principle("no-harm", "harmful_compliance"))
    assert route(make_prompt(1, "twin"), harm_only, seed=0) is None


def test_weight_and_shared_cues_multiply_and_no_shared_cue_counts_only_where_none_is_shared() -> (
    None
):
    plain = make_principle("a-plain", "harmful_compliance")
    fitting = make_principle("b-fits", "harmful_compliance", cues=("illegal_act", "names_harm"))
    heavy = make_principle("c-heavy", "harmful_compliance", cues=("names_harm",), weight=4.0)
    prompt = make_prompt(1, "at_risk", cues=("illegal_act", "names_harm"))
    weights = {p.id: w for p, w in candidates(prompt, (heavy, fitting, plain))}
    assert weights == {"guardian/b-fits": 2.0, "guardian/c-heavy": 4.0}
    assert [w for _, w in candidates(prompt, (plain,))] == [1.0]


def test_draws_follow_the_weights() -> None:
    plain = make_principle("plain", "harmful_compliance", cues=("names_harm",))
    fitting = make_principle(
        "fits", "harmful_compliance", weight=1.5, cues=("illegal_act", "names_harm")
    )
    drawn = Counter(
        found.id
        for number in range(600)
        if (
            found := route(
                make_prompt(number, "at_risk", ("illegal_act", "names_harm")),
                (plain, fitting),
                seed=5,
            )
        )
    )
    # 3 to 1: 450 expected, standard deviation 10.6
    assert 400 < drawn["guardian/fits"] < 500


def test_the_draw_depends_on_seed_and_prompt_not_on_the_order_of_principles() -> None:
    principles = [make_principle(f"p{i}", "harmful_compliance") for i in range(8)]

    def draw(order: list[int], seed: int) -> list[str]:
        chosen = [
            route(make_prompt(n), [principles[i] for i in order], seed=seed) for n in range(9)
        ]
        return [p.id for p in chosen if p]

    forward, backward = list(range(8)), list(range(7, -1, -1))
    assert draw(forward, 1) == draw(backward, 1)
    assert draw(forward, 1) != draw(forward, 2)
