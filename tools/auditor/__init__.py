"""The auditor: reads every database and topic with read-only roles and says what does not tie out."""
