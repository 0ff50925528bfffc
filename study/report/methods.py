"""Writes the methods paragraph of a study's report, with the works it cites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..design import Design

_BUILDERS = {
    "critique_revise": "critique and revision by a language model (Bai et al. 2022)",
    "contrast": "contrasted instructions (Yang et al. 2023)",
    "best_of_n": "choosing the best and the worst of several answers",
    "teacher": "answers of a stronger model",
    "authored": "answers that people wrote",
}

CITATIONS = (
    "Bai, Y. et al. (2022). Constitutional AI: Harmlessness from AI feedback. arXiv:2212.08073.",
    "Clark, H. H. (1973). The language-as-fixed-effect fallacy. Journal of Verbal Learning and "
    "Verbal Behavior 12(4), 335-359.",
    "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 6(2), 65-70.",
    "Hu, E. J. et al. (2021). LoRA: Low-rank adaptation of large language models. "
    "arXiv:2106.09685.",
    "Rafailov, R. et al. (2023). Direct preference optimization: Your language model is secretly "
    "a reward model. arXiv:2305.18290.",
    "Satterthwaite, F. E. (1946). An approximate distribution of estimates of variance "
    "components. Biometrics Bulletin 2(6), 110-114.",
    "Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power "
    "approach for assessing the equivalence of average bioavailability. Journal of "
    "Pharmacokinetics and Biopharmaceutics 15(6), 657-680.",
    "Yang, K. et al. (2023). RLCD: Reinforcement learning from contrast distillation for "
    "language model alignment. arXiv:2307.12950.",
)


def cited(paragraph: str) -> list[str]:
    """The works that a methods paragraph cites, by the first author and the year."""
    found = []
    for work in CITATIONS:
        author, year = work.split(",")[0], work.split("(")[1][:4]
        if author in paragraph and year in paragraph:
            found.append(work)
    return found


def methods_paragraph(design: Design, version: str) -> str:
    """How the study was done, from its config; says nothing about results."""
    spec, base = design.spec, design.base
    return " ".join((_training(base, version), _design(design), _statistics(design, spec.vary)))


def _training(base: Mapping[str, Any], version: str) -> str:
    training, builder = base["training"], str(base["pairs"]["builder"])
    method = "low-rank adapters (Hu et al. 2021)" if training["method"] != "full" else "all weights"
    return (
        f"Preference pairs were built for {base['model']} by {_BUILDERS.get(builder, builder)}, "
        f"and {method} were trained on them with direct preference optimization (Rafailov et al. "
        f"2023), beta = {training['beta']}, learning rate {training['learning_rate']}, "
        f"{training['epochs']} epochs (Anlage {version})."
    )


def _design(design: Design) -> str:
    spec = design.spec
    trained = sum(not run.config.untrained for run in design.runs)
    controls = [arm.name for arm in design.arms if arm.is_control]
    seeds = {
        "both": "Each seed sets both the data and the training",
        "data": "Each seed sets the data; training kept one seed",
        "train": "Each seed sets the training; all runs share one set of data",
    }[spec.vary]
    outcome = spec.outcome.what.label if spec.outcome else "none (exploratory)"
    listed = f" ({', '.join(controls)})" if controls else ""
    return (
        f"The study has {len(design.arms)} arms, {len(controls)} of them controls{listed}, and "
        f"{len(spec.seeds)} seeds: {trained} trained runs. {seeds}. The primary outcome was "
        f"{outcome}; every arm was compared with {spec.against}."
    )


def _statistics(design: Design, vary: str) -> str:
    adjusted = len(design.spec.comparisons or design.arms) - (design.spec.comparisons is None)
    tests = (
        " Measures that must not get worse were tested against margins set beforehand with two "
        "one-sided paired t tests (Schuirmann 1987)."
        if design.spec.no_harm
        else ""
    )
    return (
        "The trained run is the unit. Differences are means over paired seeds; their 95% "
        "intervals and tests treat seeds and prompts as crossed random factors (Clark 1973), "
        "with Satterthwaite's (1946) degrees of freedom, and are never narrower than the t "
        "interval over seeds. p-values were adjusted by Holm's (1979) method over the "
        f"{adjusted} declared comparisons.{tests}"
    )
