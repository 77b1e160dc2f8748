"""Sabotage of what faces the outside: merchants' keys and bodies, processors' webhooks."""

from typing import Final

from tools.sabotage.case import Case, Patch

_IDEMPOTENCY = "shared/persistence/idempotency.py"
_ENDPOINT = "shared/runtime/idempotent_http.py"
_KEY_ANSWERS = "shared/runtime/key_answers.py"
_TALLY = "shared/runtime/repeat_tally.py"
_REPEAT_TESTS = "shared/tests/db/test_key_repeats.py::"
_LAYER_TESTS = "tests/architecture/test_every_post_is_idempotent.py::"
_JSON_TESTS = "shared/tests/unit/test_strict_json.py::"
_IDEMPOTENCY_TESTS = "shared/tests/db/test_idempotent_http.py::"
_PAYMENT_TESTS = "services/payment/tests/db/test_http_payments.py::"
_KEY_TESTS = "services/payment/tests/db/test_http_idempotency.py::"
_DISPUTE_TESTS = "services/payment/tests/db/test_http_disputes.py::"
_SIGNATURE = "services/webhook_ingest/domain/signature.py"
_SIGNATURE_TESTS = "services/webhook_ingest/tests/unit/test_signature.py::"
_READING = "services/webhook_ingest/domain/reading.py"
_READING_TESTS = "services/webhook_ingest/tests/unit/test_reading.py::"
_DELIVERY_TESTS = "services/webhook_ingest/tests/db/test_deliveries.py::"

EDGE: Final = (
    Case(
        name="later-field-no-wish",
        protection="a retry is the same request for a later release that knows more fields, which nobody sent",
        change="what is left out counts as said",
        patches=(Patch(_ENDPOINT, ", exclude_defaults=True", ""),),
        tests=(_JSON_TESTS + "test_a_field_that_a_later_release_adds_does_not_make_a_retry_another_request",),
    ),
    Case(
        name="key-claim",
        protection="the unique row of an idempotency key decides between two first requests",
        change="a key that is taken is executed all the same",
        patches=(
            Patch(
                _ENDPOINT,
                '        if not claimed.holds:\n            return None\n        crash_point("idempotency',
                '        crash_point("idempotency',
            ),
        ),
        tests=(_IDEMPOTENCY_TESTS + "test_twenty_first_requests_at_once_execute_once",),
    ),
    Case(
        name="key-in-company",
        protection="a key that was taken after it was asked about undoes the transaction of its whole company",
        change="nobody looks whether all rows went in",
        patches=(
            Patch(
                "shared/persistence/key_batch.py",
                "if written.affected != len(rows):",
                "if written.affected > len(rows):",
            ),
        ),
        tests=(
            "shared/tests/db/test_key_batch.py::test_a_key_that_somebody_took_meanwhile_undoes_all_that_was_done_in_company",
        ),
    ),
    Case(
        name="group-fault",
        protection="a fault of one request is never the answer to those whose transaction it shared",
        change="all of the group hear of it",
        patches=(Patch("shared/runtime/group_commit.py", "    return Apart()\n", "    return error\n"),),
        tests=(
            "shared/tests/db/test_group_commit.py::test_one_fault_leaves_nothing_of_the_group_and_sends_each_to_run_alone",
        ),
    ),
    Case(
        name="caller-guess",
        protection="what a process remembers of an API key is only a guess, asked again in each transaction",
        change="the guess is believed",
        patches=(
            Patch(
                "services/payment/adapters/merchants.py",
                "            if _principal(answer) != guess:\n",
                "            if not guess:\n",
            ),
        ),
        tests=(_PAYMENT_TESTS + "test_a_key_that_was_used_a_moment_ago_ends_with_its_revocation",),
    ),
    Case(
        name="fingerprint",
        protection="a key belongs to one request: another body or endpoint is refused",
        change="the fingerprint is not compared",
        patches=(Patch(_IDEMPOTENCY, "if self.fingerprint != fingerprint.digest:", "if False:"),),
        tests=(_IDEMPOTENCY_TESTS + "test_the_same_key_with_another_wish_is_refused_and_named",),
    ),
    Case(
        name="key-scope",
        protection="a key belongs to one merchant and mode",
        change="keys are looked up by their text alone",
        patches=(Patch(_IDEMPOTENCY, "parts = (self.owner_id, self.mode, key)", "parts = (key,)"),),
        tests=(_IDEMPOTENCY_TESTS + "test_another_owner_or_mode_has_keys_of_its_own",),
    ),
    Case(
        name="key-lease",
        protection="the lock of a key is a lease, so that a dead owner's request is finished by somebody else",
        change="the lock is a boolean that only its owner could take back",
        patches=(
            Patch(_IDEMPOTENCY, "lease_until < clock_timestamp() AS lease_ended", "false AS lease_ended"),
        ),
        tests=(_IDEMPOTENCY_TESTS + "test_the_first_retry_after_a_death_attaches_to_the_same_thing",),
    ),
    Case(
        name="completer",
        protection="a request whose owner died gets its reply stored, whether or not its client comes back",
        change="the completer only looks",
        patches=(
            Patch(
                _ENDPOINT,
                'endpoint.key_says.kept(uow, scope, row.resource_id, "completer")\n',
                "pass\n",
            ),
        ),
        tests=(_IDEMPOTENCY_TESTS + "test_the_completer_stores_what_a_dead_owner_left",),
    ),
    Case(
        name="free-code",
        protection="a refusal that passes (in doubt, in flight) leaves the key free for the same wish",
        change="every refusal is kept under the key for ever",
        patches=(
            Patch(
                _ENDPOINT,
                "if not rejected.stored or rejected.status in _FREE_STATUSES",
                "if rejected.status in _FREE_STATUSES",
            ),
        ),
        tests=(
            _IDEMPOTENCY_TESTS + "test_a_passing_refusal_leaves_the_key_free",
            _KEY_TESTS + "test_refusals_by_state_are_kept_and_those_in_doubt_leave_the_key_free",
            _DISPUTE_TESTS
            + "test_a_dispute_known_only_by_its_money_is_uncertain_and_takes_the_same_key_again",
        ),
    ),
    Case(
        name="reply-owner",
        protection="the reply stored first is the reply for ever; an owner whose time is over cannot replace it",
        change="an owner sends its own words, stored or not",
        patches=(
            Patch(
                _KEY_ANSWERS,
                "if finish_key(uow.connection, scope, owner, reply):\n            return reply\n",
                "finish_key(uow.connection, scope, owner, reply)\n        if True:\n            return reply\n",
            ),
        ),
        tests=(_IDEMPOTENCY_TESTS + "test_a_late_owner_sends_the_reply_that_somebody_else_stored",),
    ),
    Case(
        name="repeat-tally",
        protection="a storm of replays of one key is one small write per second and process, not one each",
        change="every repeat is written at once",
        patches=(
            Patch(
                _TALLY,
                "        with self._lock:\n            self._add(scope, later)\n",
                "        with self._lock:\n            self._add(scope, later)\n        self.write()\n",
            ),
        ),
        tests=(_REPEAT_TESTS + "test_a_replay_costs_no_statement_and_a_hundred_of_them_one",),
    ),
    Case(
        name="repeat-in-doubt",
        protection="a repeat is counted once or, where its COMMIT is in doubt, not at all",
        change="counts in doubt are written again",
        patches=(
            Patch(
                _TALLY,
                "        except CommitUnknown:\n",
                "        except CommitUnknown:\n            self._take_back(noted)\n",
            ),
        ),
        tests=(
            "shared/tests/unit/test_repeat_tally.py::test_what_may_have_been_written_is_never_written_again",
        ),
    ),
    Case(
        name="post-without-key",
        protection="every POST of every service goes through the idempotency layer",
        change="one operators' POST does its work without it",
        patches=(
            Patch(
                "services/risk/entrypoints/http.py",
                'return await reject.handle(request, _principal(who), execute, path_ids={"version": str(version)})\n',
                "body = await read_json_body(request, ReasonBody)\n"
                "        run = http.transactions.run\n"
                '        done = await http.threads.run(run, lambda uow: execute(uow, body), name="")\n'
                "        return json_reply(done.reply.body)\n",
            ),
        ),
        tests=(_LAYER_TESTS + "test_every_route_that_changes_anything_goes_through_the_layer",),
    ),
    Case(
        name="json-duplicate-key",
        protection="a body in which a key occurs twice is refused, not read by somebody's taste",
        change="the last of two equal keys wins",
        patches=(Patch("shared/runtime/strict_json.py", "if key in seen:", "if False:"),),
        tests=(
            "shared/tests/unit/test_strict_json.py::test_what_is_ambiguous_or_disguised_is_refused_and_named",
        ),
    ),
    Case(
        name="json-depth-linear",
        protection="how deep a body is nested is told in linear time, whatever its texts hold",
        change="a text without an end is tried again from each of its escaped quotes",
        patches=(Patch("shared/kernel/json_depth.py", '*+"?|', '*+"|'),),
        tests=(
            "shared/tests/unit/test_json_depth.py::test_texts_without_an_end_cost_no_more_than_their_length",
        ),
    ),
    Case(
        name="webhook-too-deep",
        protection="a signed body that is nested as no event is is refused, not kept as an event of an unknown shape",
        change="the reader recurses as deep as it is told, and what it cannot read is kept",
        patches=(
            Patch(_READING, "if is_deeper_than(LEVELS_MAX, body):", "if False:"),
            Patch(
                _READING,
                "    except RecursionError:\n"
                "        # In UTF-16 the brackets can hide from whoever counts them in the bytes.\n"
                "        raise TooDeep from None\n"
                "    except ValueError:\n",
                "    except (ValueError, RecursionError):\n",
            ),
        ),
        tests=(
            _READING_TESTS + "test_a_body_nested_as_no_event_is_is_refused_unread_whoever_signed_it",
            _DELIVERY_TESTS + "test_nesting_that_no_event_comes_near_is_refused_though_signed",
        ),
    ),
    Case(
        name="webhook-late-2xx",
        protection="a webhook is acknowledged only after its commit",
        change="the answer is sent while the delivery is still being stored",
        patches=(
            Patch(
                "services/webhook_ingest/entrypoints/http.py",
                "verdict = await self._accept(delivery)\n",
                "import asyncio\n\n"
                "        self._stored = asyncio.ensure_future(self._accept(delivery))\n"
                "        self._stored.add_done_callback(lambda stored: stored.exception())\n"
                "        verdict = Verdict.ACCEPTED\n",
            ),
        ),
        tests=(_DELIVERY_TESTS + "test_a_delivery_that_could_not_be_kept_is_not_acknowledged",),
    ),
    Case(
        name="webhook-company",
        protection="a delivery at fault costs those that came with it nothing",
        change="what the group is told is told to each sender",
        patches=(
            Patch("services/webhook_ingest/entrypoints/http.py", "with suppress(Apart):", "with suppress():"),
        ),
        tests=(_DELIVERY_TESTS + "test_one_at_fault_costs_its_company_nothing",),
    ),
    Case(
        name="webhook-raw-bytes",
        protection="a signature counts over the bytes that came",
        change="the body is parsed and written again before it is verified",
        patches=(
            Patch(_SIGNATURE, "import hmac\n", "import hmac\nimport json\n"),
            Patch(
                _SIGNATURE,
                'message = stamp.encode() + b"." + body',
                'message = stamp.encode() + b"." + json.dumps(json.loads(body), separators=(",", ":")).encode()',
            ),
        ),
        tests=(_SIGNATURE_TESTS + "test_the_raw_bytes_count_not_their_meaning",),
    ),
    Case(
        name="webhook-tolerance",
        protection="an old signature is a replay",
        change="the stamp is not compared with the clock",
        patches=(
            Patch(
                _SIGNATURE, "if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():", "if False:"
            ),
        ),
        tests=(_SIGNATURE_TESTS + "test_the_tolerance_holds_both_ways",),
    ),
    Case(
        name="webhook-claim",
        protection="a processor's event id is claimed once, however often and at once it is delivered",
        change="every copy with the same bytes is taken for the first",
        patches=(
            Patch(
                "services/webhook_ingest/app/accept_webhook.py",
                "if claim.is_first:",
                "if claim.is_first or claim.same_bytes:",
            ),
        ),
        tests=(_DELIVERY_TESTS + "test_the_same_delivery_many_times_at_once_is_one",),
    ),
    Case(
        name="delivery-kept",
        protection="a webhook whose delivery was not written is not acknowledged",
        change="nobody counts what was written",
        patches=(
            Patch("services/webhook_ingest/adapters/deliveries.py", "if answer.affected != 1:", "if False:"),
        ),
        tests=(_DELIVERY_TESTS + "test_a_delivery_that_was_not_written_is_not_acknowledged",),
    ),
)
