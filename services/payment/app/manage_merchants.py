"""Merchants, their API keys and their prices, as an operator manages them; each change is told as an operator's act."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.payment.app.merchant_ports import KeyView, MerchantUnit
from services.payment.domain.api_keys import Mode, make_api_key
from services.payment.domain.pricing import PPM, Price, RefundPolicy
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """Who changes something, and why."""

    actor: Actor
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key; the only time that anybody sees it."""

    key_id: str
    merchant_id: str
    mode: str
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPrices:
    """One price for several currencies; the fixed part is in the minor unit of each."""

    merchant_id: str
    currencies: Sequence[str]
    percent: str
    fixed_minor: int
    refund_policy: RefundPolicy
    dispute_fee_minor: int = 0


def add_merchant(name: str, by: ByHand, uow: MerchantUnit) -> str:
    """Take in a merchant and return its id."""
    if not name.strip():
        raise Rejected("name_missing", "a merchant has a name", status=422, param="name")
    merchant_id = uow.ids.new("mer_")
    uow.merchants.add(merchant_id, name.strip())
    uow.acted(by.actor, "add_merchant", merchant_id, by.reason)
    return merchant_id


def issue_key(
    merchant_id: str, mode: Mode, entropy: bytes, pepper: str, by: ByHand, uow: MerchantUnit
) -> IssuedKey:
    """Make a key. Only its digest is kept, and only its id is told: whoever loses it asks for another."""
    _require_merchant(merchant_id, uow)
    key = make_api_key(mode, entropy, pepper)
    key_id = uow.ids.new("key_")
    uow.merchants.add_key(merchant_id, key_id, mode, key)
    uow.acted(by.actor, f"issue_{mode.value}_key", key_id, by.reason)
    return IssuedKey(key_id=key_id, merchant_id=merchant_id, mode=mode.value, api_key=key.secret)


def list_keys(merchant_id: str, uow: MerchantUnit) -> Sequence[KeyView]:
    """List a merchant's keys."""
    _require_merchant(merchant_id, uow)
    return uow.merchants.keys(merchant_id)


def revoke_key(key_id: str, by: ByHand, uow: MerchantUnit) -> None:
    """End a key at once."""
    if not uow.merchants.revoke_key(key_id, uow.now):
        raise Rejected("key_not_found", f"there is no key {key_id}", status=404)
    uow.acted(by.actor, "revoke_key", key_id, by.reason)


def set_prices(command: SetPrices, by: ByHand, uow: MerchantUnit) -> Price:
    """Let a price hold for payments created from now on; older ones keep theirs."""
    _require_merchant(command.merchant_id, uow)
    if command.fixed_minor < 0:
        raise Rejected("fixed_negative", "the fixed part is zero or more", status=422, param="fixed_minor")
    if command.dispute_fee_minor < 0:
        raise Rejected(
            "fee_negative", "the fee of a dispute is zero or more", status=422, param="dispute_fee_minor"
        )
    price = Price(
        percent_ppm=ppm_of(command.percent),
        fixed_minor=command.fixed_minor,
        refund_policy=command.refund_policy,
        dispute_fee_minor=command.dispute_fee_minor,
    )
    uow.merchants.add_prices(command.merchant_id, command.currencies, price, uow.now)
    uow.acted(by.actor, "set_prices", command.merchant_id, by.reason)
    return price


def ppm_of(percent: str) -> int:
    """Read a percentage such as ``2.9`` exactly: four decimals of a percent are whole parts per million."""
    if not _PERCENT.fullmatch(percent):
        raise Rejected(
            "percent_invalid", "0 to 100 with up to four decimals, such as 2.9", status=422, param="percent"
        )
    ppm = int(Decimal(percent).scaleb(4))
    if ppm > PPM:
        raise Rejected("percent_invalid", "at most 100", status=422, param="percent")
    return ppm


def _require_merchant(merchant_id: str, uow: MerchantUnit) -> None:
    if not uow.merchants.exists(merchant_id):
        raise Rejected("merchant_not_found", f"there is no merchant {merchant_id}", status=404)
