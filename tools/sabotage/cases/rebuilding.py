"""Sabotage of rebuilding: books that are filled from the archive."""

from typing import Final

from tools.sabotage.case import Case, Patch

_RESTORING: Final = "services/ledger/adapters/restoring.py"
_RECORDS: Final = "services/ledger/adapters/topic_records.py"
_RESTORE: Final = "services/ledger/app/restore_adjustment.py"
_HEAR: Final = "services/ledger/app/hear_adjustment.py"
_TESTS: Final = "services/ledger/tests/db/test_rebuilding.py::"
_TOGETHER: Final = "test_all_refills_together_fill_an_empty_database_and_what_lacks_one_is_refused"
_TAKE_OVER: Final = "shared/persistence/outbox_takeover.py"
_KNOWN: Final = "tests/integration/test_rebuilt_books_are_known.py::"
_TAKEN: Final = "shared/tests/db/test_outbox_takeover.py::"
_ANSWERED: Final = "test_what_was_answered_is_told_again_and_the_next_answer_has_the_next_place"

REBUILDING: Final = (
    Case(
        name="decision-told-whole",
        protection="all of what people decided is told with the decision",
        change="only the act is told",
        patches=(
            Patch(
                "services/ledger/app/adjust_books.py",
                "    work.announce_decision(decided, cause_event_id)\n",
                "",
            ),
        ),
        tests=(_TESTS + "test_what_is_restored_is_known_the_next_time_and_told_once",),
    ),
    Case(
        name="restored-past-its-floor",
        protection="a payout that was decided is restored whatever else the books hold by then",
        change="its floor is looked at once more",
        patches=(
            Patch(
                _RESTORING,
                "    uow.connection.exec_driver_sql(_BOUNDS_DOWN)\n",
                "",
            ),
        ),
        tests=(_TESTS + "test_a_payout_is_restored_whatever_else_is_there_and_the_next_one_has_its_floor",),
    ),
    Case(
        name="restored-floor-is-back",
        protection="behind a restoration the floor holds again",
        change="its trigger stays down",
        patches=(Patch(_RESTORING, "    uow.connection.exec_driver_sql(_BOUNDS_UP)\n", ""),),
        tests=(_TESTS + "test_a_payout_is_restored_whatever_else_is_there_and_the_next_one_has_its_floor",),
    ),
    Case(
        name="asked-once",
        protection="a proposal of reconciliation that is heard again is the one that was decided",
        change="it is kept anew",
        patches=(Patch(_HEAR, "    if work.adjustments.is_asked(asked_event_id):\n", "    if False:\n"),),
        tests=(_TESTS + "test_what_reconciliation_asked_for_is_found_as_it_was_decided",),
    ),
    Case(
        name="answered-proposal-is-not-answered",
        protection="a proposal that was answered is not answered again where it is heard again",
        change="every hearing answers",
        patches=(
            Patch(
                _HEAR,
                "    told = work.adjustments.answered(asked_event_id, proposed.attachment)\n",
                "    told = None\n",
            ),
        ),
        tests=(_TESTS + _ANSWERED,),
    ),
    Case(
        name="reversal-restored-last",
        protection="what was reversed is restored before its reversal",
        change="each is restored in the order of the partitions",
        patches=(
            Patch(
                _RESTORING,
                "    told.sort(key=lambda decision: decision.adjustment.reverses_adjustment_id is not None)\n",
                "    told.sort(key=lambda decision: decision.adjustment.reverses_adjustment_id is None)\n",
            ),
        ),
        tests=(_TESTS + "test_what_was_reversed_is_restored_before_its_reversal",),
    ),
    Case(
        name="refill-read-to-its-markers",
        protection="a refill that was not finished restores nothing",
        change="whatever it holds is taken for all",
        patches=(
            Patch(
                _RECORDS,
                " and all(map(is_refill_marker, _read(broker, refill, lasts)))",
                "",
            ),
        ),
        tests=(_TESTS + "test_a_refill_that_is_not_whole_restores_nothing",),
    ),
    Case(
        name="refill-read-to-last-markers",
        protection="a topic that was refilled before is read to the markers at its end",
        change="the first markers end it",
        patches=(
            Patch(
                "shared/messaging/refill.py",
                "is_refill_marker(record) and record.offset + 1 >= self._ends[record.at]",
                "is_refill_marker(record)",
            ),
        ),
        tests=(
            "shared/tests/db/test_refill.py::test_a_topic_that_is_refilled_again_is_read_to_its_last_markers",
        ),
    ),
    Case(
        name="untold-approvals-are-named",
        protection="an approval that no event tells whole is named",
        change="it is passed over",
        patches=(
            Patch(
                _RESTORING,
                "if not _decided(stream) and _is_approved(stream)]",
                "if not _decided(stream) and not _is_approved(stream)]",
            ),
        ),
        tests=(_TESTS + "test_an_approval_of_before_its_decision_was_an_event_is_named",),
    ),
    Case(
        name="restored-contradiction",
        protection="what stands in the books otherwise than the archive tells is refused",
        change="what stands there is left as it is",
        patches=(
            Patch(_RESTORE, "_content(stored) != _content(told):", "False:"),
            Patch(_RESTORE, "        if _ending(stored) != _ending(told):\n", "        if False:\n"),
        ),
        tests=(_TESTS + "test_what_contradicts_the_books_is_refused",),
    ),
    Case(
        name="asked-keeps-its-id",
        protection="a proposal of reconciliation has the same adjustment in every book that hears it",
        change="it has a new one",
        patches=(
            Patch(_HEAR, '"adj_" + asked_event_id.removeprefix("evt_"), None', 'work.ids.new("adj_"), None'),
        ),
        tests=(_TESTS + _ANSWERED,),
    ),
    Case(
        name="told-is-taken-over",
        protection="books that are rebuilt go on in the streams that others have read",
        change="they begin every stream anew",
        patches=(
            Patch(
                "services/ledger/adapters/rebuilding.py",
                "    taken_over = take_over_told(parts.broker, refill_topic(TOPIC, CONSUMER), parts.owner)\n",
                "    taken_over = 0\n",
            ),
        ),
        tests=(_KNOWN + "test_reconciliation_hears_rebuilt_books_go_on_where_the_old_ones_ended",),
    ),
    Case(
        name="journals-keep-told-ids",
        protection="a journal that was told has the same id in rebuilt books",
        change="it has a new one",
        patches=(
            Patch(
                "services/ledger/adapters/journals.py",
                "journal_id=names.get(each.journal_id, each.journal_id),",
                "journal_id=each.journal_id,",
            ),
        ),
        tests=(_TESTS + _TOGETHER,),
    ),
    Case(
        name="told-once-for-ever",
        protection="a journal that was told is not told again by rebuilt books",
        change="it is told at the end of its stream",
        patches=(
            Patch(
                "services/ledger/adapters/unit_of_work.py",
                "            if journal.journal_id in self.journals.told:\n",
                "            if False:\n",
            ),
        ),
        tests=(_TESTS + _TOGETHER,),
    ),
    Case(
        name="told-and-missing-is-named",
        protection="a journal that was told and is not so in the rebuilt books is named",
        change="those that are missing are passed over",
        patches=(
            Patch(
                "services/ledger/adapters/told_journals.py",
                "       IS DISTINCT FROM (t.journal_id",
                "       <> (t.journal_id",
            ),
        ),
        tests=(_TESTS + "test_what_was_told_and_is_not_so_in_the_books_is_named",),
    ),
    Case(
        name="taken-over-without-gaps",
        protection="an archive that lacks an event of a stream is not taken over",
        change="what is there is enough",
        patches=(
            Patch(
                _TAKE_OVER,
                "        elif row.stream_version == last.get(row.key, 0) + 1:\n",
                "        elif row.stream_version:\n",
            ),
        ),
        tests=(_TAKEN + "test_a_stream_that_lacks_something_is_refused_whole",),
    ),
    Case(
        name="taken-over-contradiction",
        protection="where something else was told already the archive is not taken over",
        change="whatever stands in the place is taken for the same",
        patches=(
            Patch(
                _TAKE_OVER,
                "    if (row.event_id, row.payload_sha256) != (event_id, digest):\n",
                "    if False:\n",
            ),
        ),
        tests=(_TAKEN + "test_another_event_in_the_same_place_is_refused",),
    ),
    Case(
        name="taken-over-unsent-is-sent",
        protection="what the old relay had not sent the new one sends",
        change="everything that is taken over counts as sent",
        patches=(
            Patch(
                "services/ledger/adapters/taking_over.py",
                "sent=not is_refill_unsent(record),",
                "sent=True,",
            ),
        ),
        tests=(_TESTS + "test_what_is_restored_is_known_the_next_time_and_told_once",),
    ),
)
