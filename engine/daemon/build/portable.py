"""Steps of builds as a registry keeps them: an OCI artifact; its config is a list of steps, its layers are theirs.

Pure. `cache_to: type=registry,ref=…` makes one, `cache_from: type=registry,ref=…` takes from it. A step bears the key
of all that it depends on, so that another engine finds it by the content of its own inputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.daemon.build.state import State
from engine.daemon.images.downloads import LayerDescriptor
from engine.daemon.images.sources import LayerSource
from engine.daemon.snapshots.layers import chain_id_of
from engine.oci.digest import Digest
from engine.registry.client.answers import OCI_MANIFEST

ARTIFACT = "application/vnd.rorqual.build.cache.v1"
CONFIG = f"{ARTIFACT}+json"
VERSION = 1
LARGEST_CONFIG = 64 << 20


@dataclass(frozen=True, slots=True)
class PortableStep:
    """`size` is what its own layer takes, in bytes, unpacked."""

    parent: str
    description: str
    size: int
    state: State


@dataclass(frozen=True, slots=True)
class PortableCache:
    """`steps` by key, `layers` by DiffID. Layers of the images that the stages began with are not among them."""

    steps: Mapping[str, PortableStep]
    layers: Mapping[str, LayerDescriptor]


def config_of(steps: Sequence[PortableStep], layers: Mapping[str, LayerSource]) -> bytes:
    document = {
        "version": VERSION,
        "steps": [
            {
                "parent": step.parent,
                "description": step.description,
                "size": step.size,
                "state": {key: value for key, value in step.state.to_json().items() if key != "chain_ids"},
            }
            for step in steps
        ],
        "layers": {diff_id: descriptor(layer) for diff_id, layer in layers.items()},
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def descriptor(layer: LayerSource) -> dict[str, Any]:
    """Source: OCI image-spec v1.1, descriptor.md."""
    return {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}


def manifest_of(config: bytes, layers: Mapping[str, LayerSource]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT,
        "config": {"mediaType": CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
        "layers": [descriptor(layer) for layer in {layer.digest: layer for layer in layers.values()}.values()],
    }
    return json.dumps(document, indent=1).encode()


def read_config(content: bytes) -> PortableCache:
    """Raises ValueError for what is none of ours."""
    try:
        document = json.loads(content)
        if document["version"] != VERSION:
            raise ValueError(f"it is of version {document['version']}, and this engine knows {VERSION}")
        steps = [step_of(item) for item in document["steps"]]
        layers = {
            str(diff_id): LayerDescriptor(Digest.parse(item["digest"]), int(item["size"]), str(item["mediaType"]))
            for diff_id, item in document["layers"].items()
        }
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it can't be read ({type(error).__name__}: {error})") from None
    return PortableCache({step.state.key: step for step in steps}, layers)


def step_of(item: Mapping[str, Any]) -> PortableStep:
    """Chains are reckoned anew: what a layer lies on is never taken on trust. Raises as from_json."""
    chains: list[str] = []
    for diff_id in item["state"]["diff_ids"]:
        Digest.parse(diff_id)
        chains.append(chain_id_of(chains[-1] if chains else "", diff_id))
    state = State.from_json({**item["state"], "chain_ids": chains})
    if not isinstance(state.config, dict) or not isinstance(state.base, dict):
        raise TypeError("a step's config is no object")
    return PortableStep(str(item["parent"]), str(item["description"]), int(item["size"]), state)


def added_layer(state: State) -> tuple[str, str] | None:
    """(chain, DiffID) of the layer that the state's last step made; None for a step that made none."""
    if not state.history or state.history[-1].get("empty_layer") or not state.diff_ids:
        return None
    return state.chain_ids[-1], state.diff_ids[-1]
