-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['adjustments_asked_stays']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled = 'A');
SELECT column_name, privilege_type FROM information_schema.column_privileges
 WHERE table_name = 'adjustments' AND column_name = 'asked_event_id' AND grantee = 'ledger_app'
   AND privilege_type = 'UPDATE';
