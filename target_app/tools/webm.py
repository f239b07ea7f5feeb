"""A WebM file of one silent film, with its length and an index in front, so that players can jump by byte ranges.

The elements and their numbers are those of RFC 9559 (Matroska), with the sizes and numbers of RFC 8794 (EBML).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

TRACK = 1
MS_IN_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture, encoded: one that `is_key` needs no other."""

    data: bytes
    is_key: bool


def webm(frames: Sequence[Frame], *, codec: str, width: int, height: int, frame_ms: int) -> bytes:
    """The file. The first frame is a key; each key begins a cluster, which the index (Cues) names. codec: `V_VP9`."""
    starts = [number for number, frame in enumerate(frames) if frame.is_key]
    if not starts or starts[0] != 0:
        raise ValueError("the first frame has to be a key frame")
    clusters = [
        _cluster(frames[start:stop], start * frame_ms, frame_ms)
        for start, stop in zip(starts, [*starts[1:], len(frames)], strict=True)
    ]
    head = _info(len(frames) * frame_ms) + _tracks(codec, width, height, frame_ms)
    times = [start * frame_ms for start in starts]
    # Positions have a fixed width, so that the index is as long before they are known.
    before = len(head) + len(_cues(times, [0] * len(times)))
    sizes = [len(cluster) for cluster in clusters]
    head += _cues(times, list(accumulate(sizes[:-1], initial=before)))
    return _header() + _element(0x18538067, head + b"".join(clusters))


def _header() -> bytes:
    numbers = ((0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8))
    kind = _element(0x4282, b"webm") + _number(0x4287, 2) + _number(0x4285, 2)
    return _element(0x1A45DFA3, b"".join(_number(name, value) for name, value in numbers) + kind)


def _info(length_ms: int) -> bytes:
    app = b"Hearth & Hill"
    fields = _number(0x2AD7B1, MS_IN_NS) + _element(0x4489, struct.pack(">d", length_ms))
    return _element(0x1549A966, fields + _element(0x4D80, app) + _element(0x5741, app))


def _tracks(codec: str, width: int, height: int, frame_ms: int) -> bytes:
    is_video, no_lacing = _number(0x83, 1), _number(0x9C, 0)
    picture = _element(0xE0, _number(0xB0, width) + _number(0xBA, height))
    about = _element(0x86, codec.encode()) + _number(0x23E383, frame_ms * MS_IN_NS)
    entry = _number(0xD7, TRACK) + _number(0x73C5, TRACK) + is_video + no_lacing + about + picture
    return _element(0x1654AE6B, _element(0xAE, entry))


def _cues(times_ms: Sequence[int], positions: Sequence[int]) -> bytes:
    """positions: of each cluster, in bytes from the beginning of what the segment holds."""
    points = (
        _element(0xBB, _number(0xB3, time) + _element(0xB7, _number(0xF7, TRACK) + _number(0xF1, position)))
        for time, position in zip(times_ms, positions, strict=True)
    )
    return _element(0x1C53BB6B, b"".join(points))


def _cluster(frames: Sequence[Frame], start_ms: int, frame_ms: int) -> bytes:
    blocks = (
        _element(0xA3, struct.pack(">BhB", 0x80 | TRACK, number * frame_ms, 0x80 if frame.is_key else 0) + frame.data)
        for number, frame in enumerate(frames)
    )
    return _element(0x1F43B675, _number(0xE7, start_ms) + b"".join(blocks))


def _element(name: int, data: bytes) -> bytes:
    """name: with the bits that say how long it is, as the tables print it."""
    size = (len(data) | 1 << 56).to_bytes(8)
    return name.to_bytes((name.bit_length() + 7) // 8) + size + data


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(4))
