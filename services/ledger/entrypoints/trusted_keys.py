"""The keys that whoever checks trusts, from the files that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from services.ledger.adapters.head_keys import HeadVerifier


def trusted_keys(paths: Sequence[Path]) -> HeadVerifier:
    """What checks signatures with these keys; a usage error (exit 2) names the file that holds none."""
    from services.ledger.adapters.head_keys import HeadVerifier
    from shared.runtime.startup import StartupRefused

    pems = []
    for path in paths:
        try:
            pems.append(path.read_text(encoding="utf-8"))
            HeadVerifier(pems[-1:])
        except (StartupRefused, UnicodeDecodeError):
            wanted = f"{path}: expected the PEM of an Ed25519 public key, as `ledger seal-key` prints it"
            raise typer.BadParameter(wanted, param_hint="--public-key") from None
    return HeadVerifier(pems)
