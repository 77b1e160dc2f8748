"""Commands as payment sends them, and an authorization on its way through doubt."""

from datetime import UTC, datetime

from schemas.generated import AuthorizePaymentV1, CancelPaymentV1, WithdrawOperationV1
from services.processor.domain.fact import Fact
from services.processor.domain.outcome import Answer, Found, LookUp, Result
from shared.kernel.ids import UlidIds
from shared.messaging.envelope import Event

IDS = UlidIds()


def event(data):
    name = type(data).__name__.removesuffix("V1")
    return Event(
        event_id=IDS.new("evt_"), event_type=name, version=1, topic="processor.commands", key=data.payment_id,
        stream_version=1, time=datetime(2026, 1, 1, tzinfo=UTC), source="/tieout/payment", subject=None,
        cause_id="cause", data_schema="s", traceparent=None, data=data, payload_sha256=b"",
    )  # fmt: skip


def authorize(**changes):
    values = {
        "payment_id": IDS.new("pay_"), "operation_id": IDS.new("op_"), "processor": "alpha", "account": "acct_alpha",
        "amount_minor": 100, "currency": "EUR", "payment_method": "pm_card_visa", "capture": False,
        "merchant_id": IDS.new("mer_"),
    }  # fmt: skip
    return AuthorizePaymentV1(**values | changes)


def cancel(payment_id):
    return CancelPaymentV1(
        payment_id=payment_id, operation_id=IDS.new("op_"), processor="alpha", account="acct_alpha",
        authorization_id="auth_1",
    )  # fmt: skip


def held_fact(command):
    return Fact(
        processor="alpha", account="acct_alpha", object_type="authorization", object_id="auth_1", status="authorized",
        object_version=1, reference=command.operation_id, payment_id=command.payment_id, parent_type=None,
        parent_id=None, amount_minor=command.amount_minor, currency="EUR", decline_code=None, capture_before=None,
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def opened(service, count=1):
    commands = [authorize() for _ in range(count)]
    service.deliver(*(event(command) for command in commands))
    return commands


def withdrawal(command):
    return event(
        WithdrawOperationV1(
            payment_id=command.payment_id, operation_id=command.operation_id, reason="merchant"
        )
    )


def row(service, command, *names):
    return service.query(
        f"SELECT {', '.join(names)} FROM attempts WHERE operation_id = %s", command.operation_id
    )[0]


def due_again(service):
    """An authorization that was not found twice and is due to be sent again."""
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    for _ in range(2):
        service.clock.advance(6)
        (held,) = service.claim()
        service.record((held, LookUp(found=Found.NOT_FOUND)))
    assert row(service, command, "phase", "doubtful") == ("due", True)
    return command
