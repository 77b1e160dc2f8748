-- Every dead end really has no exit.
SELECT * FROM legal_transitions WHERE subject = 'payment' AND from_state IN ('FAILED', 'CANCELED');
-- The two roads that the design forbids by name are closed.
SELECT * FROM legal_transitions
 WHERE (from_state, to_state) IN (('FAILED', 'CAPTURED'), ('REFUNDED', 'AUTHORIZED'));
