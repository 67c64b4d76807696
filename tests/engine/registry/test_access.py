"""Who may do what: passwords, tokens with scopes, pulls without a name; read-only, TLS, one owner per store."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.registries import ROOT, Answer, Registry, digest_of, running_registry


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "htpasswd"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    path.write_text(f"# people\nme:{hashed.replace('$2b$', '$2y$')}\n")
    return path


@pytest.fixture(scope="module")
def basic(users: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("basic"), f"--htpasswd={users}") as registry:
        yield registry


@pytest.fixture(scope="module")
def bearer(users: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    flags = (f"--htpasswd={users}", "--auth=bearer", "--anonymous-pull")
    with running_registry(tmp_path_factory.mktemp("bearer"), *flags) as registry:
        yield registry


def password(user: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def token_for(registry: Registry, refusal: Answer, headers: dict[str, str]) -> dict[str, str]:
    """What the challenge asks for."""
    challenge = refusal.headers["www-authenticate"]
    said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    assert challenge.startswith("Bearer ")
    assert said["realm"] == f"http://{registry.address}/token"
    answer = registry.ask(
        "GET", f"/token?service={said['service']}&scope={said['scope']}".replace(" ", "%20"), b"", headers
    )
    assert answer.status == 200, answer
    assert answer.json["token"] == answer.json["access_token"]
    return {"Authorization": f"Bearer {answer.json['token']}"}


@pytest.mark.parametrize("path", ["/v2/", "/v2/a/manifests/v1", "/v2/_catalog", "/v2/a/tags/list", "/v1/search?q=a"])
def test_without_a_password_nothing_is_to_be_had(basic: Registry, path: str) -> None:
    answer = basic.ask("GET", path)
    assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(("user", "secret"), [("me", "wrong"), ("you", "secret"), ("", ""), ("me", "")])
def test_a_wrong_password_is_refused(basic: Registry, user: str, secret: str) -> None:
    assert basic.ask("GET", "/v2/", b"", password(user, secret)).status == 401


def test_a_user_may_do_all(basic: Registry) -> None:
    basic.headers = password("me", "secret")
    try:
        assert basic.ask("GET", "/v2/").status == 200
        assert basic.push_manifest("a", "v1", basic.image("a")).status == 201
        assert basic.ask("GET", "/v2/_catalog").json["repositories"] == ["a"]
    finally:
        basic.headers = {}


def test_a_user_added_to_the_file_is_known_without_a_restart(basic: Registry, users: Path) -> None:
    hashed = bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()
    before = users.read_text()
    users.write_text(f"{before}late:{hashed}\n")
    assert basic.ask("GET", "/v2/", b"", password("late", "new")).status == 200
    users.write_text(before)
    assert basic.ask("GET", "/v2/", b"", password("late", "new")).status == 401


def test_a_token_opens_what_its_scope_says_and_nothing_else(bearer: Registry) -> None:
    refusal = bearer.ask("POST", "/v2/mine/blobs/uploads/")
    assert refusal.status == 401
    assert 'scope="repository:mine:pull,push"' in refusal.headers["www-authenticate"]
    token = token_for(bearer, refusal, password("me", "secret"))
    assert bearer.ask("POST", "/v2/mine/blobs/uploads/", b"", token).status == 202
    assert bearer.ask("POST", "/v2/other/blobs/uploads/", b"", token).status == 401
    assert bearer.ask("DELETE", f"/v2/mine/blobs/{digest_of(b'x')}", b"", token).status == 401


def test_a_mount_asks_for_both_repositories(bearer: Registry) -> None:
    refusal = bearer.ask("POST", f"/v2/mine/blobs/uploads/?mount={digest_of(b'x')}&from=theirs")
    assert 'scope="repository:mine:pull,push repository:theirs:pull"' in refusal.headers["www-authenticate"]
    token = token_for(bearer, refusal, password("me", "secret"))
    assert bearer.ask("POST", f"/v2/mine/blobs/uploads/?mount={digest_of(b'x')}&from=theirs", b"", token).status == 202


def test_content_is_mounted_from_wherever_the_user_may_pull_it(
    bearer: Registry, divided: tuple[Registry, Path]
) -> None:
    """Such a mount names no other repository: a client can ask for a token of its own alone."""
    theirs = Registry("rorqual", bearer.address, headers=token_of(bearer, "theirs", "me"))
    digest = theirs.push_blob("theirs", b"from wherever")
    mount = f"/v2/mine/blobs/uploads/?mount={digest}"
    assert bearer.ask("POST", mount, b"", token_of(bearer, "mine", "me")).status == 201
    registry, _ = divided
    if "Bearer" not in registry.ask("POST", "/v2/mine/b/blobs/uploads/").headers["www-authenticate"]:
        return
    for source, expected in (("hidden", 202), ("open", 201)):
        root = Registry("rorqual", registry.address, headers=token_of(registry, source, "root"))
        content = root.push_blob(source, f"in {source}".encode())
        mount = f"/v2/mine/b/blobs/uploads/?mount={content}"
        assert registry.ask("POST", mount, b"", token_of(registry, "mine/b", "me")).status == expected, source


def token_of(registry: Registry, name: str, user: str) -> dict[str, str]:
    """To push to the one repository."""
    refusal = registry.ask("POST", f"/v2/{name}/blobs/uploads/")
    return token_for(registry, refusal, password(user, "secret"))


@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_a_large_body_without_a_password_is_told_that_the_connection_ends(
    basic: Registry, chunked: bool
) -> None:
    """Else clients send the answer to the challenge on it, and lose that."""
    host, port = basic.address.split(":")
    framed = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {20 << 20}"
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\n{framed}\r\n\r\n".encode())
        head = line.recv(65536)
    assert head.startswith(b"HTTP/1.1 401") and b"\r\nConnection: close\r\n" in head


def test_a_manifest_that_was_sent_without_a_password_is_sent_again_on_the_same_connection(basic: Registry) -> None:
    content = b" " * 4_000_000
    connection = http.client.HTTPConnection(basic.address, timeout=60)
    try:
        for headers, expected in (({}, 401), (password("me", "secret"), 400)):
            connection.request("PUT", "/v2/a/manifests/v1", content, headers)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.getheader("connection")) == (expected, None)
    finally:
        connection.close()


def test_without_a_name_one_may_pull_where_that_is_allowed(bearer: Registry) -> None:
    assert bearer.ask("GET", "/v2/").status == 401
    assert bearer.ask("GET", "/v2/none/manifests/v1").status == 404
    refusal = bearer.ask("POST", "/v2/mine/blobs/uploads/")
    token = token_for(bearer, refusal, {})
    assert bearer.ask("GET", "/v2/mine/manifests/none", b"", token).status == 404
    assert bearer.ask("POST", "/v2/mine/blobs/uploads/", b"", token).status == 401


def test_a_token_of_somebody_elses_making_is_refused(bearer: Registry) -> None:
    refusal = bearer.ask("POST", "/v2/mine/blobs/uploads/")
    token = token_for(bearer, refusal, password("me", "secret"))["Authorization"]
    head, claims, signature = token.removeprefix("Bearer ").split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    for forged in (
        f"{head}.{claims}.",
        f"{none}.{claims}.",
        f"{head}.{claims[:-2]}.{signature}",
        "x",
        "a.b.c",
        "..",
        "ü",
    ):
        forgery = {"Authorization": f"Bearer {forged}".encode().decode("latin-1")}
        assert bearer.ask("POST", "/v2/mine/blobs/uploads/", b"", forgery).status == 401


def test_a_wrong_password_gets_no_token(bearer: Registry) -> None:
    assert bearer.ask("GET", "/token?service=x&scope=repository:a:pull", b"", password("me", "no")).status == 401
    form = b"grant_type=password&username=me&password=secret&service=x&scope=repository:a:pull"
    assert bearer.ask("POST", "/token", form).status == 200


RIGHTS = "me mine/* pull,push\nme shared/* pull # not more\n* open pull\nroot * *\nanonymous open pull\n"


@pytest.fixture(scope="module", params=["basic", "bearer"])
def divided(
    request: pytest.FixtureRequest, users: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Registry, Path]]:
    """A registry with two users and a file of rights."""
    folder = tmp_path_factory.mktemp("divided")
    both = folder / "htpasswd"
    both.write_text(users.read_text() + users.read_text().partition("\n")[2].replace("me:", "root:"))
    rights = folder / "rights"
    rights.write_text(RIGHTS)
    flags = (f"--htpasswd={both}", f"--rights={rights}", f"--auth={request.param}", "--anonymous-pull")
    with running_registry(folder / "content", *flags) as registry:
        yield registry, rights


def status(registry: Registry, method: str, path: str, user: str) -> int:
    """As a client has it: with a token where one is asked for."""
    known = password(user, "secret") if user else {}
    answer = registry.ask(method, path, b"", known if "Basic" in str(known) else {})
    if answer.status == 401 and answer.headers["www-authenticate"].startswith("Bearer"):
        answer = registry.ask(method, path, b"", token_for(registry, answer, known))
    return answer.status


def test_a_user_may_do_what_a_line_allows_and_nothing_else(divided: tuple[Registry, Path]) -> None:
    registry, _ = divided
    for method, path, user, expected in (
        ("POST", "/v2/mine/a/blobs/uploads/", "me", {202}),
        ("GET", "/v2/mine/a/manifests/none", "me", {404}),
        ("DELETE", "/v2/mine/a/manifests/none", "me", {403}),
        ("POST", "/v2/shared/a/blobs/uploads/", "me", {403}),
        ("GET", "/v2/shared/a/manifests/none", "me", {404}),
        ("GET", "/v2/theirs/manifests/none", "me", {403}),
        ("GET", "/v2/open/manifests/none", "me", {404}),
        ("GET", "/v2/open/manifests/none", "", {404}),
        ("GET", "/v2/mine/a/manifests/none", "", {401}),
        ("DELETE", "/v2/theirs/manifests/none", "root", {404}),
    ):
        assert status(registry, method, path, user) in expected, (method, path, user)


def test_lists_show_what_may_be_pulled(divided: tuple[Registry, Path]) -> None:
    registry, _ = divided
    root = Registry("rorqual", registry.address, headers=password("root", "secret"))
    for name in ("mine/b", "theirs", "open"):
        root.push_blob(name, b"content")
    mine = Registry("rorqual", registry.address, headers=password("me", "secret"))
    assert mine.ask("GET", "/v2/_catalog").json["repositories"] == ["mine/b", "open"]
    assert [one["name"] for one in mine.ask("GET", "/v1/search?q=e").json["results"]] == ["mine/b", "open"]
    mount = f"/v2/mine/b/blobs/uploads/?mount={digest_of(b'content')}"
    assert mine.ask("POST", f"{mount}&from=theirs").status == 202
    assert mine.ask("POST", f"{mount}&from=open").status == 201


def test_rights_that_change_count_at_once_and_bad_ones_are_refused(divided: tuple[Registry, Path]) -> None:
    registry, rights = divided
    rights.write_text("me mine/* pull\n")
    assert status(registry, "POST", "/v2/mine/a/blobs/uploads/", "me") == 403
    rights.write_text(RIGHTS)
    assert status(registry, "POST", "/v2/mine/a/blobs/uploads/", "me") == 202
    bad = rights.with_name("bad")
    bad.write_text("# good\nme mine/* write\n")
    told = serve(f"--root={rights.parent}/other", f"--htpasswd={rights.with_name('htpasswd')}", f"--rights={bad}")
    assert f"{bad}:2: want USER REPOSITORY ACTIONS" in told


def test_a_read_only_registry_takes_no_changes(tmp_path: Path) -> None:
    with running_registry(tmp_path) as registry:
        digest = registry.push_blob("a", b"blob")
        location = registry.begin("a")
    with running_registry(tmp_path, "--read-only") as registry:
        assert registry.ask("GET", f"/v2/a/blobs/{digest}").body == b"blob"
        changes = [
            ("POST", "/v2/a/blobs/uploads/"),
            ("PATCH", location),
            ("PUT", f"{location}?digest={digest}"),
            ("PUT", "/v2/a/manifests/v1"),
            ("DELETE", f"/v2/a/blobs/{digest}"),
            ("DELETE", "/v2/a/manifests/v1"),
        ]
        for method, path in changes:
            answer = registry.ask(method, path)
            assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])


def test_tls_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made = [*words, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    flags = (f"--tls-cert={certificate}", f"--tls-key={key}")
    with running_registry(tmp_path / "root", *flags) as registry:
        registry.context = ssl.create_default_context(cafile=str(certificate))
        content = b"over TLS" * 500_000
        digest = registry.push_blob("a", content)
        assert registry.ask("GET", f"/v2/a/blobs/{digest}").body == content


def serve(*flags: str) -> str:
    """What a registry that can't begin says."""
    words = [sys.executable, "-m", "engine.cli.main", "registry", "serve", *flags]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_store_has_one_owner(rorqual_registry: Registry, tmp_path: Path) -> None:
    with running_registry(tmp_path):
        assert "another registry works in" in serve("--listen=127.0.0.1:0", f"--root={tmp_path}")
    taken = serve(f"--listen={rorqual_registry.address}", f"--root={tmp_path}")
    assert f"can't listen on {rorqual_registry.address}: Address already in use" in taken


def test_flags_that_can_not_be_meant_are_refused_in_words(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("me:{SHA}nothing\n")
    root = f"--root={tmp_path / 'root'}"
    assert "plain:1: want <user>:<bcrypt hash>" in serve("--listen=127.0.0.1:0", root, f"--htpasswd={plain}")
    assert "none: No such file" in serve("--listen=127.0.0.1:0", root, f"--htpasswd={tmp_path / 'none'}")
    assert "want ADDR:PORT" in serve("--listen=somewhere", root)
    assert "want basic or bearer" in serve("--auth=digest", root)
    assert "belong together" in serve(f"--tls-cert={plain}", root)
    assert "not a certificate and its key" in serve(f"--tls-cert={plain}", f"--tls-key={plain}", root)
