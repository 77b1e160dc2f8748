-- Every row found here is a broken promise: the step is rolled back.
SELECT proname FROM pg_proc WHERE proname = 'touch_changed_lines' AND position('EXECUTE' IN prosrc) = 0
