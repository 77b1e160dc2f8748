"""Ed25519 over heads and closes: signed with the ledger's private key, checked by anybody with the public one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from services.ledger.domain.closes import HEADER as CLOSE_HEADER
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import HEADER, Head
from shared.runtime.startup import StartupRefused


def signed_bytes(fields: dict[str, Any], header: bytes = HEADER) -> bytes:
    """What a signature is over: header and canonical JSON."""
    return header + rfc8785.dumps(fields)


class HeadSigner:
    """Signs heads; refuses to start with anything but an Ed25519 private key."""

    def __init__(self, private_pem: str) -> None:
        self._key = _private(private_pem)
        self.key_id = _key_id(self._key.public_key())

    def sign(self, head: Head) -> Head:
        """The head with this key's name and signature."""
        named = replace(head, key_id=self.key_id)
        return replace(named, signature=self._key.sign(signed_bytes(named.signed_fields())).hex())

    def sign_close(self, close: SignedClose) -> SignedClose:
        """The close with this key's name and signature."""
        named = replace(close, key_id=self.key_id)
        signature = self._key.sign(signed_bytes(named.signed_fields(), CLOSE_HEADER))
        return replace(named, signature=signature.hex())


class HeadVerifier:
    """Checks signatures against the keys that the auditor trusts."""

    def __init__(self, public_pems: Sequence[str]) -> None:
        keys = [_public(pem) for pem in public_pems]
        self._keys = {_key_id(key): key for key in keys}

    def is_genuine(self, head: Head) -> bool:
        """Whether one of the trusted keys signed exactly this."""
        return self._signed(head.key_id, head.signature, signed_bytes(head.signed_fields()))

    def is_forged(self, head: Head) -> bool:
        """Whether keys are trusted and none of them signed this; without any there is nothing to ask."""
        return bool(self._keys) and not self.is_genuine(head)

    def is_genuine_close(self, close: SignedClose) -> bool:
        """The same of a close; true as well where no key is trusted, so that there is nothing to ask."""
        if not self._keys:
            return True
        return self._signed(close.key_id, close.signature, signed_bytes(close.signed_fields(), CLOSE_HEADER))

    def _signed(self, key_id: str, signature: str, signed: bytes) -> bool:
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(signature), signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def public_pem(private_pem: str) -> str:
    """The public half, to be handed to auditors."""
    key = _private(private_pem).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _private(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise StartupRefused("LEDGER_SEAL_PRIVATE_KEY: expected the PEM of an Ed25519 private key")
    return key


def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise StartupRefused("public key: expected the PEM of an Ed25519 public key")
    return key
