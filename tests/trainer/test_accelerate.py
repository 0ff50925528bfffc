"""The shipped launcher configs are ones that accelerate itself reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

FOLDER = Path(__file__).parents[2] / "examples/accelerate"


@pytest.mark.parametrize(
    ("name", "processes", "kind"),
    [
        ("cpu", 2, "MULTI_GPU"),
        ("ddp", 2, "MULTI_GPU"),
        ("fsdp2", 8, "FSDP"),
        ("zero3", 8, "DEEPSPEED"),
    ],
)
def test_the_launcher_reads_it(name: str, processes: int, kind: str) -> None:
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.num_processes == processes
    assert config.distributed_type.value == kind
    parser = launch_command_parser()
    given = parser.parse_args(["--config_file", str(FOLDER / f"{name}.yaml"), "script.py"])
    for setting in config.fsdp_config:
        assert hasattr(given, setting), f"accelerate launch knows no {setting}"
    for setting in config.deepspeed_config:
        assert hasattr(given, setting), f"accelerate launch knows no {setting}"
    read, _, _ = _validate_launch_command(given)
    if kind == "FSDP":
        assert read.use_fsdp
        assert int(read.fsdp_version) == 2
        assert read.fsdp_auto_wrap_policy == "TRANSFORMER_BASED_WRAP"
    if kind == "DEEPSPEED":
        assert read.use_deepspeed
        assert int(read.zero_stage) == 3
        assert str(read.zero3_init_flag).lower() == "false"
    assert read.mixed_precision == ("no" if name == "cpu" else "bf16")


def test_every_shipped_config_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {"cpu", "ddp", "fsdp2", "zero3"}
