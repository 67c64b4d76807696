"""Registries of the OCI distribution specification: the server's side over a store handed in, and the client's."""
