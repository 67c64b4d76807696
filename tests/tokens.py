"""A token server as registries name one in their challenges, and Debian's docker-registry that trusts it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

SERVICE, ISSUER = "the registry", "the token server"
Form = dict[str, list[str]]


def packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def token(key: rsa.RSAPrivateKey, certificate: bytes, scopes: list[str]) -> str:
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": SERVICE, "sub": "me", "iat": now, "nbf": now - 60, "exp": now + 300, "jti": "1"}
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(certificate).decode()]}
    said = ".".join(packed(json.dumps(part).encode()) for part in (header, {**claims, "access": access}))
    return f"{said}.{packed(key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@contextmanager
def token_server(key_file: Path, certificate_file: Path, identity: str) -> Iterator[tuple[str, list[Form]]]:
    """(its URL, the forms that came): for an identity token it gives what is asked for, for nothing else anything."""
    loaded = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    key: rsa.RSAPrivateKey = loaded
    certificate = load_pem_x509_certificate(certificate_file.read_bytes()).public_bytes(Encoding.DER)
    forms: list[Form] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            forms.append(form)
            good = form.get("grant_type") == ["refresh_token"] and form.get("refresh_token") == [identity]
            scopes = " ".join(form.get("scope", [])).split()
            self.answer({"access_token": token(key, certificate, scopes)} if good else None)

        def do_GET(self) -> None:
            forms.append(parse_qs(urlsplit(self.path).query))
            self.answer(None)

        def answer(self, document: dict[str, Any] | None) -> None:
            body = json.dumps(document or {"errors": [{"code": "UNAUTHORIZED", "message": "not you"}]}).encode()
            self.send_response(200 if document else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/token", forms
        finally:
            server.shutdown()


def auth_config(url: str, certificate_file: Path) -> str:
    """For docker-registry's configuration."""
    said = {"realm": url, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(certificate_file)}
    return f"auth: {json.dumps({'token': said})}\n"
