"""A case: one protection, the exact text that takes it out, and the tests that must then go red."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class StalePatch(Exception):  # noqa: N818 - says what the patch has become
    """The code has moved on under a patch: what it replaces is not there exactly once."""


@dataclass(frozen=True, slots=True)
class Patch:
    """``before`` stands exactly once in ``file``; ``after`` is what a careless hand would have written."""

    file: str
    before: str
    after: str

    def applied_to(self, text: str) -> str:
        """Return the text without the protection, or raise ``StalePatch``."""
        found = text.count(self.before)
        if found != 1 or self.before == self.after:
            raise StalePatch(f"{self.file}: found {found} times, not once: {self.before!r}")
        return text.replace(self.before, self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``change`` says in words what the patches do; every one of ``tests`` has to fail because of it."""

    name: str
    protection: str
    change: str
    patches: tuple[Patch, ...]
    tests: tuple[str, ...]

    def patched(self, root: Path) -> Mapping[Path, str]:
        """Return the new text of every file that the case changes under ``root``."""
        texts: dict[Path, str] = {}
        for patch in self.patches:
            path = root / patch.file
            texts[path] = patch.applied_to(texts.get(path) or path.read_text())
        return texts
