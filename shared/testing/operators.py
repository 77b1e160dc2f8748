"""Operators in tests of command lines: each has a token in a file, signed with a key that the service is told of."""

from __future__ import annotations

import itertools
from pathlib import Path

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair


class TokenFiles:
    """Calling it with a name gives the path of a new token; services get ``public_key``."""

    def __init__(self, folder: Path) -> None:
        private, self.public_key = new_key_pair()
        self._issuer, self._folder, self._numbers = TokenIssuer(private), folder, itertools.count()

    def __call__(self, subject: str, role: OperatorRole = OperatorRole.APPROVER) -> str:
        file = self._folder / f"token-{next(self._numbers)}"
        file.write_text(self._issuer.operator(subject, role) + "\n")
        return str(file)
