"""The watched folder: one folder per source; a file that lies in it under its own name is taken in and moved away.

A file is complete once it bears its name: whoever writes it does so under a name that begins with a point or ends with
``.part`` and renames it then. What was taken in goes to ``done/``, what was refused to ``refused/`` with a file beside
it that says why. Moved is only what is durable: a crash in between leaves the file, which is then known by its bytes.
Moved is only what was read, too: a file that grew meanwhile, or another one that was given its name, stays for the next
turn. A file or a folder that the system does not let us use is told of, stays, and holds up no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.reconciliation.adapters.spooling import Spool
from shared.kernel.errors import Rejected

DONE: Final = "done"
REFUSED: Final = "refused"
REASON_SUFFIX: Final = ".reason.txt"
_IN_THE_MAKING: Final = ".part"
_NAME_BYTES_MAX: Final = 255
"""What file systems take."""
_NUMBERED_BYTES_MAX: Final = 180
"""Of a name's stem that a number is added to."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A complete file, and the source whose folder it lies in."""

    source: str
    path: Path


TakeIn = Callable[[str, str, Spool], object]
"""Takes a source, a name and what lies in the spool; raises ``Rejected`` for what is not taken."""


Unusable = Callable[[Path, OSError], object]
"""Hears of a file or folder that could not be read or moved, and why."""


class WatchedFolder:
    """The folder; ``take_in`` makes a file durable."""

    def __init__(self, root: Path, bytes_max: int, take_in: TakeIn, unusable: Unusable) -> None:
        self._root = root
        self._bytes_max = bytes_max
        self._take_in = take_in
        self._unusable = unusable

    def turn(self) -> bool:
        """Take in what lies there; false, because a file that comes meanwhile waits for the next turn."""
        for found in self.complete():
            try:
                self._one(found)
            except OSError as error:
                gone = isinstance(error, FileNotFoundError) and not found.path.exists()
                if not gone:  # else another worker took it: what it said is known by its hash
                    self._unusable(found.path, error)
        return False

    def complete(self) -> Iterator[FoundFile]:
        """Complete files, by source and name."""
        for folder in self._inside(self._root):
            if not folder.is_dir():
                continue
            for path in self._inside(folder):
                hidden = path.name.startswith(".") or path.name.endswith(_IN_THE_MAKING)
                if not hidden and path.is_file() and not path.is_symlink():
                    yield FoundFile(folder.name, path)

    def _inside(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            self._unusable(folder, error)
            return []

    def _one(self, found: FoundFile) -> None:
        with found.path.open("rb") as content:
            before = os.fstat(content.fileno())
            refused: Rejected | None = None
            try:
                with Spool(self._bytes_max) as spool:
                    spool.write_all(content)
                    self._take_in(found.source, found.path.name, spool)
            except Rejected as rejected:
                refused = rejected
            if _changed(before, os.fstat(content.fileno())):
                return  # somebody still writes: what was read of it is history once the whole is read
        moved = _moved(found.path, DONE if refused is None else REFUSED, before)
        if moved is not None and refused is not None:
            reason = moved.with_name(
                _shortened(moved.name, _NAME_BYTES_MAX - len(REASON_SUFFIX)) + REASON_SUFFIX
            )
            reason.write_text(f"{refused.code}: {refused.message}\n")


def _changed(before: os.stat_result, now: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns)


def _moved(path: Path, folder: str, read: os.stat_result) -> Path | None:
    """The file that was read, where it now lies; None where another one bears its name by now, which then keeps it.

    One of the same name there is not overwritten.
    """
    place = path.parent / folder
    place.mkdir(exist_ok=True)
    target, number = place / path.name, 1
    while target.exists():
        target, number = (
            place / f"{_shortened(path.stem, _NUMBERED_BYTES_MAX)}.{number}{path.suffix}",
            number + 1,
        )
    path.rename(target)
    if os.path.samestat(read, target.stat()):
        return target
    if not path.exists():
        target.rename(path)
    return None


def _shortened(name: str, bytes_max: int) -> str:
    return os.fsdecode(os.fsencode(name)[:bytes_max])
