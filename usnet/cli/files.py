"""A directory of files as answers to HTTP requests (RFC 9110). Knows nothing of sockets, nor of how messages are
framed.
"""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

METHODS = ("GET", "HEAD")
# Texts are served as UTF-8
TEXT = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass
class FilePart:
    """Bytes of an open file: `length` of them, from `offset` on. Whoever has it closes it."""

    fd: int
    offset: int
    length: int

    def read(self, most: int) -> bytes:
        """The next bytes; b"" at the end. OSError when the file has become shorter meanwhile."""
        data = os.pread(self.fd, min(most, self.length), self.offset)
        if self.length and not data:
            raise OSError("the file has become shorter while it was sent")
        self.offset += len(data)
        self.length -= len(data)
        return data

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass
class Answer:
    """`status`, headers, and what is sent: bytes, or a part of a file. Content-Length is among the headers."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | FilePart = b""

    @property
    def reason(self) -> str:
        return HTTPStatus(self.status).phrase


def error(status: int, *headers: tuple[str, str]) -> Answer:
    """An answer that says its status in a line of text."""
    body = f"{status} {HTTPStatus(status).phrase}\n".encode()
    return Answer(
        status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *headers], body
    )


class RefusedError(Exception):
    """The request has no file; `answer` says why."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        self.answer = error(status, *headers)


class Files:
    """Files(root): answer(method, target, headers) for what lies in a directory; nothing outside of it is ever shown,
    nor what links lead out to.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).resolve(strict=True)
        if not self.root.is_dir():
            raise NotADirectoryError(20, "is no directory", str(root))

    def answer(self, method: str, target: str, headers: dict[str, str]) -> Answer:
        """`target` as in the request line; `headers` with names in lower case."""
        if method not in METHODS:
            return error(405, ("Allow", ", ".join(METHODS)))
        try:
            answer = self._file(self.locate(target), headers)
        except RefusedError as refused:
            answer = refused.answer
        if method == "HEAD":
            if isinstance(answer.body, FilePart):
                answer.body.close()
            answer.body = b""
        return answer

    def locate(self, target: str) -> Path:
        """The file that a target names. RefusedError: 400, 403, 404, or 301 for a directory that was named without its
        slash.
        """
        try:
            path = urlsplit(target).path if not target.startswith("/") else re.split(r"[?#]", target, maxsplit=1)[0]
        except ValueError:
            raise RefusedError(400) from None
        raw = unquote_to_bytes(path)
        if not raw.startswith(b"/") or b"\0" in raw or re.search(r"%(?![0-9A-Fa-f]{2})", path):
            raise RefusedError(400)
        wanted = self.root.joinpath(*(part for part in os.fsdecode(raw).split("/") if part))
        try:
            found = wanted.resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            raise RefusedError(404) from None
        except PermissionError:
            raise RefusedError(403) from None
        except (OSError, RuntimeError):  # too long, or links in a circle
            raise RefusedError(404) from None
        if not found.is_relative_to(self.root):
            raise RefusedError(403)
        if not found.is_dir():
            if raw.endswith(b"/"):
                raise RefusedError(404)
            return found
        if not raw.endswith(b"/"):
            raise RefusedError(
                301, ("Location", quote("/" + raw.decode("latin-1").strip("/"), encoding="latin-1") + "/")
            )
        return self._index(found)

    def _index(self, folder: Path) -> Path:
        index = folder / "index.html"
        try:
            found = index.resolve(strict=True)
        except OSError:
            raise RefusedError(403) from None  # directories are not listed
        if not found.is_relative_to(self.root):
            raise RefusedError(403)
        return found

    def _file(self, path: Path, headers: dict[str, str]) -> Answer:
        try:
            fd = os.open(
                path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
            )  # non-blocking: it may be a pipe
        except PermissionError:
            raise RefusedError(403) from None
        except OSError:
            raise RefusedError(404) from None
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise RefusedError(403)
            part = FilePart(fd, 0, about.st_size)
            answer = self._select(part, about, headers)
            if answer.body is part:
                answer.headers.append(("Content-Type", content_type(path)))
                fd = -1
            return answer
        finally:
            if fd >= 0:
                os.close(fd)

    def _select(self, part: FilePart, about: os.stat_result, headers: dict[str, str]) -> Answer:
        """All of the file, a part of it, or the word that it has not changed."""
        tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
        modified = formatdate(int(about.st_mtime), usegmt=True)
        common = [("ETag", tag), ("Last-Modified", modified), ("Accept-Ranges", "bytes")]
        if unchanged(headers, tag, int(about.st_mtime)):
            return Answer(304, common)
        wanted = headers.get("range")
        if wanted is not None and headers.get("if-range", tag) in (tag, modified):
            span = byte_range(wanted, about.st_size)
            if span is not None and not span:
                return error(416, ("Content-Range", f"bytes */{about.st_size}"))
            if span is not None:
                part.offset, part.length = span.start, len(span)
                common.append(("Content-Range", f"bytes {span[0]}-{span[-1]}/{about.st_size}"))
                return Answer(206, [*common, ("Content-Length", str(part.length))], part)
        return Answer(200, [*common, ("Content-Length", str(part.length))], part)


def content_type(path: Path) -> str:
    kind, encoding = mimetypes.guess_type(path.name)
    if kind is None or encoding is not None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith(TEXT) else kind


def unchanged(headers: dict[str, str], tag: str, mtime: int) -> bool:
    """Whether the client's copy is still good (RFC 9110, 13.2.2)."""
    if "if-none-match" in headers:
        tags = [given.strip().removeprefix("W/") for given in headers["if-none-match"].split(",")]
        return tag in tags or "*" in tags
    try:
        since = parsedate_to_datetime(headers.get("if-modified-since", "")).timestamp()
    except (ValueError, OverflowError):
        return False
    return mtime <= since


def byte_range(text: str, size: int) -> range | None:
    """The bytes that a Range header asks for; none at all when it lies outside of the file; None when all shall be
    sent (several ranges, other units, nonsense).
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", text)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last or size) + 1, size))
