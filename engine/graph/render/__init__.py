"""A dependency graph for eyes and for programs: tree, dot, mermaid, JSON, SVG. Pure."""
