"""Who a command in a terminal is done by: whom a token names, verified as over HTTP; nobody's word is taken for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.runtime.cli import CommandLine, refusals

if TYPE_CHECKING:
    from shared.runtime.operator_tokens import Operator

RoleName = Literal["operator", "approver", "admin"]
"""The role that the HTTP route of the same act asks for; ``OperatorRole``'s names, which load only when one is used."""
TOKEN_VARIABLE: Final = "TIEOUT_OPERATOR_TOKEN"  # noqa: S105 - its name
_OPTION: Final = "--token-file"
_FILE_BYTES_MAX: Final = 64 * 1024


def _no_file() -> Path | None:
    return None


TokenFile = Annotated[
    Path | None,
    typer.Option(
        _OPTION, help=f"File with your operator's token; without it ${TOKEN_VARIABLE} is taken.",
        default_factory=_no_file, show_default=False,
    ),
]  # fmt: skip


def acting(line: CommandLine, token_file: Path | None, role: RoleName) -> Actor:
    """Who acts, in the role that the token gives; refused in one line where it does not reach ``role``."""
    who = verified_operator(line, token_file, role)
    return Actor(name=who.subject, role=who.role.name.lower())


def verified_operator(line: CommandLine, token_file: Path | None, role: RoleName) -> Operator:
    """The operator whom the token names; a missing, expired, foreign or too weak one ends the command, exit code 1.

    Nothing of the service is opened before; without a public key in its settings nobody is an operator (78).
    """
    from shared.runtime.operator_tokens import TokenVerifier
    from shared.runtime.settings import required

    with refusals(line.name):
        verifier = TokenVerifier(required(line.settings(), "operator_public_key"))
        where, token = _given(token_file, role)
        try:
            who = verifier.operator(token)
        except Rejected:
            raise _refused(
                "token_refused", f"the token of {where} is expired, cut off or of another environment", role
            ) from None
        require(who, role)
        return who


def require(who: Operator, role: RoleName) -> None:
    """Refuse whose role does not reach; for what is known only once the act was looked at."""
    from shared.runtime.operator_tokens import OperatorRole

    if who.role < OperatorRole.named(role):
        said = f"{who.subject}'s token has the role {who.role.name.lower()}; this needs {role}"
        raise _refused("role_too_low", said, role, who.subject)


def _given(token_file: Path | None, role: RoleName) -> tuple[str, str]:
    """Where the token comes from, and the token: the file that is named counts before the environment."""
    if token_file is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise _refused("token_missing", f"give {_OPTION} PATH or set {TOKEN_VARIABLE}", role)
        return f"${TOKEN_VARIABLE}", token
    where = f"{_OPTION} {str(token_file)!r}"
    try:
        with token_file.open("rb") as file:
            return where, file.read(_FILE_BYTES_MAX).decode("ascii").strip()
    except OSError as failed:
        raise _refused("token_unreadable", f"{where}: {failed.strerror or 'cannot be read'}", role) from None
    except UnicodeDecodeError:
        raise _refused("token_unreadable", f"{where} holds no token", role) from None


def _refused(code: str, said: str, role: RoleName, subject: str = "NAME") -> Rejected:
    return Rejected(
        code, f"{said}; `tieout operators issue {subject} --role {role}` makes one", status=401, stored=False
    )
