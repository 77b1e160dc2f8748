"""Cases live: an open one follows its cause, a closed one stays as it was, late evidence closes a review."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.payment.app.apply_fact import evidence_id_of
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, stuck_no_more, wake_waiting_facts
from services.payment.domain.case_reasons import describe
from services.payment.domain.cases import EVIDENCE, OF_REVIEW, OF_STATE, CaseBook, Step
from services.payment.domain.deciding import give_up
from services.payment.domain.events import CaseClosed, CaseOpened
from services.payment.domain.operations import OperationState
from services.payment.domain.reviewing import review
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.cases_world import CAUSE, World
from services.payment.tests.world import (
    authorized,
    captured,
    disputed,
    first_operation,
    money_row,
    refunded,
)

# -- an open case follows its cause


def test_what_the_payment_says_now_is_followed_up_and_down() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment), refunded(payment, "succeeded", 1, amount_minor=9_000))
    world.tell(refunded(payment, "succeeded", 1, object_id="ref_2", amount_minor=4_000))
    case = world.of("refunds_exceed_captured")
    assert case.exposure_minor == 3_000
    world.tell(refunded(payment, "succeeded", 1, object_id="ref_3", amount_minor=1_000))
    assert case.exposure_minor == 4_000
    world.tell(refunded(payment, "failed", 2, amount_minor=9_000))
    assert (case.exposure_minor, case.open) == (0, True), "a person closes it"
    assert world.steps(case) == [("opened", 3_000), ("changed", 4_000), ("changed", 0)]
    assert (
        len([e for _, e in world.unit.events if isinstance(e, CaseOpened) and e.case_id == case.case_id]) == 1
    )


def test_words_that_differ_are_a_step_of_the_case_and_words_told_again_are_none() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    first = captured(world.payment)
    odd = replace(first, amount_minor=12_000, digest="b" * 64)
    odder = replace(first, amount_minor=13_000, digest="c" * 64)
    world.tell(authorized(world.payment), first, odd, odd, odder, odd)
    case = world.of("contradicting_evidence")
    assert world.steps(case) == [("opened", 10_000), ("changed", 10_000)]
    words = [step.words for step in world.unit.case_steps]
    assert words == ["succeeded 12000 EUR", "succeeded 13000 EUR"]


@pytest.mark.parametrize(
    ("reason", "said", "at_risk"),
    [
        ("status_unknown", (300, "EUR"), (300, "EUR")),
        ("status_unknown", (40, "EUR"), (100, "EUR")),
        ("status_unknown", (40, "USD"), (40, "USD")),
        ("amount_changed", (40, "EUR"), (40, "EUR")),
        ("amount_changed", (300, "EUR"), (300, "EUR")),
    ],
)
def test_an_open_case_takes_the_money_of_its_cause(
    reason: str, said: tuple[int, str], at_risk: tuple[int, str]
) -> None:
    assert (reason in OF_STATE) == (reason == "amount_changed")
    book, moment = CaseBook(), World().moment(Source.WEBHOOK)
    case = book.tell(replace(CAUSE, reason=reason), moment)
    assert case is not None
    assert book.tell(replace(CAUSE, reason=reason, exposure_minor=said[0], currency=said[1]), moment) is None
    assert (case.exposure_minor, case.currency) == at_risk
    assert [step.step for step in book.steps] == [Step.OPENED, Step.CHANGED]


def test_a_person_reads_the_money_the_last_word_and_what_it_follows() -> None:
    row = {
        "reason": "status_unknown", "exposure_minor": 300, "currency": "EUR", "told": ["100 EUR odd", "300 EUR odd"],
        "follows_case_id": "case_1", "followed_closed_by": "ann", "followed_closed_reason": "ticket 12",
    }  # fmt: skip
    text = describe(row)
    assert "At risk: 300 EUR" in text
    assert "first as 100 EUR odd, last as 300 EUR odd" in text
    assert "case case_1, which ann closed: ticket 12" in text


# -- a closed one stays as it was


@pytest.mark.parametrize("by", ["ann", EVIDENCE])
def test_what_a_closed_case_knew_opens_nothing_and_what_it_did_not_know_opens_another(by: str) -> None:
    book, moment = CaseBook(), World().moment(Source.WEBHOOK)
    old = book.tell(CAUSE, moment)
    assert old is not None
    book.answer(old, moment, by=by, why="known to the bank")
    before = replace(old)
    assert book.tell(CAUSE, moment) is None
    new = book.tell(replace(CAUSE, words="odder"), moment)
    assert new is not None
    assert (new.open, new.follows_case_id, new.told) == (True, old.case_id, ["100 EUR odder"])
    assert old == before
    assert [step.step for step in book.steps] == [Step.OPENED, Step.CLOSED, Step.OPENED]


def test_what_any_closed_case_of_the_cause_knew_opens_nothing() -> None:
    book, moment = CaseBook(), World().moment(Source.WEBHOOK)
    for words in ("odd", "odder"):
        case = book.tell(replace(CAUSE, words=words), moment)
        assert case is not None
        book.answer(case, moment, by="ann", why="known to the bank")
    assert book.tell(replace(CAUSE, words="odd"), moment) is None


@pytest.mark.parametrize(("exposure_minor", "opens"), [(50, False), (100, False), (101, True)])
def test_somebody_who_looked_at_so_much_is_asked_again_only_for_more(
    exposure_minor: int, opens: bool
) -> None:
    book, moment = CaseBook(), World().moment(Source.WEBHOOK)
    cause = replace(CAUSE, reason="amount_changed")
    old = book.tell(cause, moment)
    assert old is not None
    book.answer(old, moment, by="ann", why="looked at it")
    assert (book.tell(replace(cause, exposure_minor=exposure_minor), moment) is not None) is opens


@pytest.mark.parametrize(
    ("since", "now", "opens"),
    [(0, 100, True), (0, 1, True), (60, 100, True), (60, 60, False), (60, 20, False)],
)
def test_what_had_gone_and_arises_anew_is_asked_again_however_much_was_looked_at(
    since: int, now: int, opens: bool
) -> None:
    book, moment = CaseBook(), World().moment(Source.WEBHOOK)
    cause = replace(CAUSE, reason="amount_changed")
    old = book.tell(cause, moment)
    assert old is not None
    book.answer(old, moment, by="ann", why="looked at it")
    assert book.tell(replace(cause, exposure_minor=since), moment) is None
    assert (old.exposure_minor, old.told) == (100, ["100 EUR odd"]), "closed as it was closed"
    new = book.tell(replace(cause, exposure_minor=now), moment)
    assert (new is not None) is opens
    assert new is None or (new.follows_case_id, new.exposure_minor) == (old.case_id, now)


def test_an_exposure_that_arises_anew_opens_a_case_that_names_the_one_that_was_closed() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment), refunded(payment, "succeeded", 1, amount_minor=9_000))
    world.tell(refunded(payment, "succeeded", 1, object_id="ref_2", amount_minor=4_000))
    old = world.of("refunds_exceed_captured")
    payment.answer_cases([old], world.moment(), why="known to the bank", by="ann")
    world.tell(refunded(payment, "failed", 2, object_id="ref_2", amount_minor=4_000))
    assert "refunds_exceed_captured" not in world.open()
    world.tell(refunded(payment, "succeeded", 1, object_id="ref_3", amount_minor=4_000))
    (new,) = [case for case in payment.cases if case.reason == old.reason and case.open]
    assert (new.exposure_minor, new.follows_case_id) == (3_000, old.case_id)


def test_an_amount_that_changes_back_and_again_is_asked_again() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    world.tell(authorized(payment), captured(payment))
    said = [
        refunded(payment, "succeeded", v, amount_minor=a) for v, a in enumerate((4_000, 4_100, 4_000, 4_100))
    ]
    world.tell(*said[:2])
    payment.answer_cases([world.of("amount_changed")], world.moment(), why="a typing error there", by="ann")
    world.tell(said[2])
    assert "amount_changed" not in world.open()
    world.tell(said[3])
    assert "amount_changed" in world.open()


# -- who hears that nobody has to look any more


@pytest.mark.parametrize(
    ("how", "resolution"),
    [
        ({"by": EVIDENCE}, "evidence"),
        ({"by": "ann", "decision_id": "dec_1"}, "decision"),
        ({"by": "ann"}, "operator"),
    ],
)
def test_closing_a_case_is_announced_once_with_what_closed_it(how: dict[str, str], resolution: str) -> None:
    world = World()
    case = world.exhausted(world.capture())
    for _ in range(2):
        world.payment.answer_cases([case], world.moment(), why="ticket 12", **how)
        world.unit.commit()
    told_of = [event for _, event in world.unit.events if isinstance(event, CaseClosed)]
    assert told_of == [
        CaseClosed(
            case_id=case.case_id,
            reason="ladder_exhausted",
            operation_id=case.operation_id,
            resolution=resolution,
            exposure_minor=10_000,
            currency="EUR",
        )
    ]


# -- late evidence closes what was before a person


@pytest.mark.parametrize("status", ["succeeded", "failed"])
@pytest.mark.parametrize("reason", sorted(OF_REVIEW))
def test_late_evidence_closes_the_case_of_a_review_and_is_named(reason: str, status: str) -> None:
    world = World()
    operation = world.capture()
    review(world.payment, operation, reason, world.moment(Source.POLL))
    world.unit.commit()
    late = captured(world.payment, operation.operation_id, status=status)
    world.tell(late)
    case = world.of(reason)
    assert not operation.undecided
    assert (case.open, case.closed_by, case.closed_evidence_id) == (
        False, EVIDENCE, evidence_id_of(late, Source.WEBHOOK),
    )  # fmt: skip
    assert world.open() == set()
    assert [step for step, _ in world.steps(case)] == ["opened", "closed"]


def test_it_leaves_open_what_was_found_astray_under_the_operation() -> None:
    world = World()
    operation = world.capture()
    odd = captured(world.payment, operation.operation_id, object_id="cap_9", amount_minor=9_000)
    world.tell(odd)
    assert world.open() == {"echo_mismatch", "stray_found"}
    world.tell(captured(world.payment, operation.operation_id))
    assert operation.state is OperationState.SUCCEEDED
    assert world.open() == {"stray_found"}


def test_what_a_person_decides_is_closed_in_their_name() -> None:
    world = World()
    operation = world.capture()
    case = world.exhausted(operation)
    world.decide(operation, OperationState.DECLINED)
    assert (case.closed_by, case.closed_reason, case.closed_evidence_id) == ("ann", "ticket 12", None)


def test_a_fact_that_fits_after_all_closes_its_case() -> None:
    world = World(CaptureMethod.AUTOMATIC)
    payment = world.payment
    give_up(payment, payment.operations[first_operation(payment)], OperationState.DECLINED, world.moment())
    world.unit.commit()
    world.tell(refunded(payment, "succeeded", 1))
    world.unit.now = world.unit.now.replace(year=world.unit.now.year + 1)
    wake_waiting_facts(WakeWaitingFacts(), world.unit)
    world.unit.commit()
    assert world.open() == {"fact_stuck"}
    world.tell(captured(payment))
    world.unit.now = world.unit.now.replace(year=world.unit.now.year + 1)
    wake_waiting_facts(WakeWaitingFacts(), world.unit)
    world.unit.commit()
    assert "fact_stuck" not in world.open()
    assert world.of("fact_stuck").closed_by == EVIDENCE


def test_one_case_is_told_every_stuck_fact_of_its_object_and_closes_once_all_fit() -> None:
    world = World(CaptureMethod.MANUAL)
    payment = world.payment
    world.tell(disputed(payment, "opened", 1, parent_id="cap_9"))
    world.tell(money_row(payment, "dispute", "opened", 6_000, "row_1", parent_id="cap_9"))
    world.unit.now = world.unit.now.replace(year=world.unit.now.year + 1)
    wake_waiting_facts(WakeWaitingFacts(), world.unit)
    world.unit.commit()
    case = world.of("fact_stuck")
    assert len(case.told) == 2
    rest = world.unit.waiting.rows
    (dispute_id,) = (waiting_id for waiting_id in rest if rest[waiting_id].fact.money_row_id is None)
    dispute = rest[dispute_id]
    assert stuck_no_more(payment, dispute, world.unit) == [], "the row of its money is stuck still"
    row_id = next(waiting_id for waiting_id in rest if waiting_id != dispute_id)
    del rest[row_id]
    assert stuck_no_more(payment, dispute, world.unit) == [case]
