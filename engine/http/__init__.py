"""HTTP/1.1 over h11 and anyio byte streams: connections, a pool, upgrades; unix, tcp, TLS, ssh. Knows no engine."""
