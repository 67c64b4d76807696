"""A volume as a row, for `volumes` and `volume ls`. Pure."""

from __future__ import annotations

from typing import Any

from engine.api.volumes import VolumeInspect

COLUMNS = {"Driver": "DRIVER", "Name": "VOLUME NAME"}
MORE = ("Availability", "Group", "Labels", "Links", "Mountpoint", "Scope", "Size", "Status")


def row_of(volume: VolumeInspect) -> dict[str, Any]:
    """What a list of volumes doesn't tell is N/A, as in Docker's own."""
    return {
        "Name": volume["Name"],
        "Driver": volume.get("Driver") or "",
        "Scope": volume.get("Scope") or "",
        "Mountpoint": volume.get("Mountpoint") or "",
        "Labels": ",".join(f"{key}={value}" for key, value in sorted((volume.get("Labels") or {}).items())),
        **dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), "N/A"),
    }
