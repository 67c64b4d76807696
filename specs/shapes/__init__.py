"""The schema of the language as data: what a value may look like, before its short forms are expanded."""
