"""Dockerfiles: text in, instructions and stages with their places out. Pure: nothing is read, run or fetched."""
