"""Who is told of what happens: commit statuses at git hosts, webhooks, Slack, commands. Never in the loop's way."""
