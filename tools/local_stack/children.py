"""The environment that the processes of a stack inherit."""

import os
from typing import Final

from shared.runtime.cli_token import TOKEN_VARIABLE
from tools.local_stack.layout import DEFAULT_HOME

BYTE_CODE: Final = DEFAULT_HOME / "pycache"
"""Compiled once, used by every stack of this checkout."""


def inherited() -> dict[str, str]:
    """The environment of this process, in which Python may keep what it compiled.

    Where ``PYTHONDONTWRITEBYTECODE`` is set, every start and restart would compile a thousand modules anew, which
    is two thirds of a service's way to being ready. The wish behind it, no files among the sources, is kept. Whoever
    has an operator's token in the environment keeps it: no child acts as somebody without being told so.
    """
    environment = dict(os.environ)
    environment.pop(TOKEN_VARIABLE, None)
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment.setdefault("PYTHONPYCACHEPREFIX", str(BYTE_CODE))
    return environment
