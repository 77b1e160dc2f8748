"""The kinds of what hardly ever comes together by chance: under which terms, with what cards and courses, and what happens
outside meanwhile.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.arranging import (
    DENIED,
    OTHERWISE,
    charge_by_hand,
    charge_what_is_held_astray,
    dispute_what_goes_back,
    dispute_what_was_denied,
    fail_what_was_done_otherwise,
    give_back_more_than_was_taken,
    refuse_some_deliveries,
    release,
    release_again_and_again,
    take_another_amount,
    take_give_back_and_take,
    undo_what_was_done,
)
from tests.simulation.circumstances import BETA_HASTE_S
from tests.simulation.courses import (
    CLAIMED_CARDS,
    ask_for_the_rest_again,
    give_most_back,
    insist,
    let_go,
    take_a_part_and_cancel,
    take_a_part_and_give_back,
    take_a_part_as_last,
    take_twice_and_give_back,
    try_again_and_wait,
    wait_first,
)

if TYPE_CHECKING:
    from tests.simulation.constellations import Constellation
    from tests.simulation.workload import Caller, Workload

Course = Callable[["Workload", "Caller", str, random.Random], Awaitable[None]]
_AT_ALPHA: Mapping[str, Any] = {"default_processor": "alpha", "routes": (), "outages": (), "risk_mode": "off"}
_AT_BETA: Mapping[str, Any] = _AT_ALPHA | {"default_processor": "beta"}
_IN_HASTE: Mapping[str, Any] = {"beta_visibility_window_s": BETA_HASTE_S, "beta_held_back": 0.7}
_UNHEARD: Mapping[str, Any] = {"reply": "timeout_after", "webhooks": "lost", "calls": None}
"""It is done, and its reply and its webhooks are lost."""
_REVIEW_ALL: Mapping[str, Any] = {
    "limits": [
        {"name": f"review_{operation}", "decision": "review", "currency": "EUR", "operations": [operation],
         "max_minor": 1}
        for operation in ("sale", "capture")
    ]
    + [
        {"name": "block_capture", "decision": "block", "currency": "EUR", "operations": ["capture"],
         "max_minor": 2_000}
    ],
    "velocity": [],
    "blocked": {"customers": []},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is arranged."""

    name: str
    terms: Mapping[str, Any] = field(default_factory=dict)
    likelihoods: Mapping[str, float] = field(default_factory=dict)
    cards: Sequence[str] = ()
    """With what clients pay; none: as ever."""
    capture_methods: Sequence[str] = ("automatic",)
    rules: Sequence[Mapping[str, Any]] = ()
    """What the sandbox's script says."""
    course: Course | None = None
    meanwhile: Callable[["Constellation"], Awaitable[None]] | None = None
    spoken_over: Sequence[int] = ()
    """What a proxy says at times after a processor has done what was asked for."""
    awaited: bool = False
    """Whether no world of it is at rest before that is over."""


CAME_AND_WENT = Kind(
    name="came_and_went",
    terms=_AT_ALPHA,
    cards=("pm_card_captureFail", "pm_card_captureFail", OTHERWISE),
    rules=({"processor": "alpha", "operation": "authorization", "not_found_s": 6} | _UNHEARD,),
    course=wait_first,
    meanwhile=fail_what_was_done_otherwise,
)
"""Of a capture the first that is heard is that it failed."""
CHARGED_LATE = Kind(
    name="charged_late",
    terms=_AT_BETA | _IN_HASTE,
    cards=CLAIMED_CARDS,
    rules=(
        {
            "processor": "beta",
            "operation": "authorization",
            "not_found_s": 10,
            "feed": "late",
            "feed_delay_s": 25,
        }
        | _UNHEARD,
    ),
    course=insist,
)
"""A charge takes effect after it was given up, and a dispute speaks of it before it is shown."""
REFUSED_THOUGH_DONE = Kind(
    name="refused_though_done",
    terms=_AT_ALPHA,
    cards=(DENIED,),
    rules=tuple(
        {"processor": "alpha", "operation": "authorization", "payment_method": card} | _UNHEARD
        for card in CLAIMED_CARDS
    ),
    course=insist,
    meanwhile=dispute_what_was_denied,
)
"""A charge is refused although it was made, and a dispute speaks of it while the next attempt is under way."""
LOST_CAPTURE = Kind(
    name="lost_capture",
    terms=_AT_ALPHA,
    cards=("pm_card_createDispute", "pm_card_createPartialReversal", "pm_card_createReversal"),
    capture_methods=("manual",),
    course=take_twice_and_give_back,
)
"""Of two captures one is disputed or taken back, and refunds are asked for."""
KEPT_BACK = Kind(
    name="kept_back",
    cards=("pm_no_evidence", "pm_no_evidence_on_authorization", "pm_no_evidence_on_refund"),
    course=wait_first,
    meanwhile=release,
)
"""Nothing tells what was done until it has been put before people, who wait; then evidence does."""
CHARGED_BY_HAND = Kind(
    name="charged_by_hand",
    terms=_AT_BETA,
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("manual",),
    course=wait_first,
    meanwhile=charge_by_hand,
)
"""A hold that can be charged once is charged by somebody else."""
OTHER_NAME = Kind(
    name="other_name",
    terms=_AT_ALPHA,
    cards=("pm_fault_wrong_reference_on_capture",),
    capture_methods=("manual",),
    course=take_a_part_and_cancel,
)
"""A capture is answered under somebody else's name, so that a part of the hold has gone astray, and the rest goes back."""
DELIVERIES_REFUSED = Kind(name="deliveries_refused", meanwhile=refuse_some_deliveries)
"""A database refuses some webhooks, which come together with others."""
OWNERS_STOPPED = Kind(name="owners_stopped", likelihoods={"thread_stopped": 0.3})
"""Whoever has a reply to store is often stopped until somebody else has stored one."""
REVIEWED = Kind(
    name="reviewed",
    terms={
        "risk_mode": "required",
        "risk_deadline_ms": 5_000,
        "risk_recheck_after_s": 2.0,
        "rule_sets": ((0.0, _REVIEW_ALL),),
        "outages": (),
    },
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("automatic", "manual"),
    course=ask_for_the_rest_again,
)
"""Risk leaves to people whatever takes money, so that at times the one who said yes is asked once more, and refuses captures of
much, which are asked for again.
"""
TAKEN_AGAIN = Kind(
    name="taken_again",
    terms=_AT_ALPHA,
    cards=("pm_card_visa", "pm_card_mastercard"),
    course=give_most_back,
    meanwhile=take_give_back_and_take,
    awaited=True,
)
"""More was given back than is left of a capture, and again after a person had seen it and it had been made good."""
UNDONE_LATER = Kind(
    name="undone_later",
    terms=_AT_ALPHA,
    cards=("pm_no_evidence_on_capture", "pm_no_evidence_on_refund", "pm_card_visa"),
    capture_methods=("manual",),
    course=take_a_part_and_give_back,
    meanwhile=undo_what_was_done,
    awaited=True,
)
"""What a person decided is undone at the processor, and so is what a person only looked at."""
CLAIMED_ASTRAY = Kind(
    name="claimed_astray",
    terms=_AT_ALPHA,
    likelihoods={"record_delayed": 0.6},
    cards=(OTHERWISE,),
    course=wait_first,
    meanwhile=dispute_what_goes_back,
)
"""What went astray is disputed while its return is on its way."""
ANOTHER_LAST = Kind(
    name="another_last",
    terms=_AT_ALPHA,
    likelihoods={"record_delayed": 0.6},
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("manual",),
    course=take_a_part_as_last,
    meanwhile=take_another_amount,
)
"""A last capture is made in another amount by hand, before the one that was asked for arrives."""
OVERPAID = Kind(
    name="overpaid",
    terms=_AT_ALPHA,
    cards=("pm_card_createDispute", "pm_card_createDisputeProductNotReceived"),
    course=wait_first,
    meanwhile=give_back_more_than_was_taken,
)
"""More of a dispute comes back than was taken, and then it is decided."""
HELD_TWICE = Kind(
    name="held_twice",
    terms=_AT_BETA | _IN_HASTE | {"stray_policy": "review"},
    cards=("pm_card_visa",),
    capture_methods=("manual",),
    rules=(
        {
            "processor": "beta",
            "operation": "authorization",
            "not_found_s": 10,
            "feed": "late",
            "feed_delay_s": 20,
        }
        | _UNHEARD
        | {"calls": 4},
    ),
    course=try_again_and_wait,
    meanwhile=charge_what_is_held_astray,
    awaited=True,
)
"""A hold is found after it was given up, beside the one that was made instead, and somebody charges it."""
SPOKEN_OVER_BY_A_PROXY = Kind(
    name="spoken_over",
    terms=_AT_BETA,
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("automatic", "manual"),
    spoken_over=(401, 403, 429, 503),
)
"""A proxy refuses in a processor's place what that has done."""
_DENIED_CARDS = ("pm_card_chargeDeclined", OTHERWISE)
DENIED_LATE = Kind(
    name="denied_late",
    terms=_AT_ALPHA
    | {
        "risk_mode": "required",
        "risk_deadline_ms": 300,
        "risk_small_minor": "authorize=1000000,sale=1000000,capture=1000000",
        "rule_sets": (
            (0.0, {"limits": [], "velocity": [], "blocked": {"payment_methods": [*_DENIED_CARDS]}}),
        ),
    },
    likelihoods={"record_delayed": 0.6},
    cards=_DENIED_CARDS,
    capture_methods=("manual", "automatic"),
    course=try_again_and_wait,
)
"""Risk denies cards when they have been let go: one that the issuer declines anyway, and one that takes another amount."""
LET_GO_UNHEARD = Kind(
    name="let_go_unheard",
    terms=_AT_ALPHA | {"ladders": "alpha.cancel=1,2,3"},
    cards=("pm_no_evidence_on_void",),
    capture_methods=("manual",),
    # What a hold has come to is shown by the hold itself.
    rules=({"processor": "alpha", "operation": "look_up", "reply": "malformed", "calls": 40},),
    course=let_go,
    meanwhile=release_again_and_again,
)
"""Nothing tells that a hold was let go until it has been put before people; then evidence does."""
KINDS = (
    CAME_AND_WENT, CHARGED_LATE, LOST_CAPTURE, KEPT_BACK, CHARGED_BY_HAND, OTHER_NAME, DELIVERIES_REFUSED,
    OWNERS_STOPPED, REVIEWED, TAKEN_AGAIN, UNDONE_LATER, CLAIMED_ASTRAY, ANOTHER_LAST, OVERPAID, HELD_TWICE,
    SPOKEN_OVER_BY_A_PROXY, REFUSED_THOUGH_DONE, DENIED_LATE, LET_GO_UNHEARD,
)  # fmt: skip
WORLDS: tuple[Kind | None, ...] = (*KINDS, *(None,) * (28 - len(KINDS)))
"""A kind more takes the place of a world without any: all other worlds stay what they were."""
