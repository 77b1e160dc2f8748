"""The watched folder: one folder per source; a file that lies in it under its own name is taken in and moved away.

A file is complete once it bears its name: whoever writes it does so under a name that begins with a point or ends with
``.part`` and renames it then. What was taken in goes to ``done/``, what was refused to ``refused/`` with a file beside
it that says why. Moved is only what is durable: a crash in between leaves the file, which is then known by its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.reconciliation.adapters.spooling import Spool
from shared.kernel.errors import Rejected

DONE: Final = "done"
REFUSED: Final = "refused"
REASON_SUFFIX: Final = ".reason.txt"
_IN_THE_MAKING: Final = ".part"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A complete file, and the source whose folder it lies in."""

    source: str
    path: Path


TakeIn = Callable[[str, str, Spool], object]
"""Takes a source, a name and what lies in the spool; raises ``Rejected`` for what is not taken."""


class WatchedFolder:
    """The folder; ``take_in`` makes a file durable."""

    def __init__(self, root: Path, bytes_max: int, take_in: TakeIn) -> None:
        self._root = root
        self._bytes_max = bytes_max
        self._take_in = take_in

    def turn(self) -> bool:
        """Take in what lies there; false, because a file that comes meanwhile waits for the next turn."""
        for found in self.complete():
            with suppress(FileNotFoundError):  # another worker took it: what it said is known by its hash
                self._one(found)
        return False

    def complete(self) -> Iterator[FoundFile]:
        """Complete files, by source and name."""
        if not self._root.is_dir():
            return
        for folder in sorted(path for path in self._root.iterdir() if path.is_dir()):
            for path in sorted(folder.iterdir()):
                hidden = path.name.startswith(".") or path.name.endswith(_IN_THE_MAKING)
                if path.is_file() and not path.is_symlink() and not hidden:
                    yield FoundFile(folder.name, path)

    def _one(self, found: FoundFile) -> None:
        try:
            with Spool(self._bytes_max) as spool:
                with found.path.open("rb") as content:
                    spool.write_all(content)
                self._take_in(found.source, found.path.name, spool)
        except Rejected as rejected:
            moved = _moved(found.path, REFUSED)
            moved.with_name(moved.name + REASON_SUFFIX).write_text(f"{rejected.code}: {rejected.message}\n")
        else:
            _moved(found.path, DONE)


def _moved(path: Path, folder: str) -> Path:
    """The file where it now lies; one of the same name there is not overwritten."""
    place = path.parent / folder
    place.mkdir(exist_ok=True)
    target, number = place / path.name, 1
    while target.exists():
        target, number = place / f"{path.stem}.{number}{path.suffix}", number + 1
    return path.rename(target)
