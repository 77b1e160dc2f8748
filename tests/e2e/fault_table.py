"""Every fault of a processor that payments must survive: how a user of the sandbox asks for it, and what tries it here.

``docs/processor-faults.md`` is this table: ``python -m tests.e2e.fault_table`` writes it, and
``tests/architecture/test_fault_table.py`` holds it against the sandbox and the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "processor-faults.md"


@dataclass(frozen=True, slots=True)
class Tried:
    """A test of this folder, and the words in it, or in the module of its course, that ask for the fault."""

    test: str
    word: str
    course: str | None = None


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault; without a rule of the script (or a card) there is another way, which is said."""

    fault: str
    alpha: Tried
    beta: Tried
    cards: tuple[str, ...] = ()
    rule: Mapping[str, object] = field(default_factory=dict)
    otherwise: str = ""
    act: tuple[str, str] | None = None
    """What is done to an object unasked: the collection that it is in, in alpha's words, and the script's ``do``."""


def _both(
    fault: str, test: str, word: str, *, course: str | None = None, cards: tuple[str, ...] = (),
    otherwise: str = "", **rule: object,
) -> FaultRow:  # fmt: skip
    tried = Tried(test, word, course)
    return FaultRow(fault, tried, tried, cards, rule, otherwise)


_LOST = "test_doubt.py::test_a_lost_answer_is_charged_and_booked_once"
_BY_CARD = "test_courses_by_card.py::test_every_course_by_card_ends_as_the_processors_have_it"
_ODD = "test_odd_courses.py::test_every_odd_course_ends_as_the_processor_has_it"
_ASTRAY = "test_strays.py::test_a_mismatch_blocks_is_returned_once_and_leaves_both_books_at_zero"
_UNSIGNED = "test_bad_webhooks.py::test_every_broken_signature_is_one_and_the_same_refusal"
_UNSAID = (
    "test_stories_without_evidence.py::"
    "test_with_all_evidence_lost_there_is_a_case_and_no_second_capture_until_an_operator_decides"
)
_LATE_WORD = "test_stories.py::test_a_capture_in_doubt_is_settled_by_the_webhook_when_it_comes_at_last"
_BY_LINE = "test_evidence.py::test_a_payment_in_doubt_is_captured_and_settled_by_a_line_alone"
_PROXY = (
    "test_disturbed_calls.py::test_an_error_that_may_be_a_proxys_proves_nothing_and_the_capture_is_done_once"
)
_SLOW = "test_disturbed_calls.py::test_a_slow_answer_is_waited_for_and_counts"
_LOOKED = "test_disturbed_calls.py::test_a_look_up_that_is_disturbed_is_made_again_and_says_what_happened"
_READ = "test_disturbed_calls.py::test_a_feed_that_is_disturbed_is_read_again_and_says_what_happened"
_COURSES = "test_captures_and_refunds.py::test_every_course_of_a_hold_a_capture_and_a_refund_ends_as_the_processor_has_it"
_CLAIMS = "test_disputes.py::test_a_card_brings_its_dispute_or_reversal_to_its_own_end"
_ANSWERED = "test_disputes.py::test_a_dispute_is_answered_won_opened_again_and_lost_in_part"
_ACCEPTED = "test_disputes.py::test_an_inquiry_is_accepted_only_as_a_dispute_and_then_costs_the_whole"
_TAKEN_BACK = "test_disputes.py::test_reversals_are_taken_and_given_back"
_REPORTS = "test_settlement.py::test_reports_that_a_processor_damages_move_nothing_twice_and_nothing_wrongly"


def _act(fault: str, collection: str, do: str, test: str, *, course: str | None = None) -> FaultRow:
    """Something that is done by the script of acts; at beta the collection has another name."""
    tried = Tried(test, f'"{do}"', course)
    said = f"`POST .../script/{collection}/{{id}} {{do: {do}}}`"
    return FaultRow(fault, tried, tried, otherwise=said, act=(collection, do))


def _nothing_happened(fault: str, card: str, **rule: object) -> FaultRow:
    """A key leads to a second send; where there are none the attempt is given up."""
    sent_again = "test_doubt.py::test_where_nothing_happened_a_key_leads_to_a_second_send"
    given_up = "test_doubt.py::test_where_nothing_happened_and_there_are_no_keys_the_attempt_is_given_up"
    return FaultRow(fault, Tried(sent_again, card), Tried(given_up, card), (card,), rule)


def _reading(what: str, operation: str, test: str) -> tuple[FaultRow, ...]:
    """Everything that disturbs reading; at beta a look-up of a charge or credit reads the list, as its feed does."""
    return (
        _both(f"{what} without an answer", test, '"timeout_before"', operation=operation, reply="timeout_before"),
        _both(f"{what} that hangs", test, '"hang"', operation=operation, reply="hang"),
        _both(f"{what} refused by 500", test, '"500_before"', operation=operation, reply="500_before"),
        _both(f"{what} refused by 429", test, '"rate_limited"', operation=operation, reply="rate_limited"),
        _both(
            f"{what} refused by any error", test, '"status_before"', operation=operation, reply="status_before",
            status=503,
        ),
        _both(f"{what} cut off in the middle", test, '"malformed"', operation=operation, reply="malformed"),
        _both(f"{what} that is slow", test, '"slow"', operation=operation, delay_ms=700),
    )  # fmt: skip


ROWS: Final = (
    _nothing_happened("timeout before effect", "pm_fault_timeout_before", reply="timeout_before"),
    _nothing_happened("500 before effect", "pm_fault_500_before", reply="500_before"),
    _nothing_happened("no answer, ever", "pm_fault_hang", reply="hang"),
    _both(
        "timeout after effect", _LOST, "pm_fault_timeout_after",
        cards=("pm_fault_timeout_after",), reply="timeout_after",
    ),
    _both(
        "effect after the timeout", _LOST, "pm_fault_effect_late",
        cards=("pm_fault_effect_late",), reply="effect_late",
    ),
    _both(
        "429, not executed", _LOST, "pm_fault_rate_limited",
        cards=("pm_fault_rate_limited",), reply="rate_limited",
    ),
    _both(
        "429 after effect", _BY_CARD, "pm_fault_rate_limited_after_webhook_lost",
        course="courses_of_lies.py::sale_put_off",
        cards=("pm_fault_rate_limited_after_webhook_lost", "pm_fault_rate_limited_after"),
        reply="rate_limited_after", webhooks="lost",
    ),
    _both(
        "refused, and rightly so", _BY_CARD, "pm_fault_refused", course="courses_by_card.py::sale_refused",
        cards=("pm_fault_refused",), reply="refused",
    ),
    _both(
        "refused after effect", _BY_CARD, "pm_fault_refused_after_webhook_lost",
        course="courses_of_lies.py::sale_denied",
        cards=("pm_fault_refused_after_webhook_lost", "pm_fault_refused_after"),
        reply="refused_after", webhooks="lost",
    ),
    _both("reply cut off in the middle", _ODD, "pm_fault_malformed", cards=("pm_fault_malformed",), reply="malformed"),
    _both("any error before effect", _PROXY, "status_before", reply="status_before", status=503),
    _both("any error after effect", _PROXY, "status_after", reply="status_after", status=409),
    _both("slow reply", _SLOW, "delay_ms", delay_ms=700),
    _both("500 after effect", _LOST, "pm_fault_500_after", cards=("pm_fault_500_after",), reply="500_after"),
    _both(
        "duplicate effect attempt", _BY_CARD, "pm_fault_effect_twice", course="courses_by_card.py::sale_taken_twice",
        cards=("pm_fault_effect_twice",), effect="twice",
    ),
    _both(
        "late success after our cancel", _BY_CARD, "refused_after",
        course="courses_of_lies.py::sale_done_after_our_cancel",
        cards=("pm_fault_refused_after_webhook_lost", "pm_fault_effect_late"),
        reply="refused_after", webhooks="lost", feed="lost",
    ),
    _both(
        "decline after timeout", _ODD, "pm_fault_timeout_after_declined",
        course="test_odd_courses.py::card_that_was_declined_without_a_word",
        cards=("pm_fault_timeout_after_declined",),
        otherwise="a card that declines, and `reply: timeout_after`", reply="timeout_after",
    ),
    _both(
        "wrong amount echoed", _ASTRAY, "pm_fault_wrong_amount",
        cards=("pm_fault_wrong_amount",), reply="wrong_amount",
    ),
    _both(
        "wrong currency echoed", _ASTRAY, "pm_fault_wrong_currency",
        cards=("pm_fault_wrong_currency",), reply="wrong_currency",
    ),
    _both(
        "wrong reference echoed", _ASTRAY, "pm_fault_wrong_reference",
        cards=("pm_fault_wrong_reference",), reply="wrong_reference",
    ),
    _both("webhook before reply", _LOST, "pm_fault_webhook_first", cards=("pm_fault_webhook_first",), webhooks="first"),
    _both("webhook twice", _LOST, "pm_fault_webhook_twice", cards=("pm_fault_webhook_twice",), webhooks="twice"),
    _both(
        "webhook ten times", _BY_CARD, "pm_fault_webhook_many",
        course="courses_by_card.py::everything_told_ten_times", cards=("pm_fault_webhook_many",), copies=10,
    ),
    _both("webhook lost", _LOST, "pm_fault_webhook_lost", cards=("pm_fault_webhook_lost",), webhooks="lost"),
    _both("webhook late", _LOST, "pm_fault_webhook_late", cards=("pm_fault_webhook_late",), webhooks="late"),
    _both(
        "webhook reordered", _ODD, "pm_fault_webhook_reversed",
        cards=("pm_fault_webhook_reversed",), webhooks="reversed",
    ),
    _both(
        "webhook days late", _ODD, "pm_fault_webhook_days_late",
        cards=("pm_fault_webhook_days_late",), webhooks="late", webhook_delay_ms=3 * 86_400_000,
    ),
    _both(
        "webhook signed by somebody else", _ODD, "pm_fault_webhook_forged",
        cards=("pm_fault_webhook_forged",), webhooks="forged",
    ),
    _both(
        "webhook signed too long ago", _ODD, "pm_fault_webhook_stale",
        cards=("pm_fault_webhook_stale",), webhooks="stale",
    ),
    _both(
        "webhook unsigned", _BY_CARD, "pm_fault_webhook_unsigned",
        course="courses_of_strangers.py::told_without_a_signature",
        cards=("pm_fault_webhook_unsigned",), webhooks="unsigned",
    ),
    _both(
        "webhook signed in a broken spelling", _UNSIGNED, "no header",
        otherwise="by hand: the tests send it themselves, in every broken spelling of a signature",
    ),
    _both(
        "webhook for unknown payment", _BY_CARD, "pm_fault_webhook_nobodys",
        course="courses_of_strangers.py::told_about_nobodys_objects",
        cards=("pm_fault_webhook_nobodys",), webhooks="nobodys",
    ),
    _both(
        "webhook that cannot be read", _BY_CARD, "garbled",
        course="courses_of_strangers.py::told_what_nobody_can_read",
        cards=("pm_fault_webhook_garbled",), webhooks="garbled",
    ),
    _both(
        "key forgotten too soon", _BY_CARD, "pm_fault_key_forgotten",
        course="courses_of_strangers.py::charged_again_under_a_forgotten_key",
        cards=("pm_fault_key_forgotten",), otherwise="`key_life_s: 1`; beta has no keys and refuses the rule",
    ),
    _both(
        "hold that runs out unannounced", _BY_CARD, "pm_card_shortHold",
        course="courses_of_strangers.py::hold_past_its_time", cards=("pm_card_shortHold",),
        otherwise="`do: expire` lets it run out before its time",
    ),
    _both(
        "status endpoint stale", _ODD, "pm_fault_look_up_lies",
        cards=("pm_fault_look_up_lies",), reply="timeout_after", not_found_s=30,
    ),
    _both("feed that is late", _SLOW, 'feed="late"', feed="late", feed_delay_s=5),
    _both("feed that leaves out", _LATE_WORD, 'feed="lost"', feed="lost"),
    _both(
        "no evidence at all", _UNSAID, 'feed="garbled"', cards=("pm_no_evidence",),
        reply="timeout_after", not_found_s=86_400, webhooks="lost", feed="garbled",
    ),
    FaultRow(
        "no evidence within a key's life", Tried(_BY_LINE, "pm_fault_outlives_key"), Tried(_BY_LINE, "pm_no_evidence"),
        ("pm_fault_outlives_key",), otherwise="`not_found_s: 130`, with webhooks and feed; beta, without keys, never tells",
    ),
    *_reading("look-up", "look_up", _LOOKED),
    *_reading("feed", "feed", _READ),
    *(
        _both(f"card that {what}", _COURSES, card, cards=(card,))
        for card, what in (
            ("pm_card_chargeDeclined", "is declined"),
            ("pm_card_visa_chargeDeclined", "is declined, under its other name"),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", "has no funds"),
            ("pm_card_chargeDeclinedExpiredCard", "has expired"),
            ("pm_card_pendingAuthorization", "is authorized later"),
            ("pm_card_pendingAuthorizationDeclined", "is declined later"),
            ("pm_card_pendingCapture", "is captured later"),
            ("pm_card_captureFail", "is captured, and fails later"),
            ("pm_card_pendingRefund", "is refunded later"),
            ("pm_card_refundFail", "is refunded, and fails later"),
            ("pm_card_refundDeclined", "takes no refund"),
            ("pm_card_createReversal", "is reversed"),
            ("pm_card_createPartialReversal", "is reversed in part"),
        )
    ),
    *(
        _both(f"card that {what}", _CLAIMS, card, cards=(card,))
        for card, what in (
            ("pm_card_createDispute", "is disputed"),
            ("pm_card_createDisputeProductNotReceived", "is disputed for another reason"),
            ("pm_card_createDisputeInquiry", "is asked about"),
            ("pm_card_createMultipleDisputes", "is disputed twice"),
            ("pm_card_createDisputeWon", "is disputed, and won"),
            ("pm_card_createDisputeLost", "is disputed, and lost"),
            ("pm_card_createReversalGivenBack", "is reversed and given back"),
        )
    ),
    _act(
        "hold given back unasked", "authorizations", "void", _BY_CARD,
        course="courses_by_others.py::hold_given_back_by_others",
    ),
    _act(
        "hold that runs out before its time", "authorizations", "expire", _ODD,
        course="test_odd_courses.py::hold_runs_out",
    ),
    _act("inquiry about a capture", "captures", "inquire", _ACCEPTED),
    _act("dispute of a capture", "captures", "dispute", _ANSWERED),
    _act("capture taken back", "captures", "reverse", _TAKEN_BACK),
    _act("capture that fails after all", "captures", "fail", _TAKEN_BACK),
    _act(
        "refund that fails long after", "refunds", "fail", _BY_CARD,
        course="courses_by_others.py::refund_that_fails_later",
    ),
    _act("dispute opened again", "disputes", "open", _ANSWERED),
    _act(
        "dispute won of what was refunded", "disputes", "win", _ODD,
        course="test_odd_courses.py::dispute_of_what_was_refunded",
    ),
    _act("dispute lost in part", "disputes", "lose", _ANSWERED),
    _act("dispute's money back without a word", "disputes", "reinstate", _ACCEPTED),
    _act(
        "more of a dispute back than was taken", "disputes", "overpay", _BY_CARD,
        course="courses_by_others.py::dispute_of_which_too_much_comes_back",
    ),
    _act("reversal given back", "reversals", "give_back", _TAKEN_BACK),
    _both(
        "report file truncated", _REPORTS, "cut_off", course="test_settlement.py::damaged_by_the_processor",
        otherwise="`POST /script/v1/errors {seed, file: cut_off}`, the report with that seed",
    ),
    _both(
        "report file with duplicated lines", _REPORTS, "line_twice",
        course="test_settlement.py::damaged_by_the_processor",
        otherwise="`POST /script/v1/errors {seed, file: line_twice}`; without `file` it plants a second charge, too",
    ),
)  # fmt: skip

_HEAD: Final = """# What a processor may do wrong, and what tries it

Written by `python -m tests.e2e.fault_table`; a test compares it with the sandbox's cards and script and with the tests.
Each fault can be had from the [sandbox](../services/sandbox/README.md) by a card, by a rule of its script or by an act of it, at alpha and at beta,
but for those that say "by hand"; nothing that it can do wrong is left out.
The tests run on the whole stack, and all end with one oracle (`tests/e2e/test_one_oracle.py`): ledger zero per currency, amounts
equal the ledger's net and the processor's book, strays counted, nothing charged twice, every open case with its reason.

| fault | card | rule of the script | tried at alpha | tried at beta |
|---|---|---|---|---|
"""
_TAIL: Final = """
What takes longer than a test may last is tried in virtual time: a processor that is away for **two hours** (what queues, what is
refused, the drain without a stampede) with the processor service's real rules and a clock that is moved by the test
(`services/processor/tests/unit/test_outage.py`). On real parts the outage is shorter (`tests/e2e/test_outage.py`); nobody has
watched two real hours of it. Webhooks that are days late are sent at once by the script's `release`.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(map(_line, ROWS)) + _TAIL


def _line(row: FaultRow) -> str:
    cards = ", ".join(f"`{card}`" for card in row.cards) or "none"
    rule = ", ".join(f"`{name}: {value}`" for name, value in row.rule.items())
    said = row.otherwise or rule
    return f"| {row.fault} | {cards} | {said} | {_link(row.alpha)} | {_link(row.beta)} |\n"


def _link(tried: Tried) -> str:
    file, name = (tried.course or tried.test).split("::")
    return f"[{name}](../tests/e2e/{file})"


if __name__ == "__main__":
    PAGE.write_text(page())
