"""Asking the processor for something: a new operation, and the command that carries it out."""

from services.payment.domain.changes import Moment
from services.payment.domain.commands import (
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    ProcessorCommand,
)
from services.payment.domain.events import OperationRequested
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.risk_states import REFUSED, RiskState
from services.payment.domain.routing import Place
from services.payment.domain.status import CaptureMethod
from shared.kernel.errors import InvariantViolation


def new_operation(
    payment: Payment,
    kind: OperationType,
    amount_minor: int,
    moment: Moment,
    *,
    payment_method: str | None = None,
    place: Place | None = None,
) -> Operation:
    """Remember and announce a request, at the payment's place or another; nothing is asked of the processor yet."""
    place = place or Place(payment.processor, payment.account)
    operation = Operation(
        operation_id=moment.ids.new("op_"),
        number=payment.next_operation_number(),
        type=kind,
        state=OperationState.REQUESTED,
        amount_minor=amount_minor,
        processor=place.processor,
        account=place.account,
        created_at=moment.now,
        since=moment.now,
        capture=kind is OperationType.AUTHORIZE and payment.capture_method is CaptureMethod.AUTOMATIC,
        payment_method=payment_method,
    )
    if operation.takes_money and not payment.has_taken_money():
        operation.fee_fixed_minor = payment.price.fixed_minor
    if _asks_risk(payment, kind, moment):
        operation.wait_for_risk(payment.version + 1, moment.now + moment.risk.deadline)
    payment.add_operation(operation, moment)
    payment.announce(
        OperationRequested(
            operation_id=operation.operation_id,
            operation_type=operation.published_type,
            amount_minor=amount_minor or None,
            currency=payment.currency,
            payment_version=payment.version + 1,
            payment_method=_risked_method(payment, kind, payment_method),
            customer=payment.customer,
            decide_by_at=operation.risk_deadline_at,
        ),
        moment,
    )
    return operation


def _risked_method(payment: Payment, kind: OperationType, asked: str | None) -> str | None:
    """What the operation takes money from: a capture that is judged again is judged with its hold's payment method."""
    return payment.payment_method if kind is OperationType.CAPTURE else asked


def place_of(payment: Payment, object_id: str) -> Place:
    """Where an object is: whatever is done to it is done there, wherever later attempts of the payment went."""
    return next(
        (
            Place(thing.processor, thing.account)
            for thing in payment.objects.values()
            if thing.object_id == object_id
        ),
        Place(payment.processor, payment.account),
    )


def _asks_risk(payment: Payment, kind: OperationType, moment: Moment) -> bool:
    """Every authorize, and a capture so late that the last judgement is stale.

    What was refused lets nothing go: asked for again under another key, it is judged again.
    """
    if not moment.risk.required:
        return False
    if kind is not OperationType.CAPTURE:
        return kind is OperationType.AUTHORIZE
    judged = [operation.created_at for operation in payment.operations.values() if _let_go(operation)]
    return not judged or moment.now - max(judged) > moment.risk.recheck_after


def _let_go(operation: Operation) -> bool:
    """Whether later captures may rest on it for a while; what was refused or taken back says nothing for them."""
    if operation.type is OperationType.AUTHORIZE:
        return operation.risk not in REFUSED
    return operation.risk is RiskState.ALLOWED


def send_command(payment: Payment, operation: Operation, moment: Moment) -> None:
    """Ask the processor for what the operation stands for; what waits for risk is sent when it is allowed."""
    if operation.unsent:
        return
    payment.ask(_command(payment, operation), moment)


def _command(payment: Payment, operation: Operation) -> ProcessorCommand:
    if operation.type is OperationType.AUTHORIZE and operation.payment_method is not None:
        return AuthorizePayment(
            operation_id=operation.operation_id,
            processor=operation.processor,
            account=operation.account,
            amount_minor=operation.amount_minor,
            currency=payment.currency,
            payment_method=operation.payment_method,
            capture=operation.capture,
            merchant_id=payment.merchant_id,
        )
    if operation.type is OperationType.CAPTURE and payment.authorization_id is not None:
        return CapturePayment(
            operation_id=operation.operation_id,
            processor=operation.processor,
            account=operation.account,
            authorization_id=payment.authorization_id,
            amount_minor=operation.amount_minor,
            currency=payment.currency,
            final=operation.final,
        )
    if operation.type is OperationType.CANCEL and payment.authorization_id is not None:
        return CancelPayment(
            operation_id=operation.operation_id,
            processor=operation.processor,
            account=operation.account,
            authorization_id=payment.authorization_id,
        )
    raise InvariantViolation("command_has_its_object", f"{operation.type} {operation.operation_id}")
