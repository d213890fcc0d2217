"""What requests for files are answered with; no sockets."""

import os
from email.utils import formatdate

import pytest

from usnet.cli.files import FilePart, Files, byte_range


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    (root / "sub").mkdir(parents=True)
    (root / "bare").mkdir()
    (root / "index.html").write_text("<p>front")
    (root / "sub" / "index.html").write_text("<p>sub")
    (root / "numbers.txt").write_bytes(b"0123456789")
    (root / "with space & ümlaut.bin").write_bytes(b"x")
    (root / "empty").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "leads-out").symlink_to(tmp_path / "secret")
    (root / "leads-in").symlink_to("numbers.txt")
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    return Files(root)


def get(site, target, method="GET", **headers):
    """(status, headers with names in lower case, body)."""
    answer = site.answer(method, target, {name.replace("_", "-"): value for name, value in headers.items()})
    body = answer.body
    if isinstance(body, FilePart):
        with os.fdopen(body.fd, "rb", closefd=False):
            pieces = iter(lambda: answer.body.read(4), b"")
            body = b"".join(pieces)
        answer.body.close()
    return answer.status, {name.lower(): value for name, value in answer.headers}, body


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", b"<p>front"),
        ("/numbers.txt", b"0123456789"),
        ("/numbers.txt?version=2", b"0123456789"),
        ("/%6eumbers%2Etxt", b"0123456789"),
        ("//numbers.txt", b"0123456789"),
        ("/sub/../numbers.txt", b"0123456789"),
        ("/sub/", b"<p>sub"),
        ("/leads-in", b"0123456789"),
        ("/with%20space%20&%20%C3%BCmlaut.bin", b"x"),
        ("/empty", b""),
        ("http://10.9.0.2/numbers.txt", b"0123456789"),
    ],
)
def test_a_target_names_a_file(site, target, body):
    status, headers, found = get(site, target)
    assert (status, found, headers["content-length"]) == (200, body, str(len(body)))


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/nothing", 404),
        ("/numbers.txt/", 404),
        ("/numbers.txt/more", 404),
        ("/" + "x" * 5000, 404),
        ("/circle", 404),
        ("/bare/", 403),
        ("/pipe", 403),
        ("/leads-out", 403),
        ("/../secret", 403),
        ("/sub/../../secret", 403),
        ("/%2e%2e/secret", 403),
        ("/..%2fsecret", 403),
        ("/../../../../../../etc/passwd", 403),
        ("numbers.txt", 400),
        ("*", 400),
        ("/%zz", 400),
        ("/numbers.txt%00", 400),
        ("/%", 400),
        ("http://[broken/", 400),
    ],
)
def test_what_is_no_file_in_the_directory_is_refused(site, target, status):
    found, _, body = get(site, target)
    assert found == status
    assert b"secret" not in body


def test_a_directory_without_its_slash_is_redirected(site):
    assert get(site, "/sub")[:2][1]["location"] == "/sub/"
    assert get(site, "/sub")[0] == 301
    assert get(site, "//sub")[1]["location"] == "/sub/"  # never to another host


def test_a_file_without_permission_is_403(site, monkeypatch):
    def forbidden(path, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    assert get(site, "/numbers.txt")[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_methods_are_405_and_told_which_there_are(site, method):
    status, headers, _ = get(site, "/", method=method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/numbers.txt", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(site, target):
    status, headers, _ = get(site, target)
    assert get(site, target, method="HEAD") == (status, headers, b"")


def test_descriptors_do_not_leak(site):
    before = len(os.listdir("/proc/self/fd"))
    for target in ("/numbers.txt", "/pipe", "/nothing", "/bare/"):
        get(site, target)
        get(site, target, method="HEAD")
        get(site, target, range="bytes=100-")
        get(site, target, if_none_match="*")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("wanted", "part", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-5", b"2345", "bytes 2-5/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-99", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        (" bytes = 1 - 2 ", b"12", "bytes 1-2/10"),
    ],
)
def test_a_range_is_a_part_of_the_file(site, wanted, part, content_range):
    status, headers, body = get(site, "/numbers.txt", range=wanted)
    assert (status, body, headers["content-range"], headers["content-length"]) == (
        206,
        part,
        content_range,
        str(len(part)),
    )


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0", f"bytes={10**17}-"])
def test_a_range_outside_of_the_file_is_416(site, wanted):
    status, headers, _ = get(site, "/numbers.txt", range=wanted)
    assert (status, headers["content-range"]) == (416, "bytes */10")


@pytest.mark.parametrize(
    "wanted", ["bytes=5-2", "bytes=-", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=" + "1" * 40 + "-"]
)
def test_ranges_that_are_not_understood_are_ignored(site, wanted):
    assert get(site, "/numbers.txt", range=wanted)[0] == 200
    assert byte_range(wanted, 10) is None


def test_the_range_of_an_empty_file_is_416(site):
    assert get(site, "/empty", range="bytes=0-")[0] == 416


def test_a_copy_that_is_still_good_is_not_sent_again(site):
    _, headers, _ = get(site, "/numbers.txt")
    assert get(site, "/numbers.txt", if_none_match=headers["etag"])[::2] == (304, b"")
    assert get(site, "/numbers.txt", if_none_match='"other", W/' + headers["etag"])[0] == 304
    assert get(site, "/numbers.txt", if_none_match='"other"', if_modified_since=headers["last-modified"])[0] == 200
    assert get(site, "/numbers.txt", if_modified_since=headers["last-modified"])[0] == 304
    assert get(site, "/numbers.txt", if_modified_since=formatdate(0, usegmt=True))[0] == 200
    assert get(site, "/numbers.txt", if_modified_since="yesterday")[0] == 200


def test_a_range_of_another_version_is_the_whole_file(site):
    _, headers, _ = get(site, "/numbers.txt")
    assert get(site, "/numbers.txt", range="bytes=0-1", if_range=headers["etag"])[0] == 206
    assert get(site, "/numbers.txt", range="bytes=0-1", if_range='"other"')[0] == 200


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/numbers.txt", "text/plain; charset=utf-8"),
        ("/empty", "application/octet-stream"),
    ],
)
def test_the_type_comes_from_the_name(site, target, kind):
    assert get(site, target)[1]["content-type"] == kind


def test_a_file_that_becomes_shorter_while_it_is_sent_is_an_error(site):
    answer = site.answer("GET", "/numbers.txt", {})
    assert answer.body.read(4) == b"0123"
    (site.root / "numbers.txt").write_bytes(b"012")
    with pytest.raises(OSError, match="shorter"):
        answer.body.read(4)
    answer.body.close()


def test_the_root_must_be_a_directory(site):
    with pytest.raises(NotADirectoryError):
        Files(site.root / "numbers.txt")
    with pytest.raises(FileNotFoundError):
        Files(site.root / "nothing")
