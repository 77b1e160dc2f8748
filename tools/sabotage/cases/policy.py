"""Sabotage of the policy that gives strays back without a person: where it may, what is its to give, and once."""

from typing import Final

from tools.sabotage.case import Case, Patch

_RETURNING: Final = "services/payment/app/return_strays.py"
_FINDING: Final = "services/payment/adapters/unit_of_work.py"
_TESTS: Final = "services/payment/tests/db/test_operators_decide.py::"
_ROLES: Final = "services/payment/tests/unit/test_composition.py::"
_ITS_TO_GIVE: Final = (
    _TESTS + "test_the_policy_gives_strays_back_in_time_once_and_leaves_mismatches_to_people"
)

POLICY: Final = (
    Case(
        name="stray-policy-once",
        protection="the policy asks once for the return of a stray; what failed is a person's to try again",
        change="neither the query nor the use case looks for what was tried before",
        patches=(
            Patch(
                _FINDING,
                "   AND NOT EXISTS (SELECT FROM operations AS o"
                " WHERE o.payment_id = s.payment_id AND o.stray_id = s.stray_id)\n",
                "",
            ),
            Patch(
                _RETURNING,
                "if any(operation.stray_id == stray_id for",
                "if any(operation.undecided and operation.stray_id == stray_id for",
            ),
        ),
        tests=(_TESTS + "test_a_return_by_policy_that_fails_leaves_its_case_and_is_not_tried_again",),
    ),
    Case(
        name="stray-policy-mismatch",
        protection="what a processor did otherwise than asked is not given back by policy: a person decides",
        change="whatever is astray is given back",
        patches=(
            Patch(_FINDING, " AND NOT s.mismatch", ""),
            Patch(_RETURNING, "or stray.mismatch or stray.released", "or stray.released"),
        ),
        tests=(_ITS_TO_GIVE,),
    ),
    Case(
        name="stray-policy-time",
        protection="a stray lies for a while before the policy gives it back: more of it is told within seconds",
        change="what was found this moment is given back",
        patches=(
            Patch(_FINDING, "   AND s.found_at <= %(now)s - make_interval(secs => %(seconds)s)\n", ""),
            Patch(_RETURNING, "timedelta(seconds=command.after_s)", "timedelta()"),
        ),
        tests=(_ITS_TO_GIVE,),
    ),
    Case(
        name="stray-policy-head",
        protection="strays that the policy leaves to people take no place of those that are its to give back",
        change="the query finds what has a refund astray as well, before the rest",
        patches=(Patch(_FINDING, "r.kind = 'refund' AND NOT r.released", "false"),),
        tests=(_TESTS + "test_what_the_policy_leaves_to_people_keeps_nothing_else_from_being_given_back",),
    ),
    Case(
        name="stray-policy-in-force",
        protection="strays are given back without a person only where that is the policy",
        change="the worker gives them back under every policy",
        patches=(
            Patch(
                "services/payment/bootstrap.py",
                'if settings.stray_policy == "automatic" else',
                "if settings.stray_policy else",
            ),
        ),
        tests=(_ROLES + "test_strays_are_given_back_without_a_person_only_where_that_is_the_policy",),
    ),
)
