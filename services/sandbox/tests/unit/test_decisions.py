"""The asking of a rule that uses a capture's room through an object under it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.sandbox.app.decisions import decided
from services.sandbox.app.script_acts import COLLECTIONS, REFUND_STEPS
from services.sandbox.domain.objects import Capture, Origin, Refund, Status
from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ORIGIN = Origin(account="acct", payment_method="pm_card_visa", currency="EUR", metadata={})
CAPTURE = Capture(
    id="cap_1", authorization_id="auth_1", origin=ORIGIN, reference="c", status=Status.SUCCEEDED, amount_minor=1_000,
    refunded_minor=300, version=1, revision=2, created_at=NOW, updated_at=NOW,
)  # fmt: skip
REFUND = Refund(
    id="ref_1", capture_id="cap_1", origin=ORIGIN, reference="r", status=Status.SUCCEEDED, amount_minor=300,
    version=1, revision=1, created_at=NOW, updated_at=NOW,
)  # fmt: skip


class FailedMeanwhile:
    """A store in which somebody else fails the refund after the command has read it."""

    async def load(self, object_id, _key=None):
        if object_id == "cap_1":
            return replace(CAPTURE, refunded_minor=0, revision=3), None
        return replace(REFUND, status=Status.FAILED, version=2, revision=2), None


def test_what_was_failed_between_two_readings_is_not_failed_again():
    def decide(parent, now):
        return REFUND_STEPS["fail"](parent, None, UlidIds(), now, "")

    with pytest.raises(Rejected) as refused:
        asyncio.run(decided(FailedMeanwhile(), decide, REFUND, NOW))
    assert refused.value.code == "refund_not_reversible"


def test_every_collection_names_a_kind_of_its_own():
    assert len({each.kind for each in COLLECTIONS.values()}) == len(COLLECTIONS)
