from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import PairError, StoreError
from anlage.llm.message import Message
from anlage.preferences.dataset import Pairs
from anlage.preferences.pair import Pair, to_record
from anlage.prompts.prompt import Role
from hypothesis import given, settings
from hypothesis import strategies as st

from ..helpers.tiny_model import make_tiny_model


def make(
    number: int = 1, chosen: str = "Look at the map — it's free.", role: Role = "twin"
) -> Pair:
    return Pair(
        prompt_id=f"harm-train-{number:03d}-t",
        prompt=(Message("system", "Be brief."), Message("user", f"Where is bank {number}?")),
        chosen=chosen,
        rejected="I never answer such things.",
        p_chosen=0.95,
        weight=1.0,
        principles=("guardian/aim-first",),
        failure_mode="over_refusal",
        role=role,
        builder="critique_revise",
        round=0,
        calls={"draft": ("k1",), "revision": ("k2", "k3")},
    )


def test_file_round_trip_with_the_id_first(tmp_path: Path) -> None:
    pairs = Pairs([make(1), make(2)])
    path = pairs.save(tmp_path / "deep" / "30_pairs.jsonl")
    assert Pairs.load(path) == pairs
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f'{{"id": "{pairs[0].id}", "prompt_id":')
    assert [p.name for p in path.parent.iterdir()] == ["30_pairs.jsonl"]


text = st.text(min_size=1, max_size=40).filter(lambda value: bool(value.strip()))


@settings(max_examples=40, deadline=None)
@given(chosen=text, rejected=text, asked=text, p=st.floats(0.5, 1.0))
def test_any_text_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, chosen: str, rejected: str, asked: str, p: float
) -> None:
    pair = Pair("x", (Message("user", asked),), chosen, rejected, p, 1.0, (), "", "at_risk",
                "contrast", 1, {}, "comparison")  # fmt: skip
    path = tmp_path_factory.mktemp("pairs") / "p.jsonl"
    try:
        Pairs([pair]).save(path)
    except UnicodeEncodeError:
        pytest.fail("text that cannot be encoded must be a StoreError")
    except StoreError:
        return  # a lone surrogate has no UTF-8 form
    assert Pairs.load(path) == Pairs([pair])


def test_dataset_round_trip_in_the_form_trl_reads() -> None:
    pairs = Pairs([make(1), make(2, role="at_risk")])
    dataset = pairs.to_dataset()
    assert dataset.column_names[:3] == ["prompt", "chosen", "rejected"]
    assert dataset[0]["chosen"] == [{"role": "assistant", "content": pairs[0].chosen}]
    assert dataset[0]["rejected"] == [{"role": "assistant", "content": pairs[0].rejected}]
    assert [m["role"] for m in dataset[0]["prompt"]] == ["system", "user"]
    assert dataset[1]["anlage_id"] == pairs[1].id
    assert all(name.startswith("anlage_") for name in dataset.column_names[3:])
    assert Pairs.from_dataset(dataset) == pairs


def test_an_empty_set_keeps_its_columns() -> None:
    dataset = Pairs().to_dataset()
    assert "anlage_p_chosen" in dataset.column_names
    assert Pairs.from_dataset(dataset) == Pairs()


def test_a_plain_foreign_data_set_is_read() -> None:
    from datasets import Dataset

    rows = {"prompt": ["How?"], "chosen": ["So."], "rejected": ["Not so."], "score": [3]}
    (pair,) = Pairs.from_dataset(Dataset.from_dict(rows))
    assert (pair.prompt, pair.chosen, pair.rejected) == (
        (Message("user", "How?"),),
        "So.",
        "Not so.",
    )
    assert (pair.prompt_id, pair.builder, pair.p_chosen) == ("row-1", "external", 1.0)


def test_a_data_set_without_a_prompt_is_refused() -> None:
    from datasets import Dataset

    with pytest.raises(PairError, match="no column prompt"):
        Pairs.from_dataset(Dataset.from_dict({"chosen": ["a"], "rejected": ["b"]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p_chosen": 0.2}, "0.5 to 1.0, got 0.2"),
        ({"p_chosen": "high"}, "expected a number"),
        ({"weight": 0}, "above 0"),
        ({"chosen": ""}, "chosen: expected text"),
        ({"prompt": []}, "prompt: expected"),
        ({"prompt": [{"role": "assistant", "content": "Hi"}]}, "nothing is asked"),
        ({"role": "twins"}, "expected one of at_risk, twin"),
        ({"label": "guess"}, "construction, comparison"),
        ({"chosn": "x"}, "did you mean 'chosen'"),
        ({"rejected": None}, "no 'rejected'"),
        ({"chosen": "Another answer."}, "does not fit the content"),
        ({"calls": {"draft": "k1"}}, "list of texts"),
        ({"round": -1}, "whole number"),
        ({"chosen": "Yes \ud83d."}, "chosen: the text holds half of a character"),
        ({"prompt": [{"role": "user", "content": "\udc9b?"}]}, "prompt: .*half of a character"),
        ({"principles": ["a\ud83d"]}, "principles: .*half of a character"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = Pairs([make(1), make(2)]).save(tmp_path / "p.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(PairError, match=message) as caught:
        Pairs.load(path)
    assert [problem.line for problem in caught.value.problems] == [2]
    assert str(caught.value).startswith(f"{path}:2: error")


def test_all_wrong_rows_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a"}\nnot json\n[]\n{"prompt": "a", "chosen": 1, "rejected": 2}\n')
    with pytest.raises(PairError) as caught:
        Pairs.load(path)
    assert [problem.line for problem in caught.value.problems] == [1, 1, 2, 3, 4, 4]


def test_doubles_missing_files_and_wrong_encodings(tmp_path: Path) -> None:
    path = Pairs([make(1), make(1)]).save(tmp_path / "p.jsonl")
    with pytest.raises(PairError, match="in line 1 already"):
        Pairs.load(path)
    with pytest.raises(PairError, match="cannot read"):
        Pairs.load(tmp_path / "none.jsonl")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PairError, match="not UTF-8"):
        Pairs.load(path)


def test_an_unwritable_place_leaves_nothing_behind(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with pytest.raises(StoreError, match="cannot write"):
        Pairs([make()]).save(blocker / "p.jsonl")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_lookup_by_the_start_of_an_id() -> None:
    pairs = Pairs([make(1), make(2)])
    assert pairs.get(pairs[1].id[:8]) == pairs[1]
    assert isinstance(pairs[:1], Pairs)
    with pytest.raises(KeyError):
        pairs.get("")


def test_building_needs_no_heavy_library() -> None:
    code = (
        "import sys, anlage.preferences.builders.registry, anlage.critic.calibrate; "
        "heavy = {'torch', 'transformers', 'langchain', 'sklearn', 'datasets'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_data_set_with_the_columns_of_earlier_versions_is_still_read() -> None:
    from datasets import Dataset

    pairs = Pairs([make(1), make(2, role="at_risk")])
    earlier = [to_record(pair) | {"calls": json.dumps(to_record(pair)["calls"])} for pair in pairs]
    assert Pairs.from_dataset(Dataset.from_list(earlier)) == pairs


def test_columns_of_others_are_not_taken_for_ours() -> None:
    foreign = {"label": 1, "role": "x", "round": "two", "weight": "heavy", "prompt_id": 7}
    foreign |= {"builder": None, "calls": 3, "id": 5, "principles": "none"}
    (pair,) = Pairs.from_dataset([{"prompt": "Q", "chosen": "a", "rejected": "b"} | foreign])
    assert (pair.role, pair.round, pair.weight, pair.prompt_id) == ("at_risk", 0, 1.0, "row-1")


def test_a_soft_label_of_others_is_read() -> None:
    row = {"prompt": "Q", "chosen": "a", "rejected": "b", "p_chosen": 0.75}
    assert Pairs.from_dataset([row])[0].p_chosen == 0.75
    with pytest.raises(PairError, match=r"0\.5 to 1\.0, got 0\.2"):
        Pairs.from_dataset([row | {"p_chosen": 0.2}])


def test_wrong_rows_are_left_out_counted_and_named() -> None:
    good = {"prompt": "Q", "chosen": "a", "rejected": "b"}
    rows = [good] * 97 + [good | {"rejected": ""}, good | {"prompt": None}, good | {"chosen": " "}]
    with pytest.warns(UserWarning, match=r"3 of 100 rows were left out: .*first in row 98") as said:
        pairs = Pairs.from_dataset(rows)
    assert len(said) == 1
    assert len(pairs) == 97
    assert [problem.line for problem in pairs.left_out] == [98, 99, 100]
    with pytest.raises(PairError) as caught:
        Pairs.from_dataset(rows, strict=True)
    assert [problem.line for problem in caught.value.problems] == [98, 99, 100]


def test_a_row_with_half_a_character_fails_alone(tmp_path: Path) -> None:
    """JSON can spell half of an emoji; no hash, file or tokenizer takes it."""
    file = tmp_path / "rows.jsonl"
    good = '{"prompt": "a", "chosen": "Yes \\ud83d\\ude00.", "rejected": "No."}'
    file.write_text(good.replace("\\ude00", "") + "\n" + good + "\n")
    with pytest.warns(UserWarning, match="1 of 2 rows were left out.*half of a character"):
        found = Pairs.from_dataset(file)
    assert [pair.chosen for pair in found] == ["Yes \N{GRINNING FACE}."]
    assert Pairs.load(found.save(tmp_path / "again.jsonl")) == found


def test_a_set_of_only_wrong_rows_is_refused() -> None:
    with pytest.raises(PairError, match="dataset:2"):
        Pairs.from_dataset([{"prompt": "Q", "chosen": "a", "rejected": ""}] * 2)


def test_right_rows_are_read_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    pairs = Pairs.from_dataset([{"prompt": "Q", "chosen": "a", "rejected": "b"}])
    assert not [w for w in recwarn if "left out" in str(w.message)]
    assert pairs.left_out == ()


def test_a_misspelt_column_of_ours_is_refused_with_a_suggestion() -> None:
    row = {"prompt": "Q", "chosen": "a", "rejected": "b", "anlage_wieght": 1.0}
    with pytest.raises(PairError, match="did you mean `anlage_weight`"):
        Pairs.from_dataset([row])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"prompt": "Q", "completion": "a", "label": True}], "no column chosen, rejected"),
        ([{"question": "Q", "chosen": "a", "rejected": "b"}], "rename `question` to prompt"),
        ({"train": [], "test": []}, r'data\["train"\]'),
    ],
)
def test_a_table_of_another_kind_says_what_to_do(rows: Any, message: str) -> None:
    with pytest.raises(PairError, match=message):
        Pairs.from_dataset(rows)


def test_frames_lists_and_files_are_read_alike(tmp_path: Path) -> None:
    from datasets import Dataset

    pairs = Pairs([make(1), make(2, role="at_risk")])
    data = pairs.to_dataset()
    data.to_parquet(str(tmp_path / "p.parquet"))
    data.to_json(str(tmp_path / "p.jsonl"))
    assert Pairs.from_dataset(data.to_pandas()) == pairs
    assert Pairs.from_dataset(data.to_list()) == pairs
    assert Pairs.from_dataset(tmp_path / "p.parquet") == pairs
    assert Pairs.from_dataset(tmp_path / "p.jsonl") == pairs
    assert Pairs.from_dataset(data.to_iterable_dataset()) == pairs
    with pytest.raises(PairError, match="cannot read"):
        Pairs.from_dataset(tmp_path / "none.parquet")
    foreign = {"prompt": "Q", "chosen": "a", "rejected": "b", "label": 0}
    assert len(Pairs.from_dataset(Dataset.from_list([foreign]).to_pandas())) == 1


def test_a_missing_cell_of_a_frame_is_a_wrong_row() -> None:
    import pandas

    frame = pandas.DataFrame(
        {"prompt": ["Q", "R"], "chosen": ["a", "b"], "rejected": ["c", float("nan")]}
    )
    with pytest.warns(UserWarning, match="1 of 2 rows were left out: 1 x no 'rejected'"):
        assert len(Pairs.from_dataset(frame)) == 1


@pytest.mark.parametrize("kind", ["DPO", "KTO", "Reward"])
def test_stock_trl_trains_on_our_columns(kind: str, tmp_path: Path) -> None:
    import trl
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    folder = make_tiny_model(tmp_path / "model")
    loader: Any = AutoModelForSequenceClassification if kind == "Reward" else AutoModelForCausalLM
    more = {"num_labels": 1} if kind == "Reward" else {}
    trainer = getattr(trl, f"{kind}Trainer")(
        model=loader.from_pretrained(folder, **more),
        args=getattr(trl, f"{kind}Config")(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            per_device_train_batch_size=2,
            report_to="none",
            save_strategy="no",
            bf16=False,
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Pairs([make(1), make(2), make(3, role="at_risk")]).to_dataset(),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    assert trainer.train().training_loss > 0
