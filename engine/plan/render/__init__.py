"""A plan for eyes and for programs: text, JSON, markdown. Pure."""
