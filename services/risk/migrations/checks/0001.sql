-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'risk_app' AND table_name = 'decisions' AND privilege_type NOT IN ('SELECT', 'INSERT');
SELECT wanted FROM unnest(ARRAY['rule_sets_step', 'decisions_rules']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
SELECT 'rule sets in force', count(*) FROM rule_sets WHERE state = 'ACTIVE' HAVING count(*) <> 1;
