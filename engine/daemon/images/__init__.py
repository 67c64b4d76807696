"""Images: names, what they are made of, how they come, go and are shown."""
