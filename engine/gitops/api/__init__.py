"""The agent's HTTP API: what it knows, what it may be told, what it counts; and webhooks of git hosts."""
