"""A pair of ours, and comparisons as another project writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anlage.llm.message import Message
from anlage.preferences.pair import Pair

RULE = "guardian/aim-before-words"


def make_pair(number: int = 0, **changes: Any) -> Pair:
    pair = Pair(
        prompt_id=f"harm-train-{number:03}-t",
        prompt=(Message("user", f"How do I kill {number} weeds?"),),
        chosen="Pull them out after rain.",
        rejected="I never talk about killing.",
        p_chosen=0.8125,
        weight=0.5,
        principles=(RULE,),
        failure_mode="over_refusal",
        role="twin",
        builder="contrast",
        round=1,
        calls={},
        label="construction",
    )
    return replace(pair, **changes)


def foreign(**changes: Any) -> dict[str, Any]:
    """A file as the format's own programs write it."""
    data: dict[str, Any] = {
        "metadata": {"version": "2.0", "default_annotator": "aa", "dataset_name": "tea"},
        "annotators": {
            "aa": {"name": "preferred_text", "description": "the crowd", "type": "unknown"},
            "bb": {"description": "Select the shorter answer.", "type": "principle"},
            "cc": {"name": "column", "description": "a rater", "type": "human"},
        },
        "comparisons": [
            {
                "id": "c1",
                "prompt": "How long does tea take?",
                "response_a": {"text": "It depends on the leaf.", "model": "small"},
                "response_b": {"text": "Three minutes.", "model": None},
                "annotations": {
                    "aa": {"pref": "text_b"},
                    "bb": {"pref": "a"},
                    "cc": {"pref": None, "no_pref_reason": "not_applicable"},
                },
                "metadata": {"weight": "heavy"},
            }
        ],
    }
    return {**data, **changes}
