"""A trained model as an HTTP server: a JSON API, and a page that calls it.

``zoo serve RUN`` runs it. `App` is the same as an ASGI application, for use
in other programs::

    import uvicorn
    import zoo
    from zoo.server import App

    uvicorn.run(App(zoo.load("runs/ner")))

It needs the extra ``serve``: ``pip install 'rnn-zoo[serve]'``.
"""

from zoo.server.application import App
from zoo.server.limits import Limits
from zoo.server.running import listen, serve

__all__ = ["App", "Limits", "listen", "serve"]
