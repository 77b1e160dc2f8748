-- Every row found here is a broken promise: the step is rolled back.
-- The application may add to the books and read them, nothing else.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name IN ('accounts', 'journals', 'entries')
   AND privilege_type NOT IN ('SELECT', 'INSERT');
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'account_families' AND privilege_type <> 'SELECT';
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['journal_balanced', 'reversal_exact', 'entries_fit']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
