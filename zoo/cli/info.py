"""``python -m zoo info``: what a trained model is."""

from dataclasses import dataclass

import jax

from zoo import artifact
from zoo.cli.model import TrainedModel
from zoo.cli.terminal import visible
from zoo.pipelines import Pipeline


@dataclass(frozen=True)
class Info(TrainedModel):
    """Show the kind, options, sizes and scores of a trained model."""

    def main(self) -> None:
        """Print the information."""
        about = artifact.about(self.run)
        pipeline = self.load()
        count = sum(leaf.size for leaf in jax.tree.leaves(pipeline.params))
        for name, value in {**about, "parameters": f"{count:,}"}.items():
            value = f"{value:.4f}" if isinstance(value, float) else value
            print(visible(f"{name:<16} {value}"))
        print("options")
        for name, value in pipeline.options.items():
            if value is not None:
                print(visible(f"  {name:<14} {value}"))
        for name, size in sizes(pipeline).items():
            print(visible(f"{name:<16} {size}"))


def sizes(pipeline: Pipeline) -> dict[str, str]:
    """Return the sizes of a pipeline's vocabularies, and its labels.

    Args:
        pipeline: any.
    """
    entries: dict[str, str] = {}
    for name in ("text", "words", "source", "target"):
        encoder = getattr(pipeline, name, None)
        for part in ("vocabulary", "words", "chars"):
            if hasattr(encoder, part):
                label = name if name in ("source", "target") else part
                entries[label] = f"{len(getattr(encoder, part)):,} entries"
    labels = getattr(pipeline, "labels", None)
    if labels is not None:
        entries["labels"] = ", ".join(labels.tokens)
    return entries
