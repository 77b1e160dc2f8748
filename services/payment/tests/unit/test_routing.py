"""Where authorizations go: by the rule that holds when they are asked for; what follows stays where they went."""

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain import routing
from services.payment.domain.changes import Moment
from services.payment.domain.commands import AuthorizePayment
from services.payment.domain.events import HoldReleased
from services.payment.domain.operations import OperationState, OperationType
from services.payment.domain.resolving_strays import accept
from services.payment.domain.routing import Abilities, Place, Places
from services.payment.domain.status import CaptureMethod, Source, Status
from services.payment.domain.strays import StrayKind
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import ACCOUNT, MERCHANT, authorized, captured, told, wish
from shared.kernel.errors import Rejected

ACCOUNTS = {"alpha": ACCOUNT, "beta": "acct_beta"}
PLACES = Places(default=Place("alpha", ACCOUNT), accounts=ACCOUNTS)
WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "req_2"}


def test_a_rule_sends_the_authorization_elsewhere_and_the_operation_keeps_the_place():
    unit = MemoryUnit()
    unit.payments.route = "beta"
    payment = create_payment(wish(accounts=ACCOUNTS), unit)
    unit.commit()
    (command,) = unit.commands
    assert isinstance(command, AuthorizePayment)
    assert (command.processor, command.account) == ("beta", "acct_beta")
    unit.payments.route = None
    operation = payment.latest_operation
    assert operation is not None
    assert (operation.processor, operation.account) == ("beta", "acct_beta")


def test_without_a_rule_it_goes_to_the_default():
    payment = create_payment(wish(accounts=ACCOUNTS), MemoryUnit())
    assert (payment.processor, payment.account) == ("alpha", ACCOUNT)


def test_a_rule_that_cannot_be_followed_refuses_and_never_picks_another():
    unit = MemoryUnit()
    unit.payments.route = "gamma"
    with pytest.raises(Rejected) as refused:
        create_payment(wish(accounts=ACCOUNTS), unit)
    assert (refused.value.code, refused.value.status, refused.value.stored) == ("route_unusable", 503, False)


def test_the_next_attempt_goes_where_the_rules_say_then():
    unit = MemoryUnit()
    payment = create_payment(wish(accounts=ACCOUNTS, payment_method=None), unit)
    assert payment.processor == "alpha"
    unit.payments.route = "beta"
    confirm_payment(
        ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_2", places=PLACES), unit
    )
    operation = payment.latest_operation
    assert operation is not None
    assert (payment.processor, operation.processor, operation.account) == ("beta", "beta", "acct_beta")


@pytest.fixture
def holding():
    """A payment with a hold at a processor."""

    def hold(processor: str):
        unit = MemoryUnit()
        unit.payments.route = processor
        payment = create_payment(wish(accounts=ACCOUNTS, capture_method=CaptureMethod.MANUAL), unit)
        unit.commit()
        apply_fact(told(authorized(payment, processor=processor, account=ACCOUNTS[processor])), unit)
        unit.commit()
        assert payment.status is Status.AUTHORIZED
        # The next authorization would go elsewhere; what is done to this hold is not.
        payment.processor, payment.account = "elsewhere", "acct_elsewhere"
        return payment, unit

    return hold


@pytest.mark.parametrize(("processor", "final"), [("alpha", False), ("beta", True)])
def test_a_part_is_the_last_capture_where_there_is_only_one(processor, final, holding):
    payment, unit = holding(processor)
    capture_payment(CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=1), unit)
    operation = payment.latest_operation
    assert (operation.processor, operation.final) == (processor, final)


def test_several_captures_are_refused_where_there_is_only_one(holding):
    payment, unit = holding("beta")
    with pytest.raises(Rejected) as refused:
        capture_payment(
            CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=1, final=False), unit
        )
    assert (refused.value.code, refused.value.param) == ("several_captures_unsupported", "final")


@pytest.mark.parametrize("known", [True, False])
def test_a_part_is_refused_where_only_the_whole_hold_is_captured_and_where_nobody_knows(
    known, holding, monkeypatch
):
    payment, unit = holding("beta")
    whole = Abilities(partial_captures=False, several_captures=False)
    monkeypatch.setattr(routing, "ABILITIES", {"beta": whole} if known else {})
    with pytest.raises(Rejected) as refused:
        capture_payment(CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=9_999), unit)
    assert (refused.value.code, refused.value.param) == ("partial_capture_unsupported", "amount")
    assert refused.value.extra == {"capturable": 10_000}
    assert payment.latest_operation.type is OperationType.AUTHORIZE
    capture_payment(CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=10_000), unit)
    assert (payment.latest_operation.type, payment.latest_operation.final) == (OperationType.CAPTURE, True)


def test_a_cancel_follows_its_hold(holding):
    payment, unit = holding("beta")
    cancel_payment(CancelPayment(**WHO, payment_id=payment.payment_id), unit)
    operation = payment.latest_operation
    assert (operation.processor, operation.account) == ("beta", "acct_beta")


@pytest.mark.parametrize(("processor", "capturable_minor"), [("alpha", 6_000), ("beta", 0)])
def test_what_nobody_asked_for_is_the_last_capture_too_where_there_is_only_one(
    processor, capturable_minor, holding
):
    payment, unit = holding(processor)
    at = {"processor": processor, "account": ACCOUNTS[processor], "reference": None}
    apply_fact(told(captured(payment, amount_minor=4_000, **at)), unit)
    unit.commit()
    assert payment.amounts.captured_minor == 4_000
    assert payment.amounts.capturable_minor == capturable_minor
    released = [e.amount_minor for _, e in unit.events if isinstance(e, HoldReleased)]
    assert sum(released) == 6_000 - capturable_minor


def test_a_capture_of_another_hold_leaves_the_payments_own_hold_and_is_not_accepted_beside_it(holding):
    payment, unit = holding("beta")
    at = {"processor": "beta", "account": "acct_beta", "reference": None}
    apply_fact(told(captured(payment, amount_minor=4_000, parent_id="auth_9", **at)), unit)
    unit.commit()
    (stray,) = payment.strays.values()
    moment = Moment(now=unit.now, cause_id="dec_1", ids=unit.ids, source=Source.OPERATOR)
    with pytest.raises(Rejected, match="10000 are still held"):
        accept(payment, stray, moment)
    assert (payment.amounts.captured_minor, payment.amounts.capturable_minor) == (0, 10_000)
    assert not [event for _, event in unit.events if isinstance(event, HoldReleased)]


@pytest.mark.parametrize("order", ["hold first", "capture first"])
@pytest.mark.parametrize(("processor", "capturable_minor"), [("alpha", 10_000), ("beta", 0)])
def test_a_capture_that_goes_astray_is_the_last_one_too_where_there_is_only_one(
    processor, capturable_minor, order
):
    unit = MemoryUnit()
    unit.payments.route = processor
    payment = create_payment(wish(accounts=ACCOUNTS, capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    at = {"processor": processor, "account": ACCOUNTS[processor]}
    foreign = captured(payment, amount_minor=4_000, currency="JPY", reference=None, **at)
    facts = [authorized(payment, **at), foreign]
    for fact in facts if order == "hold first" else facts[::-1]:
        apply_fact(told(fact), unit)
        unit.commit()
    assert [stray.kind for stray in payment.strays.values()] == [StrayKind.MONEY]
    assert (payment.amounts.authorized_minor, payment.amounts.captured_minor) == (10_000, 0)
    assert payment.amounts.capturable_minor == capturable_minor
    released = [e.amount_minor for _, e in unit.events if isinstance(e, HoldReleased)]
    assert sum(released) == 10_000 - capturable_minor
    assert payment.status is (Status.CANCELED if processor == "beta" else Status.AUTHORIZED)


def test_while_the_capture_is_in_review_its_payment_does_not_end_with_the_hold(holding):
    payment, unit = holding("beta")
    capture_payment(CapturePayment(**WHO, payment_id=payment.payment_id), unit)
    unit.commit()
    asked = payment.latest_operation
    at = {"processor": "beta", "account": "acct_beta", "reference": asked.operation_id}
    apply_fact(told(captured(payment, amount_minor=4_000, **at)), unit)
    unit.commit()
    assert (asked.state, payment.status) == (OperationState.IN_REVIEW, Status.AUTHORIZED)
    assert payment.amounts.capturable_minor == 0
    (stray,) = payment.strays.values()
    accept(payment, stray, Moment(now=unit.now, cause_id="dec_1", ids=unit.ids, source=Source.OPERATOR))
    unit.commit()
    assert (payment.status, payment.amounts.captured_minor) == (Status.CAPTURED, 4_000)
    released = [e.amount_minor for _, e in unit.events if isinstance(e, HoldReleased)]
    assert released == [6_000]
