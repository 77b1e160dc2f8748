"""Reports, lines, matches and breaks, as pure rules."""
