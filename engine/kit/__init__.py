"""Kits on anyio that know nothing of containers: time, retries, files, processes."""
