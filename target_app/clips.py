"""The shop's clips: plucked strings, computed on first start rather than shipped, and a film, which is shipped."""

import hashlib
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from target_app.firststart import build_once

SAMPLE_RATE_HZ = 22_050
NOTE_S = 0.25

FILM = Path(__file__).with_name("film.webm")
"""Drawn by `target_app.tools.draw_film`: no encoder could be asked for on every machine that starts a shop."""

# Periods in samples, low to high; 0 rests.
MELODIES: dict[str, Sequence[int]] = {
    "chime.wav": (84, 67, 56, 42, 0, 42, 0, 0),
    "intro.wav": (100, 84, 67, 56, 67, 84, 89, 75, 63, 50, 63, 75, 100, 75, 50, 0) * 3,
    "tour.wav": (112, 94, 75, 56, 63, 75, 84, 0, 100, 84, 67, 50, 56, 67, 75, 0) * 12,
}


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that is served whole or by byte ranges; `etag` is the digest of its content."""

    path: Path
    size_bytes: int
    etag: str
    mimetype: str


def open_clips(folder: Path) -> dict[str, Clip]:
    """The clips by name: sound from `folder`, made first if it is not there, and the film."""
    clips = {}
    for name, melody in MELODIES.items():
        build_once(folder / name, partial(write_wav, melody=melody))
        clips[name] = _clip(folder / name, "audio/wav")
    return clips | {FILM.name: _clip(FILM, "video/webm")}


def _clip(path: Path, mimetype: str) -> Clip:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12))
    return Clip(path, path.stat().st_size, digest.hexdigest(), mimetype)


def write_wav(path: Path, melody: Sequence[int]) -> None:
    """Write `melody` to `path`: mono, 16 bits."""
    samples = array("h")
    notes = {period: pluck(period) for period in set(melody)}
    for period in melody:
        samples.extend(notes[period])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframesraw(samples.tobytes())


def pluck(period: int) -> "array[int]":
    """One note by Karplus and Strong: noise that goes round a delay line and loses its edges.

    In whole numbers only, because floating point would not give the same bytes everywhere.
    """
    length = int(SAMPLE_RATE_HZ * NOTE_S)
    if period == 0:
        return array("h", bytes(2 * length))
    rng = Random(period)
    line = [int(rng.random() * 24_000) - 12_000 for _ in range(period)]
    note = array("h")
    for index in range(length):
        here = index % period
        note.append(line[here])
        line[here] = (line[here] + line[here - period + 1]) * 498 // 1_000
    return note
