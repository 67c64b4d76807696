"""The steward: a small process that answers containers' look-ups and holds published ports, daemon or no daemon.

The daemon opens the sockets, in the container's namespace or the host's, and hands them over (`channel`, `client`).
Everything but `client` imports the standard library only: the process must be small and start soon.
"""
