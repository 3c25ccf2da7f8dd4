"""Headless Chromium, driven by the Chrome DevTools Protocol over two pipes.

Messages are JSON, each followed by a zero byte. Chromium reads them from file
descriptor 3 and responds on 4.
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
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT = 60  # seconds
PAGE_TEXT = "document.body.innerText"

Message = dict[str, Any]


def find() -> str | None:
    """Return the path of a Chromium executable, or None."""
    path = os.environ.get("ZOO_BROWSER")
    return path or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser with one tab; records console messages and requests."""

    def __init__(self, path: str) -> None:
        """Start the browser.

        Args:
            path: the executable of Chromium.
        """
        # Child processes may still write for a moment after the browser is killed.
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [path, "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
        command += ["--remote-debugging-pipe", f"--user-data-dir={self.folder.name}"]
        (command_end, commands), (responses, response_end) = _pipe(), _pipe()
        duplicates = [
            (os.POSIX_SPAWN_DUP2, fd, number)
            for fd, number in ((command_end, 3), (response_end, 4))
        ]
        silence = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        self.process = os.posix_spawn(
            path, command, os.environ, file_actions=[*duplicates, silence], setpgroup=0
        )
        os.close(command_end)
        os.close(response_end)
        self.commands = os.fdopen(commands, "wb")
        self.responses = os.fdopen(responses, "rb")
        self.command_id, self.received = 0, b""
        self.session: str | None = None
        self.events: list[Message] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _receive(self) -> Message:
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.responses], [], [], TIMEOUT)
            data = os.read(self.responses.fileno(), 1 << 16) if ready else b""
            if not data:
                raise RuntimeError("the browser does not respond")
            self.received += data
        message, self.received = self.received.split(b"\0", 1)
        return json.loads(message)

    def call(self, method: str, **params: Any) -> Message:
        """Send a command and return its result."""
        self.command_id += 1
        command = {"id": self.command_id, "method": method, "params": params}
        if self.session is not None:
            command["sessionId"] = self.session
        self.commands.write(json.dumps(command).encode() + b"\0")
        self.commands.flush()
        while True:
            message = self._receive()
            if message.get("id") == self.command_id:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, path: str | Path) -> None:
        """Open a file or a URL, and wait until it is loaded."""
        self.events.clear()
        url = path if isinstance(path, str) else path.absolute().as_uri()
        self.call("Page.navigate", url=url)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._receive())

    def console_messages(self) -> list[Message]:
        """Return the messages of the console, and exceptions."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        kinds += ("Log.entryAdded",)
        self.call("Runtime.evaluate", expression="0")  # receives all earlier events
        return [event for event in self.events if event["method"] in kinds]

    def requests(self) -> list[str]:
        """Return the URLs that the page requested."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"]["value"]

    def until(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        end = time.monotonic() + TIMEOUT
        while not (value := self.value(expression)):
            assert time.monotonic() < end, (expression, self.value(PAGE_TEXT))
            time.sleep(0.05)
        return value

    def write(self, text: str) -> None:
        """Replace the text of the first text field, as soon as it is visible."""
        self.until(
            "(document.querySelector('textarea')?.offsetParent ?? null) !== null"
        )
        self.value("document.querySelector('textarea').select() ?? 0")
        self.call("Input.insertText", text=text)

    def emulate(
        self, *, width: int = 1100, dark: bool = False, media: str = ""
    ) -> None:
        """Set the width of the window, the colour scheme and the medium.

        Args:
            width: in pixels; a window narrower than 600 is a phone.
            dark: prefer a dark colour scheme.
            media: ``"print"`` for print, empty for the screen.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def screenshot(self) -> bytes:
        """Return the complete page as a PNG."""
        result = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(result["data"])

    def pdf(self) -> bytes:
        """Return the printed page as a PDF."""
        return base64.b64decode(self.call("Page.printToPDF")["data"])

    def close(self) -> None:
        """Kill the browser and its processes."""
        self.commands.close()
        self.responses.close()
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        self.folder.cleanup()


def _pipe() -> list[int]:
    """Return a pipe with descriptors from 10 on, which the spawn does not overwrite."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high
