"""Pictures of a report as people see it: phone and desktop, light and dark, by headless Chromium on this machine.

    python tests/report/screenshots.py reports/latest/report.html /tmp/pictures [--open]

Prints the scroll width at each size, ends with 1 where something scrolls sideways or overlaps the window's edge.
`--open` unfolds every <details>. Pictures are cut into screens: 1280-light-01.png, …
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websocket import WebSocket, create_connection  # type: ignore[import-untyped, unused-ignore]

SIZES = ((1280, 800), (390, 844))
SCREEN_PX = 1300
"""Height of one picture."""
WIDER = """[...document.querySelectorAll('body *')].filter(e => {
  const r = e.getBoundingClientRect();
  const seen = r.width > 1 && r.height > 1 && !e.closest('.hidden, .stack thead');
  return seen && (r.right > innerWidth + 1 || r.left < -1);
}).slice(0, 5).map(e => e.tagName + '.' + (e.getAttribute('class') || '') + ': ' + e.textContent.trim().slice(0, 40))"""
SMALLEST_PX = """Math.min(...[...document.querySelectorAll('svg text')].map(e => {
  const m = e.getScreenCTM(); return parseFloat(getComputedStyle(e).fontSize) * m.a; }))"""


class Browser:
    """The few words of the DevTools protocol that pictures need."""

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = json.load(answer)
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self.socket: WebSocket = create_connection(address, suppress_origin=True, timeout=60)
        self.last = 0

    def call(self, method: str, **params: object) -> Any:
        self.last += 1
        self.socket.send(json.dumps({"id": self.last, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


def started_port(profile: Path) -> int:
    """The port Chromium chose, once it listens."""
    for _ in range(300):
        try:
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            time.sleep(0.1)
    raise RuntimeError("Chromium did not start within 30 s")


def shoot(browser: Browser, out: Path, name: str) -> None:
    """The whole page, screen by screen."""
    size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
    for number, top in enumerate(range(0, int(size["height"]), SCREEN_PX), 1):
        height = min(SCREEN_PX, size["height"] - top)
        clip = {"x": 0, "y": top, "width": size["width"], "height": height, "scale": 1}
        picture = browser.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        (out / f"{name}-{number:02}.png").write_bytes(base64.b64decode(picture["data"]))


def look(browser: Browser, page: Path, out: Path, unfold: bool) -> bool:
    """Every size and theme; whether all of them fit."""
    fits = True
    for width, height in SIZES:
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        for theme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": theme}]
            browser.call("Emulation.setEmulatedMedia", features=features)
            browser.call("Page.navigate", url=page.resolve().as_uri())
            while browser.value("document.readyState") != "complete":
                time.sleep(0.05)
            if unfold:
                browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
            inner, scroll = browser.value("[innerWidth, document.documentElement.scrollWidth]")
            wider = browser.value(WIDER)
            fits &= scroll <= inner and not wider
            print(
                f"{width} {theme}: window {inner}, page {scroll}, smallest text {browser.value(SMALLEST_PX)}, {wider}"
            )
            shoot(browser, out, f"{width}-{theme}")
    return fits


def main(page: Path, out: Path, unfold: bool) -> int:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
        command = ["chromium", *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as chromium:
            try:
                return 0 if look(Browser(started_port(Path(profile))), page, out, unfold) else 1
            finally:
                chromium.terminate()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), "--open" in sys.argv[3:]))
