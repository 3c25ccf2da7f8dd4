"""An HTTP server with the part of the Hugging Face Hub API that `datasets` uses."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

NAME, COMMIT = "someone/films", "0" * 40
API = f"/api/datasets/{NAME}"
WORDS = ("good", "bad")
FILES = {
    f"{split}.csv": (
        "text,label\n"
        + "".join(f"a {word} film {k},{word}\n" for k in range(count) for word in WORDS)
    ).encode()
    for split, count in {"train": 40, "validation": 9}.items()
}


class Hub(BaseHTTPRequestHandler):
    """Serves the dataset `NAME`.

    Attributes:
        cut: name of a file of which only the first half is sent.
    """

    cut = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        listed = [
            {"type": "file", "path": name, "size": len(content), "oid": COMMIT}
            for name, content in FILES.items()
        ]
        if path == API or path.startswith(f"{API}/revision/"):
            siblings = [{"rfilename": name} for name in FILES]
            info = {"id": NAME, "sha": COMMIT, "siblings": siblings, "tags": []}
            self.send(json.dumps(info | {"private": False}).encode())
        elif path.startswith(f"{API}/tree/"):
            self.send(json.dumps(listed).encode())
        elif path.startswith(f"{API}/paths-info/"):
            size = int(self.headers["Content-Length"])
            body = self.rfile.read(size).decode()
            requested = [row for row in listed if row["path"] in body]
            self.send(json.dumps(requested).encode())
        elif path.rpartition("/")[2] in FILES:
            name = path.rpartition("/")[2]
            self.send(FILES[name], truncated=name == self.cut)
        else:
            self.send(b"", status=404)

    do_HEAD = do_POST = do_GET

    def send(self, content: bytes, status: int = 200, truncated: bool = False) -> None:
        """Send a response, or the first half of one."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if truncated else content)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server; yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
