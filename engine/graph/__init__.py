"""Addresses of everything a project owns, and what needs what. Pure; called by plan, reconcile and the CLI."""
