-- Every row found here is a broken promise: the step is rolled back.
-- The application may add snapshots and throw them away, never change one.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name IN ('account_snapshots', 'snapshots_ahead')
   AND privilege_type NOT IN ('SELECT', 'INSERT', 'DELETE');
