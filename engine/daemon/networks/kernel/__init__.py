"""Links, namespaces, rules and sockets of the kernel: what acts. Blocking, but short: called in threads."""
