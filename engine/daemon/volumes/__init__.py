"""Volumes of the local driver."""
