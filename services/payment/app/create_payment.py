"""Create a payment, and with a payment method ask for its first attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.payment.app.find_payment import merchants_moment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.payment import Payment
from services.payment.domain.requests import Wish, create
from services.payment.domain.routing import Place, Places
from services.payment.domain.status import CaptureMethod
from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePayment:
    """A merchant's wish, validated at the edge."""

    merchant_id: str
    mode: str
    amount_minor: int
    currency: str
    capture_method: CaptureMethod
    processor: str
    account: str
    request_id: str
    payment_method: str | None = None
    customer: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int = 3
    payment_id: str | None = None
    #: Our account at each processor that a rule may name; ``processor`` is for payments without a rule.
    accounts: Mapping[str, str] = field(default_factory=dict)


def create_payment(command: CreatePayment, uow: PaymentUnit) -> Payment:
    """Create it; price and route are those that hold now. A reference in use is refused, naming its payment."""
    if command.reference is not None:
        holder = uow.payments.reference_holder(command.merchant_id, command.mode, command.reference)
        if holder is not None:
            raise Rejected(
                "reference_in_use",
                f"the reference belongs to payment {holder}",
                param="reference",
                extra={"payment": holder},
            )
    terms = uow.payments.terms(command.merchant_id, command.currency, uow.now)
    places = Places(default=Place(command.processor, command.account), accounts=command.accounts)
    place = places.place(terms.processor)
    wish = Wish(
        merchant_id=command.merchant_id,
        mode=command.mode,
        amount_minor=command.amount_minor,
        currency=command.currency,
        capture_method=command.capture_method,
        processor=place.processor,
        account=place.account,
        payment_method=command.payment_method,
        customer=command.customer,
        reference=command.reference,
        description=command.description,
        metadata=command.metadata,
        max_attempts=command.max_attempts,
        payment_id=command.payment_id,
        price=terms.price,
    )
    payment = create(wish, merchants_moment(uow, command.request_id))
    uow.payments.add(payment)
    return payment
