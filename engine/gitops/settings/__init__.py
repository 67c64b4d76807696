"""agent.yaml: its shape, its values, and everything that can be wrong with it, told at once."""
