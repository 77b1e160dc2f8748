"""Secrets of the local stack: made at the first start, kept in private files, stable over restarts."""

import secrets
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.local_stack.layout import Layout

SECRET_BYTES: Final = 32


class SecretStore:
    """One private folder of secrets, by name."""

    def __init__(self, place: Layout) -> None:
        self._folder = place.secrets

    def text(self, name: str) -> str:
        """A random secret under this name."""
        file = self._folder / name
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(SECRET_BYTES))
        return file.read_text()

    def ed25519(self, name: str) -> tuple[str, str]:
        """A key pair under this name: private and public, as PEM."""
        file = self._folder / f"{name}.pem"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_bytes(
                Ed25519PrivateKey.generate().private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        private = serialization.load_pem_private_key(file.read_bytes(), password=None)
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return file.read_text(), public.decode()
