"""How the processor service is reached: topics, HTTP, the worker's loop, the command line."""
