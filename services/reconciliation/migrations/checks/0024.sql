-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['withdrawn_returns_step']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D')
UNION ALL
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND table_name = 'withdrawn_returns'
   AND privilege_type NOT IN ('SELECT', 'INSERT');
