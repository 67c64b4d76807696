"""A client's side: one registry's API with its authentication, retries and resumption."""
