"""Processes in containers: an OCI runtime under conmon, so that neither output nor exit code needs the daemon."""
