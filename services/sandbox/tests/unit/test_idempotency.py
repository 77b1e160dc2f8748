"""A used key: replayed for the same request, refused for another, free again after its life."""

from datetime import UTC, datetime

import pytest

from services.sandbox.domain.idempotency import KEY_LIFE, StoredReply, replayable
from shared.kernel.errors import Rejected

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STORED = StoredReply(fingerprint=b"f", status=201, body=b"{}", expires_at=NOW + KEY_LIFE)


def test_the_same_request_is_replayed_until_the_key_is_24_hours_old():
    assert replayable(STORED, b"f", NOW + KEY_LIFE * 0.999)
    assert not replayable(STORED, b"f", NOW + KEY_LIFE)
    assert KEY_LIFE.total_seconds() == 86_400


def test_another_request_under_the_key_is_refused():
    with pytest.raises(Rejected) as refused:
        replayable(STORED, b"g", NOW)
    assert (refused.value.code, refused.value.status) == ("idempotency_key_reused", 422)


def test_an_unused_key_replays_nothing():
    assert not replayable(None, b"f", NOW)
