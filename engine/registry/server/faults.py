"""What a registry answers when it won't: one class per error code, with its status.

Source: OCI distribution-spec v1.1, Error Codes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class RegistryFault(Exception):
    """`message` is for people, `detail` for programs; `headers` go with the answer."""

    status = 400
    code = "UNSUPPORTED"

    def __init__(
        self, message: str, *, detail: Any = None, headers: Mapping[str, str] | None = None, status: int | None = None
    ) -> None:
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        if status is not None:
            self.status = status
        super().__init__(message)

    def body(self) -> bytes:
        return error_body(self.code, self.message, self.detail)


def error_body(code: str, message: str, detail: Any = None) -> bytes:
    error = {"code": code, "message": message, **({} if detail is None else {"detail": detail})}
    return json.dumps({"errors": [error]}, separators=(",", ":")).encode() + b"\n"


class BlobUnknown(RegistryFault):
    status, code = 404, "BLOB_UNKNOWN"


class UploadInvalid(RegistryFault):
    status, code = 400, "BLOB_UPLOAD_INVALID"


class UploadUnknown(RegistryFault):
    status, code = 404, "BLOB_UPLOAD_UNKNOWN"


class DigestInvalid(RegistryFault):
    status, code = 400, "DIGEST_INVALID"


class ManifestBlobUnknown(RegistryFault):
    status, code = 404, "MANIFEST_BLOB_UNKNOWN"


class ManifestInvalid(RegistryFault):
    status, code = 400, "MANIFEST_INVALID"


class ManifestUnknown(RegistryFault):
    status, code = 404, "MANIFEST_UNKNOWN"


class NameInvalid(RegistryFault):
    status, code = 400, "NAME_INVALID"


class NameUnknown(RegistryFault):
    status, code = 404, "NAME_UNKNOWN"


class SizeInvalid(RegistryFault):
    status, code = 400, "SIZE_INVALID"


class Unauthorized(RegistryFault):
    status, code = 401, "UNAUTHORIZED"


class Denied(RegistryFault):
    status, code = 403, "DENIED"


class Unsupported(RegistryFault):
    status, code = 405, "UNSUPPORTED"


class RangeInvalid(RegistryFault):
    """A chunk out of order, or a range that the blob has not."""

    status, code = 416, "BLOB_UPLOAD_INVALID"
