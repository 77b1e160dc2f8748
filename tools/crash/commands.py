"""Operators' commands as processes of their own, that die where they are told to."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.kernel.crash_points import AT_VARIABLE, ORDER_FILE_VARIABLE
from shared.runtime.cli_token import TOKEN_VARIABLE
from tools.crash.stack import FragileStack
from tools.local_stack.children import inherited
from tools.local_stack.services import SERVICES, LocalService


def run_command(
    stack: FragileStack,
    service: LocalService,
    *words: str,
    dies_at: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> str:
    """Run a service's command as an operator; what it said, or nothing where it died as it was told to.

    Raises ``AssertionError`` where it ended in any other way. ``settings`` replace the service's own.
    """
    environment = (
        inherited() | stack.environment(service) | {TOKEN_VARIABLE: stack.operator_token("ada", "operator")}
    )
    environment |= {service.prefix + name: value for name, value in (settings or {}).items()}
    del environment[ORDER_FILE_VARIABLE]  # of the service's process, not of this one
    if dies_at is not None:
        environment[AT_VARIABLE] = dies_at
    done = subprocess.run(
        [Path(sys.executable).parent / service.command, *words, "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    expected = 0 if dies_at is None else -signal.SIGKILL
    if done.returncode != expected:
        raise AssertionError(
            f"{service.command} {' '.join(words)} (to die at {dies_at}): {done.returncode}, {done.stderr}"
        )
    return done.stdout


def service_named(name: str) -> LocalService:
    """One of the local stack's services."""
    return next(service for service in SERVICES if service.name == name)
