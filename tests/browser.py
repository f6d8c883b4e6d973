"""A real browser for tests: headless Chromium, spoken to over a pipe in its DevTools protocol.

The protocol is JSON, each message ended by a NUL, on file descriptors 3 (to the browser) and 4 (from it); see
https://chromedevtools.github.io/devtools-protocol/. No library and no port is needed.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: What a person does who has none.
STEP = "apt install chromium"
#: Seconds for one answer.
PATIENCE = 30.0

FLAGS = (
    "--headless", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--disable-sync",
    "--force-device-scale-factor=1", "--hide-scrollbars", "--window-size=1280,900",
)  # fmt: skip


def program() -> str | None:
    """Return the path of a Chromium, or None; the environment variable CHROMIUM comes first."""
    asked = os.environ.get("CHROMIUM")
    return shutil.which(asked) if asked else next(filter(None, map(shutil.which, NAMES)), None)


class BrowserError(AssertionError):
    """The browser did not do what it was asked to."""


class Browser:
    """One browser process with one tab; use it in a with statement.

    Attributes:
        events: what the tab has reported since the last `open`, in order: (method, parameters).
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []
        self._profile = tempfile.mkdtemp(prefix="dagrad-browser-")
        self._buffer = b""
        self._ids = 0
        self._session: str | None = None
        to_browser, self._write = _pipe()
        self._read, from_browser = _pipe()
        path = program()
        assert path is not None
        null = os.open(os.devnull, os.O_RDWR)
        try:
            self._pid = os.posix_spawn(
                path, [path, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
                {**os.environ, "HOME": self._profile},
                file_actions=[(os.POSIX_SPAWN_DUP2, to_browser, 3), (os.POSIX_SPAWN_DUP2, from_browser, 4),
                              *((os.POSIX_SPAWN_DUP2, null, k) for k in (0, 1, 2))],
                setpgroup=0,
            )  # fmt: skip
        finally:
            for fd in (to_browser, from_browser, null):
                os.close(fd)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and every process that it started, and remove its profile."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        for fd in (self._write, self._read):
            os.close(fd)
        shutil.rmtree(self._profile, ignore_errors=True)

    # The protocol. ---------------------------------------------------------------------------------------------------

    def call(self, method: str, **parameters: object) -> dict:
        """Send a command and return its result; events that come in between are kept."""
        self._ids += 1
        message = {"id": self._ids, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(deadline, method)
            if answer.get("id") == self._ids:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                return answer["result"]
            self._keep(answer)

    def _keep(self, message: dict) -> None:
        if "method" in message and message.get("sessionId") == self._session:
            self.events.append((message["method"], message["params"]))

    def _receive(self, deadline: float, why: str) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            chunk = os.read(self._read, 1 << 20) if ready else b""
            if not chunk:
                raise BrowserError(f"{why}: the browser {'has ended' if ready else f'said nothing for {PATIENCE} s'}")
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def wait_for(self, event: str) -> dict:
        """Return the parameters of an event of this name, the first since the last `open`."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for method, parameters in self.events:
                if method == event:
                    return parameters
            self._keep(self._receive(deadline, event))

    # What a reader does. ---------------------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.call("Page.navigate", url="about:blank")
        self.run("0")
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("Page.loadEventFired")

    def run(self, expression: str) -> object:
        """Return the value of a JavaScript expression, a promise's when it is kept."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"]
            raise BrowserError(f"{expression!r}: {thrown.get('exception', {}).get('description') or thrown['text']}")
        return done["result"].get("value")

    def key(self, key: str, shift: bool = False) -> None:
        """Press a key and let it go: a letter, or a name such as "Enter" or "ArrowLeft"."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
                 " ": 32, "Home": 36, "End": 35}  # fmt: skip
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        code = codes.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Enter text where the focus is."""
        self.call("Input.insertText", text=text)

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, x: float, y: float, to: tuple[float, float] | None = None) -> None:
        """Click at a place, or drag from there to another."""
        self.move(x, y)
        button = {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
        if to is not None:
            for part in (0.5, 1.0):
                self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + part * (to[0] - x),
                          y=y + part * (to[1] - y), button="left", buttons=1)
            x, y = to
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **button)

    def wheel(self, x: float, y: float, pixels: float) -> None:
        """Turn the wheel at a place; negative is away from the hand."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=pixels)

    def prefer(self, **features: str) -> None:
        """Set what the reader's system prefers: ``prefer(color_scheme="dark", reduced_motion="reduce")``."""
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()])

    def screenshot(self, whole: bool = False) -> bytes:
        """Return the window, or the whole page, as PNG."""
        import base64

        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    @property
    def complaints(self) -> list[str]:
        """Errors, warnings and exceptions since the last `open`."""
        self.run("0")
        found = []
        for method, parameters in self.events:
            if method == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled":
                found.append(str(parameters["args"]))
            elif method == "Log.entryAdded":
                found.append(parameters["entry"]["text"])
            elif method == "Page.javascriptDialogOpening":
                found.append(f"dialog: {parameters['message']}")
        return found

    @property
    def requests(self) -> list[str]:
        """The addresses that the page has asked for since the last `open`."""
        self.run("0")
        return [parameters["request"]["url"] for method, parameters in self.events
                if method == "Network.requestWillBeSent"]


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are no low numbers, which are given away in the child."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in ends)
    for fd in ends:
        os.close(fd)
    return high[0], high[1]
