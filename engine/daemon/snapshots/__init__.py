"""Layers: unpacked once, read-only; over a chain of them, one writable snapshot for each container."""
