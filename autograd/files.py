"""Files that appear whole or not at all, and digests by which what was read is known to be what was written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any


def write(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file beside its place under another name, then rename it.

    Args:
        path: where to; an existing file is replaced.
        content: what it then holds.

    Returns:
        The path.

    Raises:
        OSError: if it cannot be written; it names the path.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from None  # nobody knows the name of the part
        raise
    return path


def digest(body: Any) -> str:
    """Return the digest of what JSON holds, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
