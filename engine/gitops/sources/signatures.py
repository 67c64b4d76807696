"""Whether a commit or tag bears a signature that the source's settings trust: git's own verification, our keys only."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from engine.gitops.settings.models import Signatures
from engine.gitops.sources.faults import SourceFault, Untrusted
from engine.gitops.sources.mirror import TIP, Mirror
from engine.kit.files import atomic_write
from engine.kit.process import run_process

# The name under which gpg looks for keys in a folder of its own.
RING = "pubring.gpg"


async def verify(mirror: Mirror, signatures: Signatures, commit: str, home: Path) -> None:
    """Raises Untrusted where neither the commit nor the tag that it was fetched by is signed by a trusted key."""
    git = replace(mirror.git, extra=await keys(signatures, home))
    options = ["-c", "gpg.minTrustLevel=undefined"]
    if signatures.allowed_signers is not None:
        options += ["-c", f"gpg.ssh.allowedSignersFile={signatures.allowed_signers}"]
    done = await git.attempt(*options, "verify-commit", "--raw", commit, at=mirror.place)
    if done.code and mirror.origin.tag is not None:
        done = await git.attempt(*options, "verify-tag", "--raw", TIP, at=mirror.place)
    if done.code:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        told = "it is not signed" if not why else readable(why)
        raise Untrusted(f"commit {commit[:12]} of {mirror.origin.url} has no trusted signature: {told}")


def readable(lines: list[str]) -> str:
    for line in lines:
        if "NO_PUBKEY" in line or "ERRSIG" in line:
            return "it is signed by a key that is not in the keyring"
        if "BADSIG" in line:
            return "its signature doesn't fit its content"
        if "EXPKEYSIG" in line or "REVKEYSIG" in line:
            return "it is signed by a key that has expired or was revoked"
    if any("No principal matched" in line for line in lines):
        return "it is signed by a key that is not among the allowed signers"
    return lines[-1]


async def keys(signatures: Signatures, home: Path) -> dict[str, str]:
    """A keyring of its own for each content of the file: what is in it is trusted, nothing else is."""
    if signatures.keyring is None:
        return {"GNUPGHOME": "/nonexistent"}
    try:
        content = signatures.keyring.read_bytes()
    except OSError as error:
        raise SourceFault(f"can't read the keyring {signatures.keyring}: {error.strerror}") from None
    folder = home / f"keys-{sha256(content).hexdigest()[:16]}"
    environment = {"GNUPGHOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
    if not (folder / RING).exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        atomic_write(folder / RING, await binary(content, signatures.keyring, environment), mode=0o600)
    return {"GNUPGHOME": str(folder)}


async def binary(content: bytes, file: Path, environment: dict[str, str]) -> bytes:
    """The keys as gpg keeps them; importing would leave an agent of gpg's running."""
    if not content.lstrip().startswith(b"-----BEGIN"):
        return content
    command = ["gpg", "--batch", "--quiet", "--no-autostart", "--dearmor"]
    try:
        done = await run_process(command, stdin=content, environment=environment, timeout_seconds=60)
    except FileNotFoundError:
        raise SourceFault("gpg is not installed, and the source's signatures need it") from None
    if done.code or not done.stdout:
        raise SourceFault(f"gpg can't read the keyring {file}")
    return done.stdout
