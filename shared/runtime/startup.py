"""Start-up refusals: what must hold before a process may serve, each said in one line and one exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
"""A role died, or a drain ran past its deadline: the supervisor must restart the process."""
EXIT_CONFIGURATION: Final = 78
"""sysexits EX_CONFIG: restarting alone does not help; somebody must change the configuration."""


class StartupRefused(Exception):  # noqa: N818 - a refusal, not a failure of ours
    """The process must not start; every line names what is wrong and what is expected."""

    def __init__(self, *lines: str, exit_code: int = EXIT_CONFIGURATION) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupCheck:
    """One thing that must hold before a role starts; ``check`` raises ``StartupRefused`` otherwise."""

    name: str
    check: Callable[[], None]
    roles: frozenset[str] = frozenset()
    """Roles that need it; empty means every role."""

    def concerns(self, roles: frozenset[str]) -> bool:
        return not self.roles or bool(self.roles & roles)


def check(name: str, action: Callable[[], object], *roles: str) -> StartupCheck:
    """Wrap a call that raises on trouble into a start-up check; other errors become one line as well."""

    def guarded() -> None:
        try:
            action()
        except StartupRefused:
            raise
        except Exception as error:  # the process boundary: a traceback helps nobody who configures
            first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise StartupRefused(f"{name}: {first_line}") from error

    return StartupCheck(name=name, check=guarded, roles=frozenset(roles))
