"""The API keys of one world beside those that always hold: made at its start, revoked while they are in use.

A merchant's clients use the key until they are told that it opens nothing, and at times once more after that.
"""

import random

from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.domain.api_keys import ApiKey, Mode, make_api_key
from shared.kernel.ids import UlidIds
from shared.persistence.unit_of_work import Transactions
from shared.testing.virtual_clock import VirtualClock
from tests.simulation.storage import PEPPER, Storage

KEY_ID = "key_{0:026}"
_FIRST = 1_000
"""Keys with lower numbers are those that every world has."""


class EndingKeys:
    """The keys that end: one for each merchant, where the world revokes one at all."""

    def __init__(self, storage: Storage, clock: VirtualClock, chance: random.Random) -> None:
        self._storage, self._clock, self._chance = storage, clock, chance
        self._keys: dict[str, tuple[str, ApiKey]] = {}
        self._revoked: set[str] = set()
        self.used_after: list[tuple[str, int]] = []
        """Which requests came with a key that was revoked before they were sent, and their statuses."""
        self.refused_before: list[str] = []
        """Requests that were refused with a key that held all the time."""

    def issue(self) -> None:
        """Give each merchant one more key."""

        def take_in(uow: PaymentUnitOfWork) -> None:
            for merchant_id, (key_id, key) in self._keys.items():
                uow.merchants.add_key(merchant_id, key_id, Mode.TEST, key)

        for number, merchant in enumerate(self._storage.merchants, _FIRST):
            key = make_api_key(Mode.TEST, self._chance.randbytes(20), PEPPER)
            self._keys[merchant.merchant_id] = KEY_ID.format(number), key
        self._in_payment(take_in)

    def revoke(self, merchant_id: str) -> None:
        """End one, as the command line does it but for the operator's act, which this world does not look at."""
        key_id, key = self._keys[merchant_id]
        self._in_payment(lambda uow: uow.merchants.revoke_key(key_id, uow.now))
        self._revoked.add(key.secret)

    def token_of(self, owner_id: str, usual: str) -> str:
        """Which key a caller shows now."""
        found = self._keys.get(owner_id)
        if found is None:
            return usual
        secret = found[1].secret
        likely = 0.3 if secret in self._revoked else 0.8
        return secret if self._chance.random() < likely else usual

    def is_revoked(self, token: str) -> bool:
        """Whether the key has ended by now."""
        return token in self._revoked

    def heard(self, token: str, status: int, what: str, *, revoked_before: bool) -> None:
        """Keep what the auditor wants to know of an answer."""
        if revoked_before:
            self.used_after.append((what, status))
        elif status == 401 and not self.is_revoked(token):
            self.refused_before.append(what)

    def _in_payment(self, work: object) -> None:
        engine = self._storage.engine(self._storage.urls["payment"].app, application_name="keys", pool_size=1)
        transactions = Transactions(
            engine,
            PaymentUnitOfWork,
            source="/tieout/simulation",
            clock=self._clock,
            ids=UlidIds(self._clock),
        )
        transactions.run(work, name="keys")
