"""Are requests for media well-formed, and is a response's end found wherever its bytes are cut?"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.net.http1 import MAX_HEAD_BYTES, BadResponseError, Response, download_request, upload_request

RESPONSES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", 200, 5, True, True),
    (b"HTTP/1.1 206 Partial\r\ncontent-length: 5\r\nConnection: Keep-Alive, Close\r\n\r\n1234", 206, 4, False, False),
    (b"HTTP/1.0 200 OK\r\n\r\n123", 200, 3, False, False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n123", 200, 3, False, True),
    (b"HTTP/1.1 200\n\n123", 200, 3, False, True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n", 304, 0, True, True),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n",
        200,
        11,
        True,
        True,
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n1234567", 200, 7, False, True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n1234567", 200, 7, False, True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno more", 403, 2, True, True),
]


def fed(raw: bytes, cuts: list[int]) -> Response:
    response = Response()
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    for start, end in pairwise(edges):
        response.feed(memoryview(raw[start:end]))
    return response


@pytest.mark.parametrize(("raw", "status", "num_bytes", "ended", "persistent"), RESPONSES)
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_a_response_is_the_same_however_it_is_cut(
    raw: bytes, status: int, num_bytes: int, ended: bool, persistent: bool, cuts: list[int]
) -> None:
    response = fed(raw, cuts)
    assert response.head is not None
    assert (response.head.status, response.head.persistent) == (status, persistent)
    assert (response.num_bytes, response.ended) == (num_bytes, ended)


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=6))
def test_garbage_is_refused_or_waited_on_never_taken(raw: bytes, cuts: list[int]) -> None:
    try:
        response = fed(raw, cuts)
    except BadResponseError:
        return
    assert response.head is None and (not raw or b"HTTP/".startswith(raw[:5]))


@given(st.binary(max_size=100).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail))
def test_hostile_headers_raise_nothing_else(raw: bytes) -> None:
    try:
        fed(raw + b"\r\n\r\n", [])
    except BadResponseError:
        raise AssertionError("a readable status line with odd headers is still a response") from None


def test_a_large_body_behind_the_head_is_counted_whole() -> None:
    response = fed(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99_999, [])
    assert response.ended and response.num_bytes == 99_999


@pytest.mark.parametrize("part", [b"a", b"Header: value\r\n", b"\r\nHTTP/1.1 100 Continue\r\n"])
def test_heads_are_bounded(part: bytes) -> None:
    response = Response()
    response.feed(memoryview(b"HTTP/1.1 102 Processing\r\n"))
    with pytest.raises(BadResponseError):
        for _ in range(MAX_HEAD_BYTES):
            response.feed(memoryview(part))
    assert len(response._raw) <= 2 * MAX_HEAD_BYTES + 1


@pytest.mark.parametrize(
    ("url", "host", "target", "authority"),
    [
        ("https://m.test/a/b?c=1&d=%20", "m.test", b"/a/b?c=1&d=%20", b"m.test"),
        ("https://m.test", "m.test", b"/", b"m.test"),
        ("https://m.test:8443/x", "m.test", b"/x", b"m.test:8443"),
        ("https://m.test:443/x", "m.test", b"/x", b"m.test"),
        ("https://m.test:8443/x", "m.test:8443", b"/x", b"m.test:8443"),
        ("https://m.test/a b\u00e9", "b\u00fccher.test", b"/a%20b%C3%A9", b"xn--bcher-kva.test"),
        ("http://m.test:443/x", "m.test", b"/x", b"m.test:443"),
    ],
)
def test_requests_say_what_is_asked_of_whom(url: str, host: str, target: bytes, authority: bytes) -> None:
    down, up = download_request(url, host, 4096), upload_request(url, host, 4096)
    assert down.startswith(b"GET " + target + b" HTTP/1.1\r\nHost: " + authority + b"\r\n")
    assert up.startswith(b"POST " + target + b" HTTP/1.1\r\nHost: " + authority + b"\r\n")
    assert b"\r\nRange: bytes=0-4095\r\n" in down and b"\r\nContent-Length: 4096\r\n" in up
    for request in (down, up):
        assert request.endswith(b"\r\n\r\n") and request.count(b"\r\n\r\n") == 1
        assert b"\r\nUser-Agent: throttleprobe/" in request and b"\r\nConnection: keep-alive\r\n" in request


def test_a_host_cannot_smuggle_headers() -> None:
    with pytest.raises(ValueError, match="Host"):
        download_request("https://m.test/", "m.test\r\nX: y", 1)
