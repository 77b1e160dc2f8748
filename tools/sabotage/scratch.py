"""The scratch copy of the tree: made once per run, changed for one case at a time, thrown away at the end."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tools.sabotage.case import Case

REPOSITORY: Final = Path(__file__).resolve().parents[2]
_PREFIX: Final = "tieout-sabotage-"
_LATER_NS: Final = 60_000_000_000
"""Moves a changed file's time, so that no byte code of the untouched text is taken for it."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A copy that may be broken."""

    root: Path

    @contextmanager
    def without(self, case: Case) -> Iterator[None]:
        """Take one protection out until the block ends."""
        before = {path: (path.read_text(), path.stat().st_mtime_ns) for path in case.patched(self.root)}
        try:
            for path, text in case.patched(self.root).items():
                _write(path, text, before[path][1] + _LATER_NS)
            yield
        finally:
            for path, (text, time_ns) in before.items():
                _write(path, text, time_ns)

    @contextmanager
    def twin(self) -> Iterator["Scratch"]:
        """Copy the copy, byte code and all, so that two cases can be tried at once."""
        with TemporaryDirectory(prefix=_PREFIX) as folder:
            root = Path(folder).resolve()
            shutil.copytree(self.root, root, dirs_exist_ok=True)
            yield Scratch(root)


def _write(path: Path, text: str, time_ns: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(time_ns, time_ns))


@contextmanager
def scratch_copy() -> Iterator[Scratch]:
    """Copy every file that git would keep, as it is in the working tree now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    with TemporaryDirectory(prefix=_PREFIX) as folder:
        root = Path(folder).resolve()
        for name in filter(None, listed.split("\0")):
            source, target = REPOSITORY / name, root / name
            if source.is_file():  # one that was just deleted is still listed
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        yield Scratch(root)
