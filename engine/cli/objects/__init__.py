"""The commands about single objects, on any engine: `container`, `image`, `network`, `volume`, `system`."""
