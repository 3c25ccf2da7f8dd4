"""``zoo serve``: a trained model as an HTTP server with a page."""

import os
from dataclasses import dataclass
from typing import Annotated, ClassVar

from tyro.conf import UseAppendAction

from zoo.cli.model import TrainedModel


@dataclass(frozen=True)
class Serve(TrainedModel):
    """Serve a trained model: a page to try it on, and a JSON API.

    Needs starlette and uvicorn: pip install 'rnn-zoo[serve]'.
    """

    extra: ClassVar[str | None] = "serve"

    host: str = "127.0.0.1"
    """Name or address to listen on; by default this machine only."""
    port: int = 0
    """Port to listen on; 0 for a free port."""
    allow_host: Annotated[tuple[str, ...], UseAppendAction] = ()
    """A name by which clients may call this server, besides localhost; repeatable."""
    token: str | None = None
    """Clients must send this token; by default the environment variable ZOO_TOKEN."""

    def main(self) -> None:
        """Load the model, print the URL when it is ready, and serve it until Ctrl-C.

        Raises:
            OSError: if the address cannot be used, or there is no model.
            ValueError: if a name or the token is invalid, or other machines could
                connect without a token.
        """
        from zoo import artifact
        from zoo.server import App, listen, serve

        token = self.token if self.token is not None else os.environ.get("ZOO_TOKEN")
        with listen(self.host, self.port, token=token) as listening:
            pipeline = self.load()
            task = artifact.about(self.run).get("task")
            app = App(
                pipeline,
                title=task if isinstance(task, str) else "",
                allow_hosts=(self.host, *self.allow_host),
                token=token,
            )
            serve(app, listening)
