"""Short-lived Ed25519-signed tokens: operators with a role, merchants with a read mandate; verified
offline by anybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from fastapi import Request

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids, UlidIds
from shared.runtime.queries import refuse_strange_query
from shared.runtime.startup import StartupRefused

ALGORITHM: Final = "EdDSA"
OPERATOR_AUDIENCE: Final = "tieout:operator"
READ_AUDIENCE: Final = "tieout:merchant-read"
OPERATOR_LIFE_S: Final = 8 * 3600
OPERATOR_LIFE_S_MAX: Final = 24 * 3600
"""Tokens cannot be revoked offline; whoever needs longer asks again."""
READ_LIFE_S: Final = 15 * 60
CLOCK_SKEW_S: Final = 60
TOKEN_CHARS_MAX: Final = 4_096
_SUBJECT_CHARS_MAX: Final = 128


class OperatorRole(IntEnum):
    """Each role may do what those below it may."""

    VIEWER = 1
    OPERATOR = 2
    APPROVER = 3
    ADMIN = 4

    @classmethod
    def named(cls, name: str) -> OperatorRole:
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(role.name.lower() for role in cls)
            raise Rejected(
                "role_unknown", f"Roles are {known}.", status=422, param="role", stored=False
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    subject: str
    role: OperatorRole
    token_id: str

    def require(self, role: OperatorRole) -> None:
        if self.role < role:
            raise Rejected(
                "role_too_low", f"This needs the role {role.name.lower()}.", status=403, stored=False
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantReader:
    """A merchant who may read balances and statements of one mode."""

    merchant_id: str
    mode: str


class TokenIssuer:
    """Holds a private key; used by the CLI and by the exchange of an API key."""

    def __init__(self, private_key_pem: str, *, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self._key = _private_key(private_key_pem)
        self._clock = clock or SystemClock()
        self._ids = ids or UlidIds()

    def operator(self, subject: str, role: OperatorRole, life_s: int = OPERATOR_LIFE_S) -> str:
        if not 0 < life_s <= OPERATOR_LIFE_S_MAX:
            raise Rejected(
                "life_out_of_range", f"A token lives 1 to {OPERATOR_LIFE_S_MAX} s.", status=422, stored=False
            )
        if not _names_somebody(subject):
            said = "A subject is 1 to 128 printable characters, without blanks around them."
            raise Rejected("subject_invalid", said, status=422, stored=False)
        return self._signed(OPERATOR_AUDIENCE, subject, life_s, {"role": role.name.lower()})

    def merchant_reader(self, merchant_id: str, mode: str) -> str:
        return self._signed(READ_AUDIENCE, merchant_id, READ_LIFE_S, {"mode": mode})

    def _signed(self, audience: str, subject: str, life_s: int, claims: Mapping[str, str]) -> str:
        now = int(self._clock.now().timestamp())
        payload = {
            "aud": audience, "sub": subject, "iat": now, "exp": now + life_s,
            "jti": self._ids.new("tok_"), **claims,
        }  # fmt: skip
        return jwt.encode(payload, self._key, algorithm=ALGORITHM)


class TokenVerifier:
    """Holds a public key; every failure is the same 401, so that guessing teaches nothing."""

    def __init__(self, public_key_pem: str, *, clock: Clock | None = None) -> None:
        self._key = _public_key(public_key_pem)
        self._clock = clock or SystemClock()

    def operator(self, token: str) -> Operator:
        claims = self._claims(token, OPERATOR_AUDIENCE, OPERATOR_LIFE_S_MAX)
        role = claims.get("role")
        if not isinstance(role, str) or role.upper() not in OperatorRole.__members__:
            raise unauthorized()
        return Operator(subject=claims["sub"], role=OperatorRole[role.upper()], token_id=str(claims["jti"]))

    def merchant_reader(self, token: str) -> MerchantReader:
        claims = self._claims(token, READ_AUDIENCE, READ_LIFE_S)
        mode = claims.get("mode")
        if not isinstance(mode, str):
            raise unauthorized()
        return MerchantReader(merchant_id=claims["sub"], mode=mode)

    def _claims(self, token: str, audience: str, life_s_max: int) -> dict[str, Any]:
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise unauthorized()
        try:
            # Times are checked below, against our own clock; the library would read the machine's.
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=[ALGORITHM], audience=audience,
                options={
                    "require": ["aud", "sub", "iat", "exp", "jti"],
                    "verify_exp": False, "verify_iat": False, "verify_nbf": False,
                },
            )  # fmt: skip
        except jwt.PyJWTError:
            raise unauthorized() from None
        issued, expires, now = claims["iat"], claims["exp"], self._clock.now().timestamp()
        whole = isinstance(issued, int) and isinstance(expires, int) and _names_somebody(claims["sub"])
        if not whole or not issued - CLOCK_SKEW_S <= now < expires or expires - issued > life_s_max:
            raise unauthorized()
        return claims


def _names_somebody(subject: object) -> bool:
    """Subjects are compared where two people must agree: a blank more would be somebody else."""
    if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT_CHARS_MAX:
        return False
    return subject.isprintable() and subject == subject.strip()


def unauthorized() -> Rejected:
    return Rejected("unauthorized", "A valid token or key is required.", status=401, stored=False)


def bearer(request: Request) -> str:
    """The bearer token of a request, or the one 401."""
    found = request.headers.getlist("authorization")
    scheme, _, token = found[0].partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized()
    return token.strip()


def operator_with(
    verifier: TokenVerifier | None, role: OperatorRole
) -> Callable[[Request], Awaitable[Operator]]:
    """A FastAPI dependency: the operator, if the token is good and the role reaches ``role``.

    Without a verifier (no public key configured) nobody is an operator. Whoever is one is told of a parameter that
    the route does not have, before anything is looked for.
    """

    async def dependency(request: Request) -> Operator:
        if verifier is None:
            raise unauthorized()
        operator = verifier.operator(bearer(request))
        operator.require(role)
        refuse_strange_query(request)
        return operator

    return dependency


def merchant_reader_of(verifier: TokenVerifier) -> Callable[[Request], Awaitable[MerchantReader]]:
    """A FastAPI dependency: the merchant behind a 15-minute read token."""

    async def dependency(request: Request) -> MerchantReader:
        return verifier.merchant_reader(bearer(request))

    return dependency


def new_key_pair() -> tuple[str, str]:
    """A fresh (private, public) pair as PEM."""
    private = Ed25519PrivateKey.generate()
    private_pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public_pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return private_pem, public_pem


def _unfolded(pem: str) -> bytes:
    """Environment files keep a PEM on one line, with the two characters backslash and n for the ends of
    its lines.
    """
    return pem.replace("\\n", "\n").strip().encode()


def _private_key(pem: str) -> Ed25519PrivateKey:
    try:
        key: object = load_pem_private_key(_unfolded(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise StartupRefused("token private key: not readable; expected an Ed25519 private key in PEM")
    return key


def _public_key(pem: str) -> Ed25519PublicKey:
    try:
        key: object = load_pem_public_key(_unfolded(pem))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise StartupRefused("token public key: not readable; expected an Ed25519 public key in PEM")
    return key
