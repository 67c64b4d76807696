"""The Engine API over HTTP: one route file per noun, each a function from its room's protocol to routes."""
