"""Layers and snapshots: folders without a record, records without a folder, layers whose content is another now."""

from __future__ import annotations

import shutil

from anyio import to_thread

from engine.api.errors import EngineError
from engine.daemon.checking import Finding, in_thread
from engine.daemon.snapshots.layers import Layer, Layers
from engine.daemon.snapshots.snapshots import OverlaySnapshots

AGAIN = "remove the images that stand on it, and pull or load them again"


async def layer_findings(layers: Layers) -> list[Finding]:
    """Reads every layer's files: their tar must have its DiffID."""
    found = []
    for folder in await to_thread.run_sync(layers.strays):
        remove = in_thread(layers.remove_stray, folder)
        found.append(Finding("layer", str(layers.root / folder), "no record names the folder", "remove it", remove))
    for layer in layers.unrecorded():
        again = in_thread(layers.record_again, layer)
        found.append(Finding("layer", layer.chain_id, "its record is gone", "write the record again", again))
    for layer in {layer.folder: layer for layer in layers.all()}.values():
        with layers.lease(layer.chain_id):
            if words := await to_thread.run_sync(fault_of, layers, layer):
                found.append(Finding("layer", layer.chain_id, words, AGAIN))
    return found


def fault_of(layers: Layers, layer: Layer) -> str:
    """Blocks for as long as its files take to be read."""
    folder = layers.root / layer.folder
    if not folder.is_dir():
        return f"its folder {folder} is gone"
    try:
        for _ in layers.tar(layer.chain_id):
            pass
    except (EngineError, OSError, ValueError) as error:
        return f"its files in {folder} are not as they were: {error}"
    return ""


async def snapshot_findings(snapshots: OverlaySnapshots) -> list[Finding]:
    found = []
    for path in snapshots.strays():
        found.append(
            Finding("snapshot", str(path), "no record names the folder", "remove it", in_thread(shutil.rmtree, path))
        )
    for key in snapshots.unrecorded():
        again = in_thread(snapshots.record_again, key)
        found.append(Finding("snapshot", key, "its record is gone", "write the record again", again))
    for key in snapshots.lost():
        found.append(Finding("snapshot", key, "its folder is gone", f"remove the container {key[:12]}"))
    return found
