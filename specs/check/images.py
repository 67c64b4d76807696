"""Image references that no engine will take: a warning, since Compose reads them too. Source: the grammar of
distribution/reference, v3.
"""

from __future__ import annotations

import re

from specs.check.subject import Service, Subject

HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])"
PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?:{HOST}(?::[0-9]+)?/)?{PART}(?:/{PART})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{{32,}})?",
    re.ASCII,
)


def reference_can_be(subject: Subject, name: str, service: Service) -> None:
    image = service.get("image")
    if not image or REFERENCE.fullmatch(image):
        return
    origin = subject.origin("services", name, "image")
    subject.report.warning(
        "bad-image",
        f'service "{name}" has the image {image!r}, which is no image reference{origin}',
        subject.at("services", name, "image"),
        hint=advice(image),
    )


def advice(image: str) -> str:
    if "://" in image:
        return f"leave out {image.partition('://')[0]}://: a reference starts with the registry's host"
    if image != image.strip() or " " in image:
        return "a reference has no spaces in it"
    if REFERENCE.fullmatch(image.lower()):
        return f"names of images are in lower case: {image.lower()}"
    return "write [HOST[:PORT]/]NAME[:TAG][@DIGEST]"
