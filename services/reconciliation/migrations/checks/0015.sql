-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['period_rolls_still_open', 'period_late_still_open']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
