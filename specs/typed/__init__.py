"""Nodes as typed values: field by field, in the order in which Compose writes them."""
