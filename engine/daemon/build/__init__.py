"""Builds: a Dockerfile and its context in, an image out; a step is found again by the content of its inputs."""
