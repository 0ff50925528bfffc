"""How to repeat the run: its config, versions and hashes."""

from __future__ import annotations

from collections.abc import Iterator

from ..html import paragraph, table, text
from .artefacts import Artefacts


def repeat_html(run: Artefacts) -> str:
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
            parts.append(table(("field", "value"), _flat(data), "hash"))
    return "".join(parts)


def _flat(data: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested JSON as dotted names and values."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(data, list) and data:
        for index, value in enumerate(data):
            yield from _flat(value, f"{prefix}[{index}]")
    else:
        yield prefix, "" if data is None else str(data)
