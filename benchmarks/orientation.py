"""Turns labels, orders and sides round, one at a time, and looks which test turns red.

python benchmarks/orientation.py [--only WORD]

Each mutation is applied to a copy of the working tree, the tests named beside it run there,
and a mutation that leaves them green is printed as MISSED (exit code 1).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LEFT_OUT = (".*", "runs", "build", "dist", "*.egg-info", "__pycache__")


class Mutation(NamedTuple):
    """One exchange of text in one file, and the tests that must see it."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


LABELS = "preferences/builders/test_labelling.py"
BUILDERS = "preferences/builders/test_builders.py"
ACCURACY = "preferences/test_label_accuracy.py"
COMPARE, REWARD = "critic/test_compare.py", "critic/test_reward.py"
MUTATIONS = (
    Mutation(
        "label parsing: A counts as B",
        "critic/verdict.py",
        '{"A": 1.0, "B": 0.0, "tie": 0.5}',
        '{"A": 0.0, "B": 1.0, "tie": 0.5}',
        (LABELS, COMPARE),
    ),
    Mutation(
        "order swap: both orders show the same",
        "critic/compare.py",
        "shown = (item.second, item.first) if swapped else (item.first, item.second)",
        "shown = (item.first, item.second)",
        (LABELS, COMPARE),
    ),
    Mutation(
        "order swap: undone the wrong way",
        "critic/compare.py",
        "p_first = (p_a_straight + (1.0 - p_a_swapped)) / 2",
        "p_first = (p_a_straight + p_a_swapped) / 2",
        (LABELS, COMPARE),
    ),
    Mutation(
        "verdict: first and second exchanged",
        "critic/compare.py",
        'return AnswerComparison(p_first, "first", shown_first)',
        'return AnswerComparison(p_first, "second", shown_first)',
        (LABELS, COMPARE),
    ),
    Mutation(
        "log-prob options in the other order",
        "critic/compare.py",
        'OPTIONS: tuple[str, str] = (" A", " B")',
        'OPTIONS: tuple[str, str] = (" B", " A")',
        (LABELS, COMPARE),
    ),
    Mutation(
        "log-prob difference with the other sign",
        "critic/compare.py",
        "difference = logprob_b - logprob_a",
        "difference = logprob_a - logprob_b",
        (LABELS, COMPARE),
    ),
    Mutation(
        "pair: chosen and rejected exchanged",
        "preferences/builders/attempt.py",
        "chosen=attempt.chosen,\n        rejected=attempt.rejected,",
        "chosen=attempt.rejected,\n        rejected=attempt.chosen,",
        (LABELS, BUILDERS),
    ),
    Mutation(
        "data set: the rejected text under chosen",
        "preferences/dataset.py",
        'row["chosen"] = [{"role": "assistant", "content": pair.chosen}]',
        'row["chosen"] = [{"role": "assistant", "content": pair.rejected}]',
        ("preferences/test_dataset.py",),
    ),
    Mutation(
        "comparison: asked with the sides exchanged",
        "preferences/builders/labelling.py",
        "sides = [(attempt.chosen, attempt.rejected) for attempt in work]",
        "sides = [(attempt.rejected, attempt.chosen) for attempt in work]",
        (LABELS,),
    ),
    Mutation(
        "best of n: takes the worst",
        "preferences/builders/best_of_n.py",
        "best = max(usable",
        "best = min(usable",
        (LABELS,),
    ),
    Mutation(
        "best of n: comparison not turned to best and worst",
        "preferences/builders/best_of_n.py",
        "game = game if best < worst else game.turned()",
        "game = game",
        (LABELS,),
    ),
    Mutation(
        "best of n: scores go to the other candidate",
        "preferences/builders/best_of_n.py",
        "scores[one] += game.p_first\n        scores[other] += 1.0 - game.p_first",
        "scores[other] += game.p_first\n        scores[one] += 1.0 - game.p_first",
        (LABELS,),
    ),
    Mutation(
        "rounds: a worse revision replaces the earlier one",
        "preferences/builders/revision_rounds.py",
        'if comparison.outcome != "first"',
        'if comparison.outcome == "first"',
        (LABELS,),
    ),
    Mutation(
        "contrast: good and failing instruction exchanged",
        "preferences/builders/contrast.py",
        "    if good:\n        content",
        "    if not good:\n        content",
        (BUILDERS,),
    ),
    Mutation(
        "drafts: plain where a failure should be elicited",
        "preferences/builders/writing.py",
        "not plain_answer_fails(attempt.prompt) for attempt",
        "plain_answer_fails(attempt.prompt) for attempt",
        (BUILDERS,),
    ),
    Mutation(
        "drafts: elicited by role, not by what threatens",
        "preferences/builders/plain_answer.py",
        "    if danger in REFUSING_FAILS | _DEFYING:\n        return False\n",
        '    return prompt.role == "at_risk"\n',
        (BUILDERS,),
    ),
    Mutation(
        "teacher: writes the rejected side",
        "preferences/builders/teacher.py",
        'attempt.chosen = attempt.take("teacher", filled)',
        'attempt.rejected = attempt.take("teacher", filled)',
        (LABELS,),
    ),
    Mutation(
        "authored: the person's answer is the rejected side",
        "preferences/builders/authored.py",
        "attempt.chosen = attempt.prompt.answer",
        "attempt.rejected = attempt.prompt.answer",
        (BUILDERS,),
    ),
    Mutation(
        "label check: the answers exchanged",
        "preferences/label_accuracy.py",
        "for text in (pair.chosen, pair.rejected))",
        "for text in (pair.rejected, pair.chosen))",
        (ACCURACY,),
    ),
    Mutation(
        "label check: a keeping chosen answer counts as failing",
        "preferences/label_accuracy.py",
        'if chosen == "fails" else []',
        'if chosen == "keeps" else []',
        (ACCURACY,),
    ),
    Mutation(
        "label check: a failing rejected answer counts as keeping",
        "preferences/label_accuracy.py",
        'if rejected == "keeps" else []',
        'if rejected == "fails" else []',
        (ACCURACY,),
    ),
    Mutation(
        "label accuracy: wrong labels counted as right",
        "preferences/label_accuracy.py",
        "rate = Rate(right, right + wrong)",
        "rate = Rate(wrong, right + wrong)",
        (ACCURACY,),
    ),
    Mutation(
        "reviewers: chosen and rejected exchanged in the count",
        "preferences/label_accuracy.py",
        '(words["chosen"], words["rejected"])',
        '(words["rejected"], words["chosen"])',
        (ACCURACY,),
    ),
    Mutation(
        "reviewers: a pair held right is thrown out",
        "preferences/label_accuracy.py",
        'turned = said.get(pair.id) == "rejected"',
        'turned = said.get(pair.id) == "chosen"',
        (ACCURACY,),
    ),
    Mutation(
        "sheet: what a reviewer prefers is turned round",
        "inspection/review.py",
        'return "chosen" if self.said == self.labelled else "rejected"',
        'return "rejected" if self.said == self.labelled else "chosen"',
        ("inspection/test_review.py",),
    ),
    Mutation(
        "gate: lets through what it should hold back",
        "critic/calibrate.py",
        "return (failure_mode, role) in self.slices",
        "return (failure_mode, role) not in self.slices",
        ("critic/test_calibrate.py",),
    ),
    Mutation(
        "calibration: counts the wrong answer as right",
        "critic/calibrate.py",
        'correct = sum(c.outcome == "first" for c in comparisons)',
        'correct = sum(c.outcome == "second" for c in comparisons)',
        ("critic/test_calibrate.py",),
    ),
    Mutation(
        "reward: expected severity upside down",
        "critic/reward.py",
        "return 1.0 - severity / (len(SEVERITIES) - 1)",
        "return severity / (len(SEVERITIES) - 1)",
        (REWARD,),
    ),
    Mutation(
        "reward: written verdict upside down",
        "critic/reward.py",
        "1.0 - result.severity / 3",
        "result.severity / 3",
        (REWARD,),
    ),
)


def red_test(tree: Path, mutation: Mutation) -> str:
    """The first test that fails under a mutation, or ""."""
    file = tree / mutation.file
    text = file.read_text("utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.file}: {mutation.old!r} stands {text.count(mutation.old)} times"
        )
    file.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", *(f"tests/{t}" for t in mutation.tests)],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree / ".types"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
    finally:
        file.write_text(text, "utf-8")
    failed = re.search(r"^FAILED \S+?::(\S+)", done.stdout, re.MULTILINE)
    return failed.group(1) if failed else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Only mutations with this word.")
    only = parser.parse_args().only
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "anlage"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (tree / ".types").mkdir()
        (tree / ".types" / "anlage").symlink_to("..")
        print("| mutation | file | red |\n|---|---|---|")
        for mutation in MUTATIONS:
            if only in mutation.what:
                test = red_test(tree, mutation)
                missed += not test
                shown = f"`{test}`" if test else "MISSED"
                print(f"| {mutation.what} | {mutation.file} | {shown} |", flush=True)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
