"""From text to a converged host: observe what stands, apply a plan, wait for health. All the I/O of converging."""
