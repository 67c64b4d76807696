"""From a Target to the function that opens one more byte stream to it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import partial

from engine.api.errors import InvalidArgument
from engine.client.target import Target, Tls
from engine.http.dial import dial_tcp, dial_tls, dial_unix
from engine.http.pool import Dial


def dialer(target: Target, environment: Mapping[str, str] = os.environ) -> Dial:
    url = target.url
    if url.scheme == "unix":
        return partial(dial_unix, url.path)
    if url.scheme == "ssh":
        # late: only ssh needs subprocesses
        from engine.http.ssh import SshHost, dial_ssh, master_folder, ssh_command

        there = SshHost(url.hostname or "", url.username, url.port)
        return partial(dial_ssh, ssh_command(there, master=master_folder(environment)))
    host, port = url.hostname or "localhost", url.port or 2375
    if target.tls is None:
        return partial(dial_tcp, host, port)
    return partial(dial_tls, host, port, tls_context(target.tls), host)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """As Docker has it: ca.pem is the only authority if it is there, else the system's; cert.pem and key.pem are us."""
    authority, certificate, key = (tls.folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    try:
        context = ssl.create_default_context(cafile=str(authority) if authority.is_file() else None)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate.is_file() and key.is_file():
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(f"the TLS files in {tls.folder} can't be used: {error}") from error
    return context
