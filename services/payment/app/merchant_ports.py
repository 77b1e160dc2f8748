"""What the use cases about merchants, their keys and prices need from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.payment.domain.api_keys import ApiKey, Mode
from services.payment.domain.pricing import Price
from shared.kernel.ids import Ids
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key as people see it: never the key itself."""

    key_id: str
    mode: str
    prefix: str
    last4: str
    created_at: datetime
    revoked_at: datetime | None


class Merchants(Protocol):
    """Merchants with their keys and prices."""

    def add(self, merchant_id: str, name: str) -> None:
        """Take in a merchant."""
        ...

    def exists(self, merchant_id: str) -> bool:
        """Whether we know the merchant."""
        ...

    def add_key(self, merchant_id: str, key_id: str, mode: Mode, key: ApiKey) -> None:
        """Keep a key's digest."""
        ...

    def keys(self, merchant_id: str) -> Sequence[KeyView]:
        """The merchant's keys, oldest first, the revoked ones too."""
        ...

    def revoke_key(self, key_id: str, now: datetime) -> bool:
        """End a key from the next request on; False if there is no such key. Ending it twice changes nothing."""
        ...

    def add_prices(self, merchant_id: str, currencies: Sequence[str], price: Price, now: datetime) -> None:
        """Let a price hold from now on."""
        ...


class MerchantUnit(Protocol):
    """What one transaction offers these use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def merchants(self) -> Merchants: ...

    def acted(self, actor: Actor, action: str, target: str, reason: str) -> None:
        """Announce it as OperatorActed, in this transaction."""
        ...
