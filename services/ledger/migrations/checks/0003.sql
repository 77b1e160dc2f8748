-- Every row found here is a broken promise: the step is rolled back.
-- The application may continue the chain and read it, nothing else.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'seals' AND privilege_type NOT IN ('SELECT', 'INSERT');
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['seals_chained', 'settled_grows', 'seals_keeps_rows', 'seals_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
