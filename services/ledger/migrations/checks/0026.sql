-- Every row found here is a broken promise: the step is rolled back.
-- The guard is in place.
SELECT 'journals_ahead' WHERE NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = 'journals'::regclass AND tgname = 'journals_ahead' AND tgenabled <> 'D');
-- The application draws positions, and moves the sequence in no other way.
SELECT 'UPDATE' WHERE has_sequence_privilege('ledger_app', 'journal_positions', 'UPDATE');
