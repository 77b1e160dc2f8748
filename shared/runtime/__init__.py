"""What turns a service's parts into a running process: settings, HTTP, roles, logs, metrics, health, CLI."""
