"""Desired against live, noun by noun, field by field; never by hash (HOUSE.md)."""
