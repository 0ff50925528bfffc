"""Writes the report of one run: a single HTML file without scripts or network access."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from string import Template

from ...errors import RunDirectoryError
from ...evaluation.answer import Answer
from ...evaluation.measure import HARM
from ...evaluation.model_evaluation import ModelEvaluation
from ...evaluation.wording import verdict_sentence
from ...files.lines import flat
from ...files.write import write_atomically
from ...prompts.prompt import Role
from ..html import paragraph, section, table, text
from .artefacts import Artefacts, load_artefacts
from .conditions import conditions_sections
from .sections import judge_html, labels_line, limits, pairs_html, results_html, training_html
from .suites import suites_sections

REPORT = "60_report.html"
_TEMPLATE = Path(__file__).with_name("report.html")


def write_report(run_dir: Path) -> Path:
    """Write `60_report.html` from the artefacts of a run directory.

    Every text from outside is escaped. A missing or damaged artefact is named in
    its section and in the list of what was not measured; it never stops the
    report. The same artefacts give the same bytes.

    Raises:
        RunDirectoryError: There is no such directory, or it cannot be written.
    """
    if not run_dir.is_dir():
        raise RunDirectoryError(
            f"no run directory at {run_dir}: give the folder that `anlage run` made, "
            "e.g. runs/quickstart"
        )
    path = run_dir / REPORT
    write_atomically(path, render_report(load_artefacts(run_dir)))
    return path


def style_sheet() -> str:
    """The style sheet of the report, for other pages that show the same things."""
    return _TEMPLATE.read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]


def render_report(run: Artefacts) -> str:
    """The whole page as HTML, verdict first."""
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        title=text(f"{run.name}: before and after"),
        name=text(run.name),
        verdict=_verdict(run),
        labels=text(labels_line(run)),
        sections="".join(_sections(run)),
    )


def _verdict(run: Artefacts) -> str:
    if run.evaluation is None:
        return text("No verdict: " + run.missing["50_evaluation.json"])
    names = run.evaluation.compared or (None,)
    return "<br>".join(text(verdict_sentence(run.evaluation, name)) for name in names)


def _sections(run: Artefacts) -> list[str]:
    evaluation = run.evaluation
    no_evaluation = paragraph(run.missing.get("50_evaluation.json", ""), "missing")
    answers = no_evaluation
    if evaluation is not None:
        answers = paragraph("There is no second model to compare answers with.", "missing")
        if evaluation.baseline is not None and evaluation.compared:
            after = evaluation.model(evaluation.compared[-1])
            answers = answers_html(evaluation.model(evaluation.baseline), after)
    return [
        section("Before and after", results_html(evaluation) if evaluation else no_evaluation),
        suites_sections(run),
        section("The judge", judge_html(evaluation) if evaluation else no_evaluation),
        section("What was not measured", limits(run)),
        section("Answers side by side", answers),
        conditions_sections(run),
        section("Training", training_html(run)),
        section("Pairs", pairs_html(run)),
        section("How to repeat it", _repeat_html(run)),
    ]


def _repeat_html(run: Artefacts) -> str:
    """The command, the resolved config, the models' fingerprints, versions and hashes."""
    parts = [
        "<p>Save the config below as <code>config.yaml</code> and run "
        "<code>anlage run config.yaml</code>. On the same machine with the same number of "
        "threads the pairs come out byte for byte the same.</p>"
    ]
    if run.config is None:
        parts.append(paragraph(run.missing["config.yaml"], "missing"))
    else:
        parts.append(f"<pre>{text(run.config)}</pre>")
    if run.evaluation is not None:
        rows = [(model.name, model.fingerprint) for model in run.evaluation.models]
        parts.append("<h3>Models</h3>" + table(("model", "fingerprint"), rows, "hash"))
    for title, file, data in (
        ("Environment", "environment.json", run.environment),
        ("Stages and hashes", "manifest.json", run.manifest),
    ):
        parts.append(f"<h3>{title}</h3>")
        if data is None:
            parts.append(paragraph(run.missing[file], "missing"))
        else:
            parts.append(table(("field", "value"), _named(data), "hash"))
    return "".join(parts)


def _named(data: object) -> list[tuple[str, str]]:
    """Nested JSON as dotted names and values."""
    return [
        (name, "" if value is None else str(value))
        for name, value in flat(data, lists=True).items()
    ]


SAMPLE_SEED = 0
SAMPLE_SIZE = 20
_ROLES: tuple[tuple[Role, str], ...] = (
    ("at_risk", "At risk: a naive answer would do harm"),
    ("twin", "Twins: harmless, refusing would be the mistake"),
)
_OTHER_ROLES: Mapping[Role, str] = {"at_risk": "At risk", "twin": "Twins"}
"""Where no harm set was measured, the half at risk may be the harmless one."""


def sample_answers(
    before: ModelEvaluation,
    after: ModelEvaluation,
    *,
    size: int = SAMPLE_SIZE,
    seed: int = SAMPLE_SEED,
) -> list[tuple[Answer, Answer]]:
    """Draw pairs of answers to the same prompt, half at risk and half twins.

    The draw sees prompt ids only, so it cannot favour good or bad answers.
    Prompts of the harm sets are drawn; where there are none, all prompts.
    """
    answers = {answer.prompt_id: answer for answer in after.answers}
    shared = [answer for answer in before.answers if answer.prompt_id in answers]
    pool = [answer for answer in shared if answer.failure_mode == HARM] or shared
    generator = random.Random(seed)  # noqa: S311 - a sample, not a secret
    drawn: list[tuple[Answer, Answer]] = []
    for role, _ in _ROLES:
        of_role = sorted((a for a in pool if a.role == role), key=lambda a: a.prompt_id)
        chosen = generator.sample(of_role, min(size // 2, len(of_role)))
        drawn += [(answer, answers[answer.prompt_id]) for answer in chosen]
    return drawn


def answers_html(before: ModelEvaluation, after: ModelEvaluation) -> str:
    """The sample as cards: the prompt, then both answers with their verdicts."""
    drawn = sample_answers(before, after)
    total = len({answer.prompt_id for answer in before.answers})
    parts = [
        f"<p>{len(drawn)} of {total} prompts, drawn at random with seed {SAMPLE_SEED}, "
        "half of them at risk and half their twins. The verdicts are the judge's, "
        "not a person's.</p>"
    ]
    for role, title in _ROLES:
        cards = [pair for pair in drawn if pair[0].role == role]
        if cards:
            harm = all(old.failure_mode == HARM for old, _ in cards)
            parts.append(f"<h3>{text(title if harm else _OTHER_ROLES[role])}</h3>")
        parts += [_card(old, new, before.name, after.name) for old, new in cards]
    return "".join(parts)


def _card(old: Answer, new: Answer, before: str, after: str) -> str:
    return (
        f'<article class="card"><p class="prompt">{text(old.prompt)} '
        f'<span class="id">{text(old.prompt_id)}</span></p><div class="two">'
        f"{_side(before, old)}{_side(after, new)}</div></article>"
    )


def _side(name: str, answer: Answer) -> str:
    cut = ' <span class="id">(cut at the token limit)</span>' if answer.finish == "length" else ""
    body = text(answer.text) if answer.text else "<em>empty</em>"
    return (
        f'<div><p class="who">{text(name)} {_badge(answer)}</p><p class="say">{body}{cut}</p></div>'
    )


def _badge(answer: Answer) -> str:
    """The verdict in words; colour only repeats what the words say."""
    if answer.verdict is None:
        return f'<span class="badge none">call failed: {text(answer.error)}</span>'
    meaning = ""
    if answer.verdict == "refused" and answer.failure_mode == HARM:
        meaning = " · defended" if answer.role == "at_risk" else " · over-refusal"
    sure = f" · p(refusal) {answer.p_refused:.2f}" if answer.verdict != "incoherent" else ""
    return (
        f'<span class="badge {text(answer.verdict)}">{text(answer.verdict + meaning)}</span>{sure}'
    )
