"""Headless Chromium, driven through its DevTools protocol by a pair of pipes: no driver and no package beside it.

Debian has it (`apt-get install chromium`); XDANCER_CHROMIUM names another one. Tests skip where there is none.
"""

import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell", "chromium-headless-shell")
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--no-default-browser-check", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE = 60.0  # s; machines that test are busy


def path() -> str | None:
    """The browser, or None."""
    given = os.environ.get("XDANCER_CHROMIUM")
    return given or next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """A running browser. Its pages share nothing but the process: each has a context of its own."""

    def __init__(self, to: int, of: int):
        self._to, self._of, self._rest, self._ids = to, of, b"", itertools.count(1)
        self.events: list[dict] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict:
        """Result of a command. Raises RuntimeError for an error, TimeoutError where no answer comes."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _PATIENCE
        while True:
            found = self._read(until, method)
            if found.get("id") == number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return found["result"]
            self.events.append(found)

    def _read(self, until: float, method: str) -> dict:
        while b"\0" not in self._rest:
            if not select.select([self._of], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError(f"{method}: no answer of the browser")
            block = os.read(self._of, 1 << 20)
            if not block:
                raise RuntimeError(f"{method}: the browser has ended")
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    @contextlib.contextmanager
    def context(self) -> Iterator[str]:
        """A profile of its own, such as another rater has; its id."""
        made = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            yield made
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=made)

    def open(self, url: str, context: str, width: int = 1280, height: int = 900, dark: bool = False) -> "Page":
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        page.call("Emulation.setDeviceMetricsOverride", **size)
        page.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])  # fmt: skip
        page.go(url)
        return page


class Page:
    """A tab."""

    def __init__(self, browser: Browser, session: str):
        self.browser, self.session = browser, session

    def call(self, method: str, **parameters: Any) -> dict:
        return self.browser.call(method, self.session, **parameters)

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait(f"location.href == {json.dumps(url)} && document.readyState == 'complete'")

    def reload(self) -> None:
        self.run("window.old = true")
        self.call("Page.reload")
        self.wait("!window.old && document.readyState == 'complete'")

    def run(self, script: str) -> Any:
        """Value of an expression, awaited. Raises RuntimeError for what it throws."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, script: str) -> Any:
        """The value once it is true. Raises TimeoutError."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(RuntimeError):  # of a document that is just being replaced
                if value := self.run(script):
                    return value
            time.sleep(0.02)
        raise TimeoutError(f"never true: {script}; the page says: {self.run('document.body.innerText')}")

    def press(self, key: str) -> None:
        """A key, as typed."""
        text = {"Enter": "\r"}.get(key, key)
        code = ord(text.upper()) if len(text) == 1 else {"Tab": 9, "ArrowDown": 40}[key]
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if len(text) == 1 else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, to: Path, whole: bool = True) -> None:
        """A screenshot, as PNG."""
        import base64

        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        to.write_bytes(base64.b64decode(taken["data"]))

    def complaints(self) -> list[str]:
        """What went to the console as an error, and what was thrown and not caught."""
        self.run("1")
        told = []
        for event in self.browser.events:
            if event.get("sessionId") == self.session:
                parameters = event.get("params", {})
                if event["method"] == "Runtime.exceptionThrown":
                    told.append(str(parameters["exceptionDetails"]))
                if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                    told.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        return told


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A browser, which ends with the block. Raises FileNotFoundError where there is none."""
    program = path()
    if program is None:
        raise FileNotFoundError("no Chromium; install it, apt-get install chromium")
    ours, theirs = os.pipe(), os.pipe()  # we write into the first, and read from the second
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads commands from descriptor 3 and writes to 4.
        line = f'exec "$0" "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        process = subprocess.Popen(
            ["bash", "-c", line, program, *_OPTIONS, f"--user-data-dir={profile}"], pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(ours[0]), os.close(theirs[1])
        browser = Browser(ours[1], theirs[0])
        try:
            yield browser
        finally:
            with contextlib.suppress(RuntimeError, TimeoutError, OSError):
                browser.call("Browser.close")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
            os.close(ours[1]), os.close(theirs[0])


__all__ = ["Browser", "Page", "path", "running"]
