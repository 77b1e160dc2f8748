"""Where the payment service is entered: HTTP, topics, timers, the command line. Thin: parse, call, render."""
