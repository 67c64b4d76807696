"""The treaty: the Docker Engine API as types, errors, events and stream frames. Pure; both halves import it."""
