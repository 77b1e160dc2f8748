-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name || ' ' || privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name = 'asked_preferences'
UNION ALL
SELECT 'a number of tries that the application cannot write: ' || wanted
  FROM unnest(ARRAY['tries', 'next_try_at']) AS wanted
 WHERE NOT EXISTS (SELECT FROM information_schema.column_privileges
                    WHERE grantee = 'reconciliation_app' AND table_name = 'asked_preferences'
                      AND column_name = wanted AND privilege_type = 'UPDATE');
