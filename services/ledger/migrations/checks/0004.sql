-- Every row found here is a broken promise: the step is rolled back.
-- The application may add heads and read them, nothing else.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'seal_heads' AND privilege_type NOT IN ('SELECT', 'INSERT');
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['head_fits', 'seal_heads_keeps_rows', 'seal_heads_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
