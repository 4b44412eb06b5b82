"""A headless Chromium, by WebDriver's own HTTP protocol (W3C)."""

import base64
import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from devtools.simulators.start import free_port, listens
from tests.devtools.conftest import soon

WIDTH, HEIGHT = 1400, 1000
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class WebDriverError(Exception):
    """What the driver says went wrong."""


class Browser:
    """A window. Elements are named by CSS; `log` has what the pages wrote, `traffic` what they asked of whom."""

    def __init__(self, server: str, session: requests.Session, profile: Path) -> None:
        self._session = session
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self._url = f"{server}/session"
        self._url += "/" + self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self.resize(WIDTH, HEIGHT)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self._session.request(method, self._url + path, json=body, timeout=60)
        value = response.json()["value"]
        if not response.ok:
            raise WebDriverError(value["message"])
        return value

    def _emulate(self, what: str, **how: Any) -> None:
        self._ask("POST", "/goog/cdp/execute", {"cmd": f"Emulation.set{what}", "params": how})

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """The page's own size: a window's would include its frame."""
        self._emulate("DeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def drag(self, css: str, way: int) -> None:
        """Presses the mouse in the upper middle of the element and lets go so many pixels to the right."""
        box = self.run(
            f"const box = document.querySelector({css!r}).getBoundingClientRect(); return [box.x, box.y, box.width]"
        )
        x, y = box[0] + box[2] / 2, box[1] + 40
        for kind, at in (
            ("mousePressed", x),
            ("mouseMoved", x + way / 2),
            ("mouseMoved", x + way),
            ("mouseReleased", x + way),
        ):
            params = {"type": kind, "x": at, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            self._ask("POST", "/goog/cdp/execute", {"cmd": "Input.dispatchMouseEvent", "params": params})

    def prefer(self, scheme: str) -> None:
        """Whoever sits there has set their machine to "dark" or "light"."""
        self._emulate("EmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._ask("GET", "/url"))

    def find(self, css: str) -> list[str]:
        found = self._ask("POST", "/elements", {"using": "css selector", "value": css})
        return [element[ELEMENT] for element in found]

    def _one(self, css: str) -> str:
        (element,) = self.find(css)
        return element

    def type(self, css: str, text: str) -> None:
        self._ask("POST", f"/element/{self._one(css)}/value", {"text": text})

    def click(self, css: str) -> None:
        self._ask("POST", f"/element/{self._one(css)}/click", {})

    def follow(self, text: str) -> None:
        """Clicks the one link that says so, among other words."""
        found = self._ask("POST", "/elements", {"using": "partial link text", "value": text})
        assert len(found) == 1, f"{len(found)} links say {text!r} on {self.url}"
        self._ask("POST", f"/element/{found[0][ELEMENT]}/click", {})

    def run(self, script: str) -> Any:
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.run("return document.body.innerText"))

    def shows(self, words: str) -> bool:
        """Soon: a click doesn't wait for the page that it leads to."""

        def is_there() -> bool:
            try:
                return words in self.text
            except WebDriverError:
                # The page was left in the middle of it.
                return False

        return soon(is_there, seconds=30)

    def picture(self, file: Path) -> bytes:
        image = base64.b64decode(self._ask("GET", "/screenshot"))
        file.write_bytes(image)
        return image

    def log(self) -> list[str]:
        """Errors and warnings since the last look."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def traffic(self) -> tuple[set[str], dict[str, int]]:
        """Since the last look: all addresses that the pages asked for, and the status of those that answered."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [event["params"]["request"] for event in events if event["method"] == "Network.requestWillBeSent"]
        responses = [event["params"]["response"] for event in events if event["method"] == "Network.responseReceived"]
        # Chromium's own first page, and what a page carries in itself.
        asked = {request["url"] for request in sent if not request["url"].startswith(("chrome:", "data:"))}
        return asked, {response["url"]: response["status"] for response in responses}

    def close(self) -> None:
        self._ask("DELETE", "")


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    port = free_port()
    driver = shutil.which("chromedriver")
    assert driver, "Chromium and its driver are needed (on Debian: the packages chromium and chromium-driver)."
    with (
        (folder / "chromedriver.log").open("w") as log,
        subprocess.Popen([driver, f"--port={port}"], stdout=log, stderr=log) as process,
        requests.Session() as session,
    ):
        try:
            assert soon(lambda: listens(port))
            browser = Browser(f"http://127.0.0.1:{port}", session, folder / "profile")
            yield browser
            browser.close()
        finally:
            process.terminate()


def shape_of(png: bytes) -> tuple[int, int, int]:
    """Width, height, and how many different rows of pixels there are: a blank page has one."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colours = struct.unpack(">IIBB", png[16:26])
    bytes_a_row = width * depth // 8 * {2: 3, 6: 4}[colours] + 1
    pixels, at = zlib.decompress(b"".join(parts_of(png))), range(0, height * bytes_a_row, bytes_a_row)
    return width, height, len({pixels[start : start + bytes_a_row] for start in at})


def parts_of(png: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            yield png[at + 8 : at + 8 + length]
        at += 12 + length
