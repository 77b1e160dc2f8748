"""The services' own command lines, run for the local stack unless the environment names other databases."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.local_stack.layout import layout
from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack


def run_command(service: str, words: Sequence[str]) -> int:
    """Run a service's command line with these words; returns its exit code."""
    known = next(each for each in SERVICES if each.name == service)
    named = any(name.startswith(known.prefix) for name in os.environ)
    stack: Mapping[str, str] = {} if named else LocalStack(layout()).environment(known)
    program = str(Path(sys.executable).parent / known.command)
    return subprocess.run([program, *words], env={**os.environ, **stack}, check=False).returncode
