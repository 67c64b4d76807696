"""Values that must be kept and never read by chance: encrypted under a key file beside the ledger (0600).

The key is never exported and never in the ledger. Where it is missing, what it sealed can't be opened again: whoever
asks is told so by None, and the values come from the project's source, if they still are the same (reconcile.restore).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_FILE = "ledger.key"
KEY_BYTES = 32
NONCE_BYTES = 12


class Vault:
    """AES-256-GCM; the digest of a value is authenticated with it, so that no ciphertext stands in for another."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / KEY_FILE

    def seal(self, digest: str, value: bytes) -> bytes:
        """Nonce and ciphertext. Makes the key on first use."""
        # late: 20 ms, and most projects have nothing to hide
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.key_made()).encrypt(nonce, value, digest.encode())

    def open(self, digest: str, sealed: bytes) -> bytes | None:
        """The value; None where the key is missing, or is not the one that sealed it."""
        # late: as above
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self.key()
        if key is None:
            return None
        try:
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], digest.encode())
        except InvalidTag:
            return None

    def key(self) -> bytes | None:
        try:
            found = self.path.read_bytes()
        except OSError:
            return None
        return found if len(found) == KEY_BYTES else None

    def key_made(self) -> bytes:
        """The key. Two first uses at once agree on one."""
        if (found := self.key()) is not None:
            return found
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            if self.path.exists():
                # there, and no key: what it sealed is lost already
                os.replace(temporary, self.path)
            else:
                # a link fails where another run was first, and then that one's key counts
                os.link(temporary, self.path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
        return self.path.read_bytes()
