"""Packets of an interface from a ring the kernel shares with this process: each with the time it really arrived.

That time is why: who reads a packet late can still send it on when it is due. It also saves a system call for each, and
does not depend on the system's limit for socket buffers, which only root may exceed.
"""

from __future__ import annotations

import mmap
import socket
import struct
from collections.abc import Iterator

_SOL_PACKET, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 263, 5, 6, 10
_TPACKET_V2 = 1
_ETH_P_IP = 0x0800
_USER = 1
"""Bit of a frame's status: it is ours."""
_FRAME_BYTES, _BLOCK_BYTES = 2048, 1 << 16
FRAMES = 1024
"""What arrives while the relay does not run at all: at 100 Mbit/s, 120 ms of it."""
_HEADER = struct.Struct("=IIIHHII")
"""tpacket2_hdr: status, length, captured, offset of the frame, of its payload, seconds, nanoseconds."""
_STATUS = struct.Struct("=I")


class Ring:
    """IPv4 packets that come in on an interface, as Ethernet frames; and frames sent out on it."""

    def __init__(self, interface: str) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        size = FRAMES * _FRAME_BYTES
        layout = struct.pack("=IIII", _BLOCK_BYTES, size // _BLOCK_BYTES, _FRAME_BYTES, FRAMES)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, layout)
        self._ring = mmap.mmap(self.socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._next = 0
        self.socket.bind((interface, _ETH_P_IP))
        self.socket.setblocking(False)
        self.send = self.socket.send

    def take(self, most: int) -> Iterator[tuple[int, bytes]]:
        """Up to so many packets: when each arrived, in nanoseconds of the wall clock, and its frame."""
        ring = self._ring
        for _ in range(most):
            base = self._next * _FRAME_BYTES
            status, _length, captured, start, _net, seconds, nanoseconds = _HEADER.unpack_from(ring, base)
            if not status & _USER:
                return
            frame = ring[base + start : base + start + captured]
            _STATUS.pack_into(ring, base, 0)
            self._next = (self._next + 1) % FRAMES
            yield seconds * 1_000_000_000 + nanoseconds, frame

    def missed(self) -> int:
        """How many packets found the ring full since the last call."""
        raw = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        _packets, drops = struct.unpack("=II", raw)
        return int(drops)
