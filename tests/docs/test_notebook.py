"""The public functions in a real notebook kernel, where an event loop always runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from anlage.preferences.dataset import Pairs

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs

WHY = "needs the extra notebook-test: pip install 'anlage[notebook-test]'"

CELLS = (
    """
import asyncio
import anlage

asyncio.get_running_loop()  # raises where no loop runs: then this would prove nothing
model = anlage.load_model(MODEL)
constitution = anlage.compile_constitution()
prompts = anlage.load_prompts("train", sets=["harm"], limit=4)
""",
    """
settings = anlage.PairSettings(max_tokens=60, min_words=1, max_failed_share=1.0)
pairs = anlage.build_pairs(constitution, prompts, policy=model, settings=settings)
print(len(pairs), "pairs")
""",
    """
items = [anlage.CritiqueItem(prompts[0], "Go in by the front door.", next(iter(constitution)))]
critic = anlage.Critic(model)
print(len(critic.critique(items)), "critique")
""",
    """
config = anlage.TrainConfig(epochs=1, batch_size=2, warmup_ratio=0.0, learning_rate=0.01)
trained = anlage.train(PAIRS, model=MODEL, output=FOLDER + "/trained", config=config)
print(trained.steps, "steps")
""",
    """
evaluation = anlage.evaluate(
    {"base": model, "trained": trained.load()},
    anlage.load_prompts("dev", sets=["harm"], limit=2),
    baseline="base",
    max_tokens=8,
)
print([one.name for one in evaluation.models])
""",
    """
run_config = anlage.RunConfig.model_validate(RUN)
result = anlage.run(run_config)
print(result.report.name)
await asyncio.sleep(0)  # the notebook's own loop still works
""",
)


@pytest.mark.slow
def test_every_public_function_works_in_a_notebook(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel", reason=WHY)
    nbclient = pytest.importorskip("nbclient", reason=WHY)
    nbformat = pytest.importorskip("nbformat", reason=WHY)
    model = make_tiny_model(tmp_path / "model")
    pairs = tmp_path / "pairs.jsonl"
    Pairs(make_pairs(4)).save(pairs)
    config = tiny_run_config(tmp_path / "runs", model).model_dump(mode="json")
    given = f"MODEL, FOLDER, PAIRS = {str(model)!r}, {str(tmp_path)!r}, {str(pairs)!r}"
    sources = [f"{given}\nRUN = {config!r}", *CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    said = ["".join(o.get("text", "") for o in cell.outputs) for cell in notebook.cells]
    assert said[2].endswith("pairs\n")
    assert said[3].splitlines()[-1] == "1 critique"
    assert said[4].splitlines()[-1] == "2 steps"
    assert said[5].splitlines()[-1] == "['base', 'trained']"
    assert said[6].splitlines()[-1] == "60_report.html"
