"""Digests, platforms and references say the same as Docker's own tools, and refuse what those refuse."""

from __future__ import annotations

import json

import pytest

from engine.oci.digest import Digest
from engine.oci.image import ImageConfig
from engine.oci.platform import Platform
from engine.oci.reference import Reference

HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_of_nothing_is_the_well_known_one() -> None:
    assert str(Digest.of(b"")) == f"sha256:{HEX}"


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", "sha256:abc", f"sha256:{HEX.upper()}", f"SHA256:{HEX}"])
def test_what_is_no_digest_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is not a digest"):
        Digest.parse(text)


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("debian", "docker.io/library/debian", "debian"),
        ("debian:12", "docker.io/library/debian:12", "debian:12"),
        ("user/app", "docker.io/user/app", "user/app"),
        ("docker.io/debian", "docker.io/library/debian", "debian"),
        ("index.docker.io/library/debian:12", "docker.io/library/debian:12", "debian:12"),
        ("localhost/app:1", "localhost/app:1", "localhost/app:1"),
        ("localhost:5000/shop/web:1.4", "localhost:5000/shop/web:1.4", "localhost:5000/shop/web:1.4"),
        ("ghcr.io/a/b/c", "ghcr.io/a/b/c", "ghcr.io/a/b/c"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        (f"debian@sha256:{HEX}", f"docker.io/library/debian@sha256:{HEX}", f"debian@sha256:{HEX}"),
        (f"debian:12@sha256:{HEX}", f"docker.io/library/debian:12@sha256:{HEX}", f"debian:12@sha256:{HEX}"),
    ],
)
def test_a_reference_has_a_whole_and_a_familiar_form(text: str, whole: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar) == (whole, familiar)


@pytest.mark.parametrize("text", ["", ":1", "a:", "a:b:c", "Debian", "a//b", "a/", "-a", "a@", "a@sha256:1", "a b"])
def test_what_is_no_reference_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Reference.parse(text)


def test_no_tag_and_no_digest_means_latest() -> None:
    assert Reference.parse("a/b").with_default_tag().tag == "latest"
    assert Reference.parse(f"a@sha256:{HEX}").with_default_tag().tag == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("arm64", "linux/arm64"),
        ("LINUX/AARCH64", "linux/arm64"),
    ],
)
def test_a_platform_has_one_spelling(text: str, wanted: str) -> None:
    assert str(Platform.parse(text)) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "cannot parse platform specifier") for text in ("", "linux/", "a/b/c/d", "l*/a")),
        ("foo", "unknown operating"),
    ],
)
def test_what_is_no_platform_is_refused_in_containerds_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Platform.parse(text)


def test_a_system_alone_means_this_machines_architecture() -> None:
    assert Platform.parse("linux") == Platform("linux", Platform.here().architecture)


def test_equal_configs_have_equal_bytes_whatever_the_order_of_labels() -> None:
    one, other = (
        ImageConfig(Platform("linux", "arm", "v7"), (Digest.of(b"x"),), 0, ("made",), labels=dict(labels))
        for labels in ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")])
    )
    assert one.to_json() == other.to_json()
    said = json.loads(one.to_json())
    assert (said["os"], said["architecture"], said["variant"]) == ("linux", "arm", "v7")
    assert said["created"] == "1970-01-01T00:00:00Z"
    assert said["rootfs"]["diff_ids"] == [str(Digest.of(b"x"))]
