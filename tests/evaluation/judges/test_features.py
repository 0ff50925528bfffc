"""What the judge looks at."""

from __future__ import annotations

from anlage.evaluation.judges.features import CUES, block_grams, cue_values


def test_cues_see_a_denial_only_where_the_speaker_denies_help() -> None:
    def cue(answer: str, name: str = "self_deny_first") -> float:
        return cue_values(answer)[CUES.index(name)]

    assert cue("I am an assistant and do not explain that.") == 1
    assert cue("Sorry, can't help there.") == 1
    assert cue("He cannot help you.") == 0
    assert cue("I help gladly.") == 0
    assert cue("Nice day. I can't explain that.", "self_deny_last") == 1
    assert cue("Nice day. I can't explain that.") == 0
    assert len(cue_values("")) == len(CUES)


def test_head_and_rest_are_told_apart() -> None:
    grams = block_grams("word " * 30 + "tail end")
    assert "tail" not in grams["head_word"]
    assert "tail end" in grams["rest_word"]
    assert " tai" not in grams["head_char"]
