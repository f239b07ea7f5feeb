"""Draws the shop's film into `film.webm`: a day over the hill behind the house, 24 s without sound.

    python -m target_app.tools.draw_film

The film is committed, so this only has to run when it is to look different. It needs Playwright and a Chromium on the
PATH, which the shop itself does not.
"""

import shutil
from base64 import b64decode
from pathlib import Path

from playwright.sync_api import sync_playwright

from target_app.clips import FILM
from target_app.tools.webm import Frame, webm

SCRIPT = Path(__file__).with_name("film.js")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Encoders are only there for pages of a secure origin, as this host is. Nothing is asked of the network.
PAGE = "http://localhost/"
WIDTH, HEIGHT = 640, 360
FRAME_MS = 40
SECONDS = 24
KEY_EVERY = 50
"""Frames: players can jump to each 2 s."""
BITS_PER_S = 420_000


def draw_film(path: Path) -> None:
    """Draw and encode it picture by picture: its times do not depend on how fast this machine is."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"the film is drawn in a browser: none of {', '.join(BROWSERS)} is installed; install one")
    settings = {
        "width": WIDTH, "height": HEIGHT, "frame_ms": FRAME_MS, "seconds": SECONDS, "key_every": KEY_EVERY,
        "codec": "vp09.00.30.08", "bits_per_s": BITS_PER_S,
    }  # fmt: skip
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        page.route("**", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        page.goto(PAGE)
        page.add_script_tag(content=SCRIPT.read_text())
        drawn = page.evaluate("settings => film(settings)", settings)
        chromium.close()
    frames = [Frame(b64decode(one["data"]), one["key"]) for one in drawn]
    path.write_bytes(webm(frames, codec="V_VP9", width=WIDTH, height=HEIGHT, frame_ms=FRAME_MS))


if __name__ == "__main__":
    draw_film(FILM)
