"""``python -m zoo serve``: a web page to try a trained model on."""

from dataclasses import dataclass

from zoo import artifact
from zoo.cli.model import TrainedModel


@dataclass(frozen=True)
class Serve(TrainedModel):
    """Serve a web page to try a trained model on.

    Needs gradio: pip install 'rnn-zoo[serve]'.
    """

    host: str = "127.0.0.1"
    """Address to listen on; by default this machine only."""
    port: int = 0
    """Port to listen on; 0 for a free port."""

    def main(self) -> None:
        """Load the model, print the address of the page, and serve it until Ctrl-C."""
        from zoo.cli.web_page import serve  # gradio is large and optional

        title = artifact.about(self.run).get("task", "")
        serve(self.load(), self.host, self.port, title)
