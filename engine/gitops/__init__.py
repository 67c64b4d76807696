"""The loop: sources fetched, projects converged and kept so, what failed taken back; its settings, API and words."""
