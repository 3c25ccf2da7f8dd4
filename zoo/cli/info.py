"""``zoo info``: what a trained model is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from zoo.cli.command import Command
from zoo.cli.terminal import visible


@dataclass(frozen=True)
class Info(Command):
    """Show the kind, options, sizes and scores of a trained model.

    No model is built: a cell of your own is not imported.
    """

    run: Positional[Path]
    """Run folder, or the model folder in it."""

    def main(self) -> None:
        """Print the information."""
        from zoo import artifact

        model = artifact.describe(self.run)
        parameters = [
            s for name, s in model.shapes.items() if name.startswith("params")
        ]
        size = f"{sum(map(math.prod, parameters)):,}"
        about = dict(model.about)
        trained = about.pop("trained_parameters", None)
        if isinstance(trained, int):
            size += f", {trained:,} of them trained"
        for name, value in {**about, "parameters": size}.items():
            value = f"{value:.4f}" if isinstance(value, float) else value
            print(visible(f"{name:<16} {value}"))
        if model.pipeline.get("backward") is True:
            print(f"{'direction':<16} backward: reads from the last token to the first")
        print("options")
        for name, value in _part(model.pipeline, "options").items():
            if value is not None:
                print(visible(f"  {name:<14} {value}"))
        for name, size in sizes(model.pipeline).items():
            print(visible(f"{name:<16} {size}"))


def sizes(pipeline: Mapping[str, Any]) -> dict[str, str]:
    """Return the sizes of a pipeline's vocabularies, and its labels.

    Args:
        pipeline: as JSON, see `zoo.pipelines.Pipeline.to_json`.
    """
    entries: dict[str, str] = {}
    for name in ("text", "words", "source", "target"):
        encoder = _part(pipeline, name)
        for part in ("vocabulary", "words", "chars"):
            if part in encoder:
                label = name if name in ("source", "target") else part
                tokens = _part(encoder, part).get("tokens", [])
                entries[label] = f"{len(tokens):,} entries"
    if "labels" in pipeline:
        labels = _part(pipeline, "labels").get("tokens", [])
        entries["labels"] = ", ".join(map(str, labels))
    return entries


def _part(saved: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of a configuration, which an old version may have written."""
    part = saved.get(name)
    return part if isinstance(part, Mapping) else {}
