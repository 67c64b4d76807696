"""Records of what exists, and their journal."""
