"""A rule set that cannot mean anything is refused, naming the field."""

from __future__ import annotations

import json

import pytest

from services.risk.domain.rules import RuleSet
from services.risk.entrypoints.requests import RulesBody
from shared.kernel.errors import Rejected
from shared.runtime.models import read_model

pytestmark = pytest.mark.unit
LIMIT = {"name": "large", "max_minor": 1, "currency": "EUR", "decision": "review"}
OFTEN = {"name": "often", "subject": "customer", "window_s": 60, "max_count": 3, "decision": "block"}


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"limits": [{**LIMIT, "max_minor": 1.5}]}, "limits[0].max_minor"),
        ({"limits": [{**LIMIT, "currency": "EURO"}]}, "limits.0.currency"),
        ({"velocity": [{**OFTEN, "currency": "EURO"}]}, "velocity.0.currency"),
        ({"velocity": [{**OFTEN, "surprise" * 9_000: 1}]}, ("velocity.0." + "surprise" * 9_000)[:128]),
        ({"limits": [{**LIMIT, "decision": "allow"}]}, "limits.0.decision"),
        ({"limits": [{**LIMIT, "name": "Large Sale"}]}, "limits.0.name"),
        ({"limits": [{**LIMIT, "surprise": 1}]}, "limits.0.surprise"),
        ({"velocity": [{**OFTEN, "window_s": 0}]}, "velocity.0.window_s"),
        ({"velocity": [{**OFTEN, "window_s": 32 * 86_400}]}, "velocity.0.window_s"),
        ({"velocity": [{**OFTEN, "subject": "planet"}]}, "velocity.0.subject"),
        ({"velocity": [{**OFTEN, "operations": ["capture"]}]}, "velocity.0.operations.0"),
        ({"velocity": [{**OFTEN, "max_minor": 3, "currency": "EUR"}]}, "velocity.0"),
        ({"velocity": [{**OFTEN, "max_count": None, "max_minor": 3}]}, "velocity.0"),
        ({"blocked": {"payment_methods": ["4242424242424242"]}}, "blocked.payment_methods[0]"),
        ({"blocked": {"customers": ["cus_1"]}}, "blocked.customers.0"),
    ],
)
def test_it_is_refused_naming_the_field(document, param):
    with pytest.raises(Rejected) as refused:
        read_model(RulesBody, json.dumps(document).encode())
    assert refused.value.param == param
    assert refused.value.status in {400, 422}


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(Rejected, match="two rules are called large"):
        read_model(RulesBody, json.dumps({"limits": [LIMIT, LIMIT]}).encode())


def test_what_is_stored_is_read_back_as_it_was_meant():
    given = {"limits": [LIMIT], "velocity": [OFTEN], "blocked": {"merchants": ["mer_" + "1" * 26]}}
    stored = read_model(RulesBody, json.dumps(given).encode()).document()
    rules = RuleSet.of(2, json.loads(json.dumps(stored)))
    assert [rule.name for rule in (*rules.limits, *rules.velocity)] == ["large", "often"]
    assert rules.velocity[0].max_minor is None
