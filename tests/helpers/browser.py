"""A real browser without a screen: Chromium, spoken to over two pipes.

The Chrome DevTools Protocol: messages in JSON, each ended by a zero byte. Chromium
reads them from its file descriptor 3 and answers on 4.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60  # seconds
SEEN = "document.body.innerText"


def find():
    """Return the path of a browser, or None."""
    named = os.environ.get("ZOO_BROWSER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab; what the console says and what is fetched is kept."""

    def __init__(self, path):
        """Start the browser.

        Args:
            path: of Chromium.
        """
        # Its helpers may write a moment longer than the browser lives.
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        line = [path, "--headless=new", "--no-sandbox", "--disable-gpu"]
        line += ["--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
        line += ["--remote-debugging-pipe", f"--user-data-dir={self.folder.name}"]
        # Numbers beyond 4, so that none is overwritten before it is used.
        (read, to), (answers, write) = _pipe(), _pipe()
        nowhere = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        ends = [(os.POSIX_SPAWN_DUP2, fd, at) for fd, at in ((read, 3), (write, 4))]
        self.process = os.posix_spawn(
            path, line, os.environ, file_actions=[*ends, nowhere], setpgroup=0
        )
        os.close(read)
        os.close(write)
        self.to, self.answers = os.fdopen(to, "wb"), os.fdopen(answers, "rb")
        self.number, self.left, self.session = 0, b"", None
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        found = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def _receive(self):
        while b"\0" not in self.left:
            ready, _, _ = select.select([self.answers], [], [], PATIENCE)
            part = os.read(self.answers.fileno(), 1 << 16) if ready else b""
            if not part:
                raise RuntimeError("the browser does not answer")
            self.left += part
        message, self.left = self.left.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **params):
        """Send a command and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        while True:
            found = self._receive()
            if found.get("id") == self.number:
                assert "error" not in found, found
                return found["result"]
            self.events.append(found)

    def open(self, path):
        """Show a file, or an address, and wait until all of it is there."""
        self.events.clear()
        url = path if isinstance(path, str) else path.absolute().as_uri()
        self.ask("Page.navigate", url=url)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._receive())

    def complaints(self):
        """Return what the console showed, and exceptions."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        kinds += ("Log.entryAdded",)
        self.ask("Runtime.evaluate", expression="0")  # all before it has come
        return [event for event in self.events if event["method"] in kinds]

    def fetched(self):
        """Return the addresses that were asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def value(self, expression):
        """Return the value of an expression of JavaScript."""
        found = self.ask(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"]["value"]

    def until(self, expression):
        """Wait until an expression of JavaScript is true, and return its value."""
        end = time.monotonic() + PATIENCE
        while not (found := self.value(expression)):
            assert time.monotonic() < end, (expression, self.value(SEEN))
            time.sleep(0.05)
        return found

    def write(self, text):
        """Put a text in place of what stands in the first field."""
        self.until("document.querySelector('textarea') !== null")
        self.value("document.querySelector('textarea').select() ?? 0")
        self.ask("Input.insertText", text=text)

    def look(self, *, width=1100, dark=False, media=""):
        """Set the width of the window, and light or dark, or ``media="print"``."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self):
        """Return the whole page as a PNG."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    def pdf(self):
        """Return the page as it is printed."""
        return base64.b64decode(self.ask("Page.printToPDF")["data"])

    def close(self):
        """End the browser and its helpers."""
        self.to.close()
        self.answers.close()
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        self.folder.cleanup()


def _pipe():
    """Return a pipe whose ends have numbers from 10 on."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high
