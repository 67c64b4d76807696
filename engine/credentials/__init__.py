"""Docker's own files on the client's side: config.json with its credential helpers, and the context store."""
