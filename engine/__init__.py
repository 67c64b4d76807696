"""The machine: what turns a Project into a plan, and a plan into calls of the Docker Engine API."""
