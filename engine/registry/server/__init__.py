"""A registry's side: names, manifests, uploads and listings over a BlobStore and Records that are handed in."""
