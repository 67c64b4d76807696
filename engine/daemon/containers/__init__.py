"""Containers: what one should be (pure: state machine, configuration, OCI spec), and the loops that make it so."""
