"""From the nodes of one file to a resolved project, step by step. `phases` has the order."""
