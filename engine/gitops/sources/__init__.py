"""Where projects come from: git repositories, checked out commit by commit, and folders that are watched."""
