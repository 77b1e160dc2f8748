-- Every row found here is a broken promise: the step is rolled back.
-- No sum of the books has a largest number.
SELECT table_name, column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND data_type <> 'numeric'
   AND (table_name, column_name) IN (('clearing_keys', 'net_minor'), ('account_snapshots', 'debit_minor'),
       ('account_snapshots', 'credit_minor'), ('snapshots_ahead', 'debit_minor'), ('snapshots_ahead', 'credit_minor'));
