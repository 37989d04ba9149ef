"""What does the client ask for in the first packets of a flow?

Puts a ClientHello or an HTTP head together from at most two TCP segments, in either order, and a QUIC ClientHello from
at most two datagrams; a DNS query is one datagram. Like the devices it imitates it looks at the first request of a
connection only. What a rule makes of the answer is `probe.lab.matchers`'s.
"""

from probe.lab.sightings import Request, RequestKind
from probe.wire import packets, plaintext, quic, tls

MAX_REASSEMBLED_SEGMENTS = 2
MAX_REASSEMBLED_DATAGRAMS = 2
DNS_PORT = 53
QUIC_PORT = 443
HTTP_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ")
OTHER = Request(kind=RequestKind.OTHER)


class TcpReading:
    """The first bytes of one TCP connection."""

    def __init__(self) -> None:
        self.is_over = False
        self._first_seq: int | None = None
        self._segments: dict[int, bytes] = {}

    def restart(self, syn: packets.TcpSegment, *, is_over: bool) -> None:
        """A new connection on the same ports."""
        self._first_seq = (syn.seq + 1) & 0xFFFFFFFF
        self._segments.clear()
        self.is_over = is_over

    def add(self, segment: packets.TcpSegment) -> Request | None:
        """One segment of the client's; the request once it is whole. After too many segments it is nothing known."""
        if self.is_over or not segment.payload:
            return None
        request = _request_in(self._stream_with(segment))
        if request is None and len(self._segments) < MAX_REASSEMBLED_SEGMENTS:
            return None
        self.is_over = True
        self._segments.clear()
        return request or OTHER

    def _stream_with(self, segment: packets.TcpSegment) -> bytes:
        """Add the segment; the stream so far, without gaps."""
        if self._first_seq is None:
            self._first_seq = segment.seq
        offset = (segment.seq - self._first_seq) & 0xFFFFFFFF
        if offset < tls.MAX_CLIENT_HELLO_BYTES:
            self._segments[offset] = segment.payload
        stream = b""
        while len(stream) in self._segments:
            stream += self._segments[len(stream)]
        return stream


def _request_in(stream: bytes) -> Request | None:
    """What a stream begins with; None while its bytes are too few to tell."""
    if not stream:
        return None
    if stream.startswith(HTTP_METHODS):
        name = plaintext.parse_http_host(stream)
        whole = name is not None or b"\r\n\r\n" in stream
        return Request(kind=RequestKind.HTTP, name=name) if whole else None
    try:
        hello = tls.parse_client_hello(stream)
    except tls.IncompleteHelloError:
        return None
    except tls.NotClientHelloError:
        return OTHER
    return Request(kind=RequestKind.TLS, name=hello.server_name, has_ech=hello.has_ech)


class QuicReading:
    """The first datagrams that a client sends to a QUIC port."""

    def __init__(self) -> None:
        self.is_over = False
        self._initials = quic.InitialReader()
        self._datagrams = 0
        self._first: Request | None = None

    def add(self, payload: bytes) -> Request | None:
        """One UDP payload; what is known now. Its name comes with the datagram that completes the ClientHello."""
        if self.is_over:
            return None
        if self._first is None:
            version = quic.long_header_version(payload)
            if version is None:
                self.is_over = True
                return OTHER
            self._first = Request(
                kind=RequestKind.QUIC, name_is_known=False, size_bytes=len(payload), quic_version=version
            )
        self._datagrams += 1
        try:
            hello = self._initials.feed(payload)
        except quic.NotInitialError:
            self.is_over = True
            return self._first
        self.is_over = hello is not None or self._datagrams >= MAX_REASSEMBLED_DATAGRAMS
        if hello is None:
            return self._first
        return Request(
            kind=RequestKind.QUIC,
            name=hello.server_name,
            has_ech=hello.has_ech,
            size_bytes=self._first.size_bytes,
            quic_version=self._first.quic_version,
        )


def dns_request(payload: bytes) -> Request:
    """The query in one datagram; OTHER where it is none."""
    try:
        return Request(kind=RequestKind.DNS, name=plaintext.parse_dns_question(payload).name)
    except packets.MalformedPacketError:
        return OTHER
