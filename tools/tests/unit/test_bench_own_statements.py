"""The API's own statements are found in the server's log, and pgbench writes another payment with them each time."""

import pytest

from tools.bench.own_statements import last_transaction, script_of
from tools.local_stack.layout import StackError

ID = "0123456789abcdefghjkmnpqrs"
SCOPE = "ab" * 32
HASH = "cd" * 32
AT = "2026-11-28 20:46:52.189 UTC"
LOG = f"""{AT} [7] LOG:  statement: SELECT 'somebody else''s'
{AT} [9] LOG:  execute <unnamed>: BEGIN
{AT} [9] LOG:  execute tieout_1: SELECT merchant_id FROM api_keys WHERE key_hash = $1
{AT} [9] DETAIL:  Parameters: $1 = '\\x{HASH}'
{AT} [7] LOG:  execute <unnamed>: BEGIN
{AT} [9] LOG:  execute tieout_2: SELECT scope FROM idempotency_keys
 WHERE scope = ANY ($1::text[])
{AT} [9] DETAIL:  Parameters: $1 = '{{{SCOPE}}}'
{AT} [9] LOG:  execute tieout_3: INSERT INTO payments SELECT $1::jsonb, $2, $3, $4
{AT} [9] DETAIL:  Parameters: $1 = '[{{"payment_id": "pay_{ID}", "said": "it''s"}}]', $2 = NULL, $3 = '', $4 = 'evt_{ID[::-1]}'
{AT} [9] LOG:  statement: COMMIT
{AT} [9] LOG:  execute <unnamed>: BEGIN
{AT} [9] LOG:  execute tieout_1: SELECT merchant_id FROM api_keys WHERE key_hash = $1
"""


def test_the_last_whole_transaction_is_taken_with_its_values():
    key, taken, written = last_transaction(LOG)
    assert key.values == {1: f"\\x{HASH}"}
    assert taken.values == {1: f"{{{SCOPE}}}"}
    assert written.text == "INSERT INTO payments SELECT $1::jsonb, $2, $3, $4"
    assert written.values == {
        1: f'[{{"payment_id": "pay_{ID}", "said": "it\'s"}}]',
        2: None,
        3: "",
        4: f"evt_{ID[::-1]}",
    }


def test_a_script_writes_another_payment_each_time_and_sends_the_rest_as_it_was():
    script, variables = script_of(last_transaction(LOG))
    trips = [trip.strip().split("\n") for trip in script.split("\\startpipeline")[1:]]
    assert [trip[0].split()[0] for trip in trips] == ["BEGIN;", "INSERT", "COMMIT;"]
    assert trips[0][1] == "SELECT merchant_id FROM api_keys WHERE key_hash = :v0;"
    assert f"ANY ((replace(:v1::text, '{SCOPE}', lpad(:n::text, 64, '0')))::text[])" in trips[0][2]
    assert f"(replace(:v2::text, '{ID}', lpad(:n::text, 26, '0')))::jsonb, NULL, ''," in trips[1][0]
    assert variables["v3"] == f"evt_{ID[::-1]}"


def test_statements_of_another_shape_are_no_base():
    found = last_transaction(LOG)
    with pytest.raises(StackError, match="written anew"):
        script_of(found[::-1])
    with pytest.raises(StackError, match="no whole transaction"):
        last_transaction(LOG[: LOG.index("COMMIT")])
