"""Names of a project's images in a Dockerfile, replaced by the references that engines know."""

from __future__ import annotations

from engine.dockerfile.rename import with_images_renamed

NAMES = {"base": "shop-base:latest", "tools": "shop-tools:latest"}


def test_images_are_renamed_and_stages_and_texts_are_not() -> None:
    text = (
        "ARG B=base\nFROM --platform=linux/amd64 base AS one\nFROM $B AS tools\nFROM one\n"
        "COPY --chown=1 \\\n  --from=base /base base\nCOPY --from=tools /a /b\n"
        "RUN --mount=type=bind,from=base,target=/x \\\n"
        "  --mount=from=base,target=/y echo --from=base\n"
    )
    assert with_images_renamed(text, NAMES, {}) == (
        "ARG B=base\nFROM --platform=linux/amd64 shop-base:latest AS one\nFROM shop-base:latest AS tools\nFROM one\n"
        "COPY --chown=1 \\\n  --from=shop-base:latest /base base\nCOPY --from=tools /a /b\n"
        "RUN --mount=type=bind,from=shop-base:latest,target=/x \\\n"
        "  --mount=from=shop-base:latest,target=/y echo --from=base\n"
    )


def test_a_text_that_cant_be_read_stays_as_it_is() -> None:
    assert with_images_renamed("RUNN\nFROM base x", NAMES, {}) == "RUNN\nFROM base x"
