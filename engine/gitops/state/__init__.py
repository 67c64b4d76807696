"""What the agent must remember: of each project what stands and what is held, who owns what, approvals, events."""
