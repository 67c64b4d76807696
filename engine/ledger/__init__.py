"""Releases of a project: what was applied, by whom, and what it takes to return to it. Memory, never a state file."""
