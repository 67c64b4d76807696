"""The language: Compose text in, a resolved Project out. No engine, no network."""
