-- Every row found here is a broken promise: the step is rolled back.
-- Every account has its currency's scale.
SELECT account_id, currency, scale FROM accounts WHERE scale IS DISTINCT FROM currency_scale(currency);
