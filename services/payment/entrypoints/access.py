"""Who calls: an API key as bearer token or as the user of basic authentication, and one 401 for all else."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

import sqlalchemy as sa
from fastapi import Request

from services.payment.adapters.merchants import KeyDirectory
from shared.persistence.idempotency import Principal
from shared.runtime.http import log_fields
from shared.runtime.operator_tokens import unauthorized
from shared.runtime.request_threads import RequestThreads

#: Far above any key of ours; what is longer is not looked at.
CREDENTIAL_CHARS_MAX: Final = 512
KEY_PREFIX: Final = "sk_"


def api_key(request: Request) -> str:
    """The API key that the request carries, or the one 401."""
    found = request.headers.getlist("authorization")
    if len(found) != 1 or len(found[0]) > CREDENTIAL_CHARS_MAX:
        raise unauthorized()
    scheme, _, credential = found[0].partition(" ")
    credential = credential.strip()
    if scheme.lower() == "basic":
        credential = _user(credential)
    elif scheme.lower() != "bearer":
        raise unauthorized()
    if not credential.startswith(KEY_PREFIX) or not credential.isascii():
        raise unauthorized()
    return credential


def _user(credential: str) -> str:
    """The user of basic authentication; the password is ignored, as other payment APIs do."""
    try:
        decoded = b64decode(credential, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise unauthorized() from None
    return decoded.partition(":")[0]


class Caller:
    """Who sent one request: asked for in a request thread, in the transaction of a request that has one."""

    __slots__ = ("_digest", "_keys", "_principal", "_request")

    def __init__(self, keys: KeyDirectory, request: Request) -> None:
        self._keys = keys
        self._request = request
        self._digest = keys.digest(api_key(request))
        self._principal: Principal | None = None

    def __call__(self, connection: sa.Connection | None = None) -> Principal:
        """The merchant and mode as the keys stand now, or the one 401."""
        self._principal = self._keys.principal(self._digest, connection)
        principal = self.principal
        log_fields(self._request, merchant_id=principal.owner_id, mode=principal.mode)
        return principal

    @property
    def is_known(self) -> bool:
        """Whether the key was good a moment ago: a stranger's is not, and must not cost anybody else anything."""
        return self._keys.is_known(self._digest)

    @property
    def principal(self) -> Principal:
        """Who it was found to be."""
        if self._principal is None:
            raise unauthorized()
        return self._principal


class Access:
    """Turns a request into the merchant behind it."""

    def __init__(self, keys: KeyDirectory, threads: RequestThreads) -> None:
        self._keys = keys
        self._threads = threads

    def caller(self, request: Request) -> Caller:
        """The merchant still to be asked for; a request without a key of our form is refused at once."""
        return Caller(self._keys, request)

    async def merchant(self, request: Request) -> Principal:
        """The merchant and mode, or the one 401."""
        return await self._threads.run(self.caller(request))
