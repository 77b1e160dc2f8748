"""Takes a file in piece by piece, on disk and not in memory, and hashes it on the way."""

from __future__ import annotations

import hashlib
import tempfile
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

from shared.kernel.errors import Rejected

COPY_BYTES: Final = 262_144


class Spool:
    """A temporary file that ends with its block; a crash leaves nothing behind."""

    def __init__(self, bytes_max: int) -> None:
        self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by __exit__
        self._hash = hashlib.sha256()
        self._bytes_max = bytes_max
        self.byte_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        """Take the next piece; refused once there are more bytes than a file may have."""
        self.byte_count += len(piece)
        if self.byte_count > self._bytes_max:
            raise Rejected(
                "file_too_large", f"files are limited to {self._bytes_max} bytes", status=413, stored=False
            )
        self._hash.update(piece)
        self._file.write(piece)

    def write_all(self, content: BinaryIO) -> None:
        """Take everything that is left of a file."""
        while piece := content.read(COPY_BYTES):
            self.write(piece)

    @property
    def sha256(self) -> bytes:
        """Of everything that was taken."""
        return self._hash.digest()

    def content(self) -> BinaryIO:
        """What was taken, from its beginning."""
        self._file.seek(0)
        return self._file
