"""The crash harness: a stack of its own whose processes are killed and paused at named places, under load."""
