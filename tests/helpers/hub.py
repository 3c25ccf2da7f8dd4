"""A hub of one dataset, as small as `datasets` puts up with."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    """Answers what is asked of the dataset; breaks off in the middle of `cut`."""

    cut = ""

    def do_GET(self):
        path = urlsplit(self.path).path
        listed = [
            {"type": "file", "path": name, "size": len(content), "oid": COMMIT}
            for name, content in FILES.items()
        ]
        if path == API or path.startswith(f"{API}/revision/"):
            siblings = [{"rfilename": name} for name in FILES]
            found = {"id": NAME, "sha": COMMIT, "siblings": siblings, "tags": []}
            self.answer(json.dumps(found | {"private": False}).encode())
        elif path.startswith(f"{API}/tree/"):
            self.answer(json.dumps(listed).encode())
        elif path.startswith(f"{API}/paths-info/"):
            size = int(self.headers["Content-Length"])
            asked = self.rfile.read(size).decode()
            found = [row for row in listed if row["path"] in asked]
            self.answer(json.dumps(found).encode())
        elif path.rpartition("/")[2] in FILES:
            name = path.rpartition("/")[2]
            self.answer(FILES[name], broken=name == self.cut)
        else:
            self.answer(b"", status=404)

    do_HEAD = do_POST = do_GET

    def answer(self, content, status=200, broken=False):
        """Send an answer, or half of one."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if broken else content)
        self.close_connection = True

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def serving(handler):
    """Run a server; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
