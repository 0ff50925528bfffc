from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from anlage.errors import PairError, StoreError
from anlage.llm.message import Message
from anlage.preferences.dataset import Pairs
from anlage.preferences.pair import Pair
from anlage.prompts.prompt import Role
from hypothesis import given, settings
from hypothesis import strategies as st


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
    assert dataset[1]["id"] == pairs[1].id
    assert Pairs.from_dataset(dataset) == pairs


def test_an_empty_set_keeps_its_columns() -> None:
    dataset = Pairs().to_dataset()
    assert "p_chosen" in dataset.column_names
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
