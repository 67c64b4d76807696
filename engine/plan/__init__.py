"""What should change, and why: a pure function of the project and of what stands on the engine."""
