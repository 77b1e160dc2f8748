"""Owns how a webhook travels: the signature over the raw body, one HTTP POST, and what counts as received."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from services.sandbox.adapters.keep_alive import KeepAlivePoster, NotDeliveredError
from services.sandbox.domain.faults import Imitation
from shared.kernel.clock import Clock
from shared.runtime.logs import logger

RECEIVED: Final = range(200, 300)
FORGERS_SECRET: Final = "whsec_Zm9yZ2Vycw=="  # noqa: S105 - nobody's: it is the wrong one
STALE_AGE: Final = timedelta(minutes=10)
"""Twice what receivers are told to tolerate."""
NO_AGE: Final = timedelta(0)
_log = logger(__name__)


def signature(secret: str, body: bytes, unix_time: int) -> str:
    """Return the value of ``Alpha-Signature`` for a body sent at ``unix_time``."""
    digest = hmac.new(secret.encode(), b"%d." % unix_time + body, hashlib.sha256).hexdigest()
    return f"t={unix_time},v1={digest}"


def sign_alpha(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    """Return alpha's signature header for a body sent now."""
    return {"Alpha-Signature": signature(secret, body, int(at.timestamp()))}


def sign_beta(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    """Return beta's header: base64 of HMAC-SHA-512 over the body, a bar and the time in milliseconds."""
    sent_ms = int(at.timestamp() * 1000)
    mac = hmac.digest(secret.encode(), body + b"|%d" % sent_ms, "sha512")
    return {"X-Beta-Seal": f"at={sent_ms}; mac={base64.b64encode(mac).decode()}"}


Sign = Callable[[str, bytes, datetime], dict[str, str]]


class HttpWebhooks:
    """Posts webhooks over kept-open connections; any failure to get a 2xx means "send it again"."""

    def __init__(self, url: str, secret: str, clock: Clock, sign: Sign = sign_alpha) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._sign = sign
        self._poster: KeepAlivePoster | None = None

    async def post(self, body: bytes) -> bool:
        """Sign for this very attempt and post; true only on 2xx."""
        return await self._post_signed(self._secret, body)

    async def imitate(self, body: bytes, how: Imitation) -> bool:
        """Post it signed with a secret that is not ours, as it was signed long ago, or without a signature."""
        if how is Imitation.FORGED:
            return await self._post_signed(FORGERS_SECRET, body)
        if how is Imitation.STALE:
            return await self._post_signed(self._secret, body, age=STALE_AGE)
        return await self._post(body, {})

    async def _post_signed(self, secret: str, body: bytes, *, age: timedelta = NO_AGE) -> bool:
        return await self._post(body, self._sign(secret, body, self._clock.now() - age))

    async def _post(self, body: bytes, signed: dict[str, str]) -> bool:
        if self._poster is None:  # Made in the event loop that uses it.
            self._poster = KeepAlivePoster(self._url)
        headers = {"Content-Type": "application/json"} | signed
        try:
            status = await self._poster.post(body, headers)
        except NotDeliveredError as error:
            _log.info("webhook_not_delivered", error=str(error))
            return False
        if status not in RECEIVED:
            _log.info("webhook_refused", status=status)
        return status in RECEIVED

    def close(self) -> None:
        """Close the connections, in the loop that opened them."""
        if self._poster is not None:
            self._poster.close()
            self._poster = None
