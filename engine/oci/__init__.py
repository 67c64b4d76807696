"""Pure types of the OCI specifications: what names, addresses and describes an image. Imports nothing of ours."""
