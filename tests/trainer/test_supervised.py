"""Supervised layers: whole texts, the end token trained, resumed and continued like pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.errors import OutOfMemoryError
from anlage.llm.message import Message
from anlage.prompts.lessons import Lesson, load_lessons
from anlage.trainer.conditions.journal import WatchPlan, read_checks
from anlage.trainer.conditions.settings import MonitorSettings
from anlage.trainer.origin import Origin
from anlage.trainer.rows import lesson_rows
from anlage.trainer.supervised import train_lessons

from ..helpers.conditions import labelled_pairs
from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import REFUSE, tiny_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


def lessons(count: int = 8) -> list[Lesson]:
    asked = [(Message("user", f"How do I open box {n}?"),) if n % 2 else () for n in range(count)]
    return [Lesson(f"l-{n}", prompt, REFUSE) for n, prompt in enumerate(asked)]


def test_an_arc_is_one_row_and_its_end_is_trained(model: str) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    arcs = load_lessons("arcs", themes=["truth"])
    rows = lesson_rows(arcs, tokenizer, 4096).rows
    assert len(rows) == len(arcs)
    for arc, row in zip(arcs, rows, strict=True):
        trained = [token for token in row["labels"] if token != -100]
        assert tokenizer.decode(trained) == arc.text + tokenizer.eos_token
        assert row["labels"][-1] == tokenizer.eos_token_id


def test_a_padded_batch_still_trains_the_end(model: str) -> None:
    """Here the padding token is the end token: masking by its id would hide the end."""
    from transformers import AutoTokenizer, DataCollatorForSeq2Seq

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    texts = [Lesson("a", (), REFUSE), Lesson("b", (), REFUSE * 2)]
    rows = lesson_rows(texts, tokenizer, 512).rows
    batch: Any = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)([dict(r) for r in rows])
    ends = [[t for t in row.tolist() if t != -100][-1] for row in batch["labels"]]
    assert ends == [tokenizer.eos_token_id] * 2


def test_lessons_are_learned_and_gone_on_from(model: str, tmp_path: Path) -> None:
    config = tiny_config()
    plan = WatchPlan(MonitorSettings(), labelled_pairs())
    first = train_lessons(lessons(), model=model, config=config, output=tmp_path / "1", watch=plan)
    checks = read_checks(tmp_path / "1")
    assert checks[-1].mean > checks[0].mean  # the refusals of the lessons are the good answers
    ends = (checks[0], checks[-1])
    plan = WatchPlan(MonitorSettings(), labelled_pairs(), ends, ends)
    train_lessons(
        lessons(),
        model=model,
        config=config,
        output=tmp_path / "2",
        origin=Origin(first.path, "initial"),
        watch=plan,
    )
    again = read_checks(tmp_path / "2")
    assert again[0].probe == checks[-1].probe
    assert again[0].kl == pytest.approx(checks[-1].kl, rel=0.05)  # from the base, not from 0
    assert again[-1].mean > checks[-1].mean


def test_out_of_memory_says_what_to_lower(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, num_items_in_batch: object = None) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("anlage.trainer.supervised.LessonTrainer.compute_loss", full)
    with pytest.raises(OutOfMemoryError, match=r"batch_size \(now 4\)"):
        train_lessons(lessons(), model=model, config=tiny_config(), output=tmp_path)


def test_stopped_and_resumed_is_the_same_bytes(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anlage.trainer.journal import TrainingJournal
    from safetensors.torch import load_file

    whole = train_lessons(lessons(), model=model, config=tiny_config(), output=tmp_path / "whole")
    real = TrainingJournal.on_step_end

    def stopping(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.stop_requested = state.global_step == 3
        real(self, args, state, control, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingJournal, "on_step_end", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_lessons(lessons(), model=model, config=tiny_config(), output=tmp_path / "two")
    resumed = train_lessons(lessons(), model=model, config=tiny_config(), output=tmp_path / "two")
    a, b = (load_file(str(t.path / "adapter_model.safetensors")) for t in (whole, resumed))
    assert all(torch.equal(value, b[name]) for name, value in a.items())
