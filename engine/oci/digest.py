"""Digest: the address of content. Source: OCI image-spec v1.1, descriptor.md#digests."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

GRAMMAR = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
LENGTHS = {"sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`algorithm:encoded`; of the registered algorithms the encoded part is lower-case hexadecimal of full length."""

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Raises ValueError with the fault in words."""
        if not GRAMMAR.fullmatch(text):
            raise ValueError(f'"{text}" is not a digest: want <algorithm>:<hex>, as sha256:…')
        algorithm, encoded = text.split(":", 1)
        length = LENGTHS.get(algorithm)
        if length is not None and not re.fullmatch(rf"[a-f0-9]{{{length}}}", encoded):
            raise ValueError(f'"{text}" is not a digest: {algorithm} has {length} lower-case hexadecimal digits')
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"
