"""``zoo generate``: text of a trained language model."""

import sys
from dataclasses import dataclass

from zoo.cli.model import TrainedModel
from zoo.cli.terminal import visible


@dataclass(frozen=True)
class Generate(TrainedModel):
    """Generate text with a trained language model."""

    prompt: str = ""
    """The text to continue; of a backward model, the text to precede."""
    length: int = 500
    """Number of characters to generate, 1 or more."""
    temperature: float = 0.8
    """Below 1 favours likely characters; 0 takes the most likely, inf any."""
    top_k: int | None = None
    """Sample from the k most likely characters only."""
    top_p: float | None = None
    """Sample from the smallest set with this probability only, above 0 and up to 1."""
    seed: int = 0
    """Random seed, from 0 to 2**32 - 1."""

    def main(self) -> None:
        """Print the prompt and the generated text, in reading order."""
        from zoo.cli.lines import check_bytes
        from zoo.pipelines import LanguageModelPipeline

        pipeline = self.load()
        if not isinstance(pipeline, LanguageModelPipeline):
            raise ValueError(f"{self.run} is a {pipeline.kind}: use zoo predict")
        pieces = pipeline.generate(
            check_bytes(self.prompt, "--prompt", sys.getfilesystemencoding()),
            self.length,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seed=self.seed,
        )
        for piece in pipeline.completion(self.prompt, pieces):
            print(visible(piece), end="", flush=True)
        print()
