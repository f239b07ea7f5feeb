"""Players of sound and film: a clip is played in pieces by byte ranges, then from another place on, after a jump.

    locust -f locustfiles/media.py --host http://127.0.0.1:8000 --rate 5      # web UI on http://localhost:8089

Each arrival of --rate is a player, which makes up to PIECES requests before the jump and as many after it. A server may
answer with the whole clip instead; then the player has all there is.
"""

import random
import re

from locust import task

from edgebench.load import EdgeUser

CLIPS = ("film.webm", "tour.wav", "intro.wav", "chime.wav")
"""The most popular first."""
PIECE_BYTES = 131_072
PIECES = 3
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Player(EdgeUser):
    """Draws clip and place before it asks, so that the same --seed gives the same requests in every run."""

    @task
    def play(self) -> None:
        clip, place = CLIPS[self.popular(len(CLIPS)) - 1], random.random()
        size = self.pieces(clip, 0, "/media/[clip]")
        if size:
            self.pieces(clip, PIECE_BYTES * int(place * size / PIECE_BYTES), "/media/[clip] (after a jump)")

    def pieces(self, clip: str, start: int, name: str) -> int:
        """Some pieces from `start` on; the size of the clip, 0 where there is no more to ask for."""
        size = start + 1
        for first in range(start, start + PIECES * PIECE_BYTES, PIECE_BYTES):
            if first >= size:
                break
            last = first + PIECE_BYTES - 1
            piece = {"Range": f"bytes={first}-{last}"}
            with self.client.get(f"/media/{clip}", name=name, headers=piece, catch_response=True) as response:
                if response.status_code != 206:
                    return 0  # the whole clip, or no answer
                found = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
                if found is None:
                    response.failure("206 without a Content-Range that can be read")
                    return 0
                begin, end, size = map(int, found.groups())
                if (begin, end) != (first, min(last, size - 1)) or response.length != end - begin + 1:
                    response.failure(f"another piece than was asked for: {begin}-{end} of {size}")
                    return 0
        return size
