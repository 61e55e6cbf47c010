# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file that can only be read with its key, written and read as a stream.

The first line says what it is, 16 random bytes follow, then AES-256-GCM pieces of 1 MiB. Each has
its number and whether it is the last one in its nonce, as in the STREAM construction (Hoang,
Reyhanitabar, Rogaway, Vizár 2015) that age uses too: nothing can be changed, moved or cut off
unnoticed. The file's key is scrypt(key, the random bytes), so no two files share one.
"""

from __future__ import annotations

import hashlib
import io
import os
from typing import IO, Any

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

MAGIC = b"monsterstack.swarm sealed 1\n"
SALT, PIECE, TAG = 16, 1 << 20, 16


class SealedError(Exception):
    """The file cannot be opened; the text says why, and begins in the middle of a sentence."""


def _cipher(key: str, salt: bytes) -> Any:
    # 32 MiB and a tenth of a second: a key of 64 random digits needs none of it, a password does.
    secret = hashlib.scrypt(key.encode(), salt=salt, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32)
    return AESGCM(secret)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class Writer(io.RawIOBase):
    """Seals what is written to it; only `close` makes the file complete."""

    def __init__(self, target: IO[bytes], key: str) -> None:
        super().__init__()
        salt = os.urandom(SALT)
        self._target, self._cipher = target, _cipher(key, salt)
        self._waiting, self._number = bytearray(), 0
        target.write(MAGIC + salt)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        # The last piece must be known as the last: one full piece waits for what comes after it.
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return len(data)

    def _put(self, data: bytes, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, last), data, MAGIC))
        self._number += 1

    def close(self) -> None:
        if not self.closed:
            self._put(bytes(self._waiting), last=True)
        super().close()


class Reader(io.RawIOBase):
    """What a Writer sealed. Raises SealedError for what is not whole, also at the very end."""

    def __init__(self, source: IO[bytes], key: str) -> None:
        super().__init__()
        head = source.read(len(MAGIC) + SALT)
        if len(head) != len(MAGIC) + SALT or not head.startswith(MAGIC):
            raise SealedError("it is no sealed archive of monsterstack.swarm")
        self._source, self._cipher = source, _cipher(key, head[len(MAGIC) :])
        self._number, self._open, self._last = 0, b"", False
        self._next = source.read(PIECE + TAG)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._open and not self._last:
            self._open = self._piece()
        count = min(len(buffer), len(self._open))
        buffer[:count] = self._open[:count]
        self._open = self._open[count:]
        return count

    def _piece(self) -> bytes:
        sealed, self._next = self._next, self._source.read(PIECE + TAG)
        self._last = not self._next
        try:
            data: bytes = self._cipher.decrypt(_nonce(self._number, self._last), sealed, MAGIC)
        except InvalidTag:
            why = "the key is another one, or the file was changed"
            if self._number:
                why = f"it was changed or cut off after {self._number} MiB"
            raise SealedError(why) from None
        self._number += 1
        return data
