"""Sabotage of files that come in: what they may take away, what is told of them, and how much of them is taken."""

from typing import Final

from tools.sabotage.case import Case, Patch

_STAGING = "services/reconciliation/adapters/staging_sql.py"
_ANNOUNCING = "services/reconciliation/adapters/announcing.py"
_SPOOLING = "services/reconciliation/adapters/spooling.py"
_FOLDER = "services/reconciliation/adapters/watched_folder.py"
_FOLDER_TESTS = "services/reconciliation/tests/unit/test_watched_folder.py::"
_SCHEMA = "services/reconciliation/migrations/versions/0001_create_reconciliation.py"
_QUEUED = "services/reconciliation/migrations/versions/0006_look_at_what_changed.py"
_PAYOUT_CLOSED: Final = """     WHERE p.closed_at IS NOT NULL ORDER BY 1, 2;
    RETURN NULL;
END
$$;
CREATE TRIGGER payouts_inserted"""
_MATCHES = "services/reconciliation/adapters/exact_matches.py"
_AMENDMENTS = "services/reconciliation/tests/db/test_amendments.py::"
_ANNOUNCED = "services/reconciliation/tests/db/test_announcing.py::"
_MATCHED = "services/reconciliation/tests/db/test_announced_matches.py::"
_FILES = "services/reconciliation/tests/db/test_files_api.py::"
_REDECLARED = "services/reconciliation/tests/db/test_redeclaring.py::"
_FEED = "services/reconciliation/tests/db/test_feed.py::"

REPORTS: Final = (
    Case(
        name="sources-take-turns",
        protection="sources are declared one after the other: of two at once the second is refused by its name",
        change="nobody waits for the other's end",
        patches=(
            Patch("services/reconciliation/app/declare_source.py", "    work.sources.take_turn()\n", ""),
        ),
        tests=("services/reconciliation/tests/db/test_sources.py::test_two_declarations_at_once_take_turns",),
    ),
    Case(
        name="sources-wait-for-files",
        protection="a file is read as its source was declared when it came",
        change="a source is declared otherwise over files that wait, here and in the database",
        patches=(
            Patch(
                "services/reconciliation/app/declare_source.py",
                "    if known is not None and _how(known) != _how(source):\n",
                "    if False:\n",
            ),
            Patch(
                "services/reconciliation/migrations/versions/0028_read_files_as_they_came.py",
                "    IF EXISTS (SELECT",
                "    IF false AND EXISTS (SELECT",
            ),
        ),
        tests=(
            _REDECLARED + "test_a_source_is_declared_otherwise_once_no_file_of_it_waits",
            _REDECLARED + "test_sql_changes_nothing_over_a_file_that_waits",
        ),
    ),
    Case(
        name="sources-held",
        protection="whoever takes a file in holds its source as it is declared until the file is there",
        change="a declaration passes by",
        patches=(Patch("services/reconciliation/adapters/sources.py", '{_GET} FOR KEY SHARE"', '{_GET}"'),),
        tests=(_REDECLARED + "test_a_piece_comes_to_the_source_as_it_is_declared_by_then",),
    ),
    Case(
        name="reports-feed-gap",
        protection="a piece of a feed is taken right behind the one before it: what has not come is named",
        change="a gap is passed over, here and in the database",
        patches=(
            Patch(
                "services/reconciliation/domain/feeds.py", "    if sequence > wanted:\n", "    if False:\n"
            ),
            Patch(
                "services/reconciliation/migrations/versions/0026_number_pieces_of_feeds.py",
                "IF NEW.feed_sequence <> 1 +",
                "IF NEW.feed_sequence < 1 +",
            ),
        ),
        tests=(
            _FEED + "test_a_gap_is_named_and_nothing_behind_it_is_taken",
            _FEED + "test_sql_lets_no_piece_come_in_between_or_change_its_place",
        ),
    ),
    Case(
        name="reports-whole-corrects",
        protection="only a file that states a payout in whole takes lines of it away",
        change="every file that names the payout does",
        patches=(Patch(_STAGING, "p.whole AND p.payout_id = n.payout_id", "p.payout_id = n.payout_id"),),
        tests=(_AMENDMENTS + "test_what_is_not_whole_takes_nothing_away",),
    ),
    Case(
        name="reports-pieces-stay",
        protection="a line that came in a piece is not taken away by a file that has the rest",
        change="earlier files need not have stated the payout in whole",
        patches=(
            Patch(_STAGING, "e.whole AND e.file_id <> %(file_id)s AND", "e.file_id <> %(file_id)s AND"),
        ),
        tests=(_AMENDMENTS + "test_pieces_in_any_order_come_to_the_same",),
    ),
    Case(
        name="reports-payout-known",
        protection="a report that does not know of a line's payout yet does not undo it",
        change="the newest report's word stands",
        patches=(
            Patch(_STAGING, "(coalesce(s.payout_id, n.payout_id), {_of(", "(s.payout_id, {_of("),
            Patch(
                _STAGING,
                "s.file_id, s.line_number, coalesce(s.payout_id, n.payout_id),\n",
                "s.file_id, s.line_number, s.payout_id,\n",
            ),
        ),
        tests=(_AMENDMENTS + "test_a_report_that_does_not_know_of_the_payout_yet_does_not_undo_it",),
    ),
    Case(
        name="reports-told-stays",
        protection="a revision that was told stays as it is",
        change="the trigger looks at nothing",
        patches=(
            Patch(
                _SCHEMA,
                "IF (to_jsonb(NEW) - 'stands') IS DISTINCT FROM (to_jsonb(OLD) - 'stands') THEN\n"
                "        RAISE EXCEPTION 'revision % of line %",
                "IF false THEN\n        RAISE EXCEPTION 'revision % of line %",
            ),
        ),
        tests=(_ANNOUNCED + "test_what_was_told_cannot_be_changed_in_sql",),
    ),
    Case(
        name="reports-closed-first",
        protection="a line is told once its payout is closed",
        change="as soon as its payout is named",
        patches=(
            Patch(_QUEUED, _PAYOUT_CLOSED, _PAYOUT_CLOSED.replace("p.closed_at IS NOT NULL", "true")),
            Patch(_ANNOUNCING, "\n                      AND p.closed_at IS NOT NULL)", ")"),
        ),
        tests=(_ANNOUNCED + "test_nothing_is_told_before_its_payout_is_closed",),
    ),
    Case(
        name="reports-no-guess",
        protection="of two lines about one object neither is told as the object's without a match",
        change="both are",
        patches=(Patch(_MATCHES, "AND other.line_id <> n.line_id AND NOT other.withdrawn", "AND false"),),
        tests=(_MATCHED + "test_of_two_lines_about_one_object_nobody_guesses",),
    ),
    Case(
        name="reports-size",
        protection="no file is longer than the limit",
        change="everything is spooled",
        patches=(Patch(_SPOOLING, "if self.byte_count > self._bytes_max:", "if False:"),),
        tests=(_FILES + "test_a_body_larger_than_any_other_route_takes_is_streamed_and_limited",),
    ),
    Case(
        name="folder-holds-up-nobody",
        protection="a file or folder that cannot be used is told of and holds up no other",
        change="whatever the system says ends the worker",
        patches=(
            Patch(
                _FOLDER,
                "            except OSError as error:\n                gone = ",
                "            except ZeroDivisionError as error:\n                gone = ",
            ),
        ),
        tests=(_FOLDER_TESTS + "test_where_one_cannot_be_moved_the_others_are",),
    ),
    Case(
        name="only-what-was-read-is-moved",
        protection="a file is moved away as taken in only if it is the one that was read, whole",
        change="whatever bears the name by then is moved away",
        patches=(
            Patch(_FOLDER, "if os.path.samestat(read, target.stat()):", "if True:"),
            Patch(_FOLDER, "if _changed(before, os.fstat(content.fileno())):", "if False:"),
        ),
        tests=(
            _FOLDER_TESTS + "test_another_file_that_is_given_the_name_meanwhile_is_read_too",
            _FOLDER_TESTS + "test_a_file_that_grows_while_it_is_read_is_read_again",
        ),
    ),
    Case(
        name="reports-complete",
        protection="a file in the watched folder is taken in once it bears its name",
        change="whatever lies there is",
        patches=(
            Patch(
                _FOLDER,
                'hidden = path.name.startswith(".") or path.name.endswith(_IN_THE_MAKING)',
                "hidden = False",
            ),
        ),
        tests=(_FILES + "test_a_file_in_the_watched_folder_is_taken_in_once_it_bears_its_name",),
    ),
)
