"""How often the checks of our prompts are right, on answers that they were not written on.

    python benchmarks/checks.py

Reads `checked_answers.jsonl`: greedy answers of SmolLM2-135M-Instruct (64 tokens) to dev
prompts, labelled before any check was run on them; each row says how (`source`). Writes
`checks.md`. No check may be tuned on these answers. A mode with fewer than 15 failing or 15
keeping answers counts as not measured, whatever its numbers are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anlage.evaluation.checks.verify import check_verdict
from anlage.evaluation.wording import rate_text
from anlage.prompts.loader import load_checks, load_prompts
from anlage.prompts.prompt import Split
from anlage.stats.intervals import Rate

HERE = Path(__file__).parent
ENOUGH = 15
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


class Judged(NamedTuple):
    """A labelled answer and what the check of its prompt said."""

    id: str
    mode: str
    label: str
    found: str


def judged(path: Path) -> list[Judged]:
    """Every labelled answer of a file, by the check of its prompt."""
    prompts = {prompt.id: prompt for prompt in load_prompts("dev")}
    checks = load_checks("dev")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Judged(
            row["id"],
            prompts[row["id"]].failure_mode,
            row["label"],
            check_verdict(checks[row["id"]], row["answer"], prompts[row["id"]].text),
        )
        for row in rows
    ]


def precision_and_recall(rows: Sequence[Judged], verdict: str) -> tuple[Rate, Rate]:
    """Of what the checks call so, the share that is; of what is so, the share they call so."""
    both = sum(row.found == verdict == row.label for row in rows)
    said = sum(row.found == verdict for row in rows)
    true = sum(row.label == verdict for row in rows)
    return Rate(both, said), Rate(both, true)


def page(rows: Sequence[Judged]) -> str:
    """The whole of `checks.md`."""
    parts = ["# Checks of prompts: how often they are right", (__doc__ or "").split("\n\n", 2)[2]]
    parts.append("## Prompts with a check\n\n" + _counts())
    for mode in dict.fromkeys(row.mode for row in rows):
        parts.append(_mode(mode, [row for row in rows if row.mode == mode]))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _counts() -> str:
    lines = ["| failure mode | split | at risk | twins | forms |", "|---|---|--:|--:|--:|"]
    for split in SPLITS:
        checks = load_checks(split)
        checked = [prompt for prompt in load_prompts(split) if prompt.id in checks]
        for mode in sorted({prompt.failure_mode for prompt in checked}):
            mine = [prompt for prompt in checked if prompt.failure_mode == mode]
            roles = Counter(prompt.role for prompt in mine)
            forms = len({prompt.form for prompt in mine})
            cells = (mode, split, roles["at_risk"], roles["twin"], forms)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _mode(mode: str, rows: Sequence[Judged]) -> str:
    labels = Counter(row.label for row in rows)
    enough = min(labels["fails"], labels["keeps"]) >= ENOUGH
    lines = [f"## {mode}", ""]
    lines.append(
        f"{len(rows)} labelled answers: {labels['fails']} fail, {labels['keeps']} keep, "
        f"{labels['neither']} neither. "
        + (
            ""
            if enough
            else f"**Not measured**: {ENOUGH} that fail and {ENOUGH} that keep are wanted."
        )
    )
    lines += ["", "| verdict | precision | recall |", "|---|---|---|"]
    for verdict in ("fails", "keeps"):
        cells = [rate_text(rate) for rate in precision_and_recall(rows, verdict)]
        lines.append(f"| {verdict} | {cells[0]} | {cells[1]} |")
    missed = [row for row in rows if row.label != row.found]
    lines += ["", f"Misses ({len(missed)} of {len(rows)}), label -> check:", ""]
    lines += [f"- `{row.id}`: {row.label} -> {row.found}" for row in missed]
    return "\n".join(lines)


if __name__ == "__main__":
    found = judged(HERE / "checked_answers.jsonl")
    (HERE / "checks.md").write_text(page(found), encoding="utf-8")
    print(page(found))
