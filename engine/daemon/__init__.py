"""The embedded engine: answers the Docker Engine API with real containers. Only `engine.cli.daemon` imports it."""
