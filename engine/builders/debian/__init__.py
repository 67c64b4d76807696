"""Images from Debian packages, without a Dockerfile and without a registry: `debian:` of the language."""
