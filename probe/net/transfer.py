"""How fast do media bytes go through one fresh connection under this name?

Connects from a port never used before, shakes hands, moves the bytes and says what was seen; an end by the caller's
deadline is a result like any other. One flow at a time: whether transfers are alone on the machine, and which ones
are made, is for checks and the runner. What HTTP says beyond the status is not kept.
"""

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

from probe.failure import Failure
from probe.model.observations import Direction, Series, TcpInfo, Transfer
from probe.net import tcpinfo
from probe.net.alerts import alert_of_error
from probe.net.base import Clock, TransferRequest
from probe.net.classify import classify
from probe.net.exchange import Download, Exchange, Upload
from probe.net.flow import MAX_EXTRA_BYTES, Flow
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.tally import Tally
from probe.net.trust import Trust, name_fits

FRAMING = 1.1  # a TLS record of 1 KB, which some servers write, has 2 % of header and tag, a chunk of it another
KEEPALIVE_SECONDS = 1  # the least that kernels take
KEEPALIVES = 100  # unanswered before the kernel gives up: more than any transfer lasts
HOSTNAME_MISMATCH = 62  # X509_V_ERR_HOSTNAME_MISMATCH (openssl/x509_vfy.h)


async def transfer(
    request: TransferRequest,
    *,
    deadline: float,
    clock: Clock,
    ports: Ports,
    trust: Trust,
    meter: Meter,
    gate: AddressGate,
) -> Transfer:
    """Move `request.num_bytes` and watch; `deadline` on `clock` covers the connection too.

    Never raises for what the network did. The meter gets the bytes however this ends, also when it is cancelled.
    Raises CannotRun where the gate's queue used up the time.
    """
    attempt = _Attempt(request, clock, meter)
    try:
        async with asyncio.timeout(max(0.0, deadline - clock.now())) as scope:
            async with gate.slot(request.endpoint.address, clock=clock, deadline=deadline):
                await attempt.connect(ports)
                await attempt.secure(trust)
            await attempt.exchange_bytes()
    except OSError as error:  # TimeoutError is one: the scope's, or the kernel's own
        attempt.fail(error, expired=scope.expired())
    finally:
        attempt.close()
    await attempt.wait_closed()
    return attempt.result()


class _Attempt:
    """The one connection of a transfer, and what is known of it so far."""

    def __init__(self, request: TransferRequest, clock: Clock, meter: Meter) -> None:
        self._request, self._clock, self._meter = request, clock, meter
        self._tally: Tally | None = None
        self._sock: socket.socket | None = None
        self._flow: Flow | None = None
        self._exchange: Exchange | None = None
        self._acked_at_connect: int | None = None
        self._source_port = 0
        self._t0 = clock.now()
        self._t = self._t0
        self._t_connected: float | None = None
        self._t_secured: float | None = None
        self._failure: Failure | None = None
        self._alert: str | None = None
        self._verified: bool | None = None
        self._cut = False
        self._last: TcpInfo | None = None
        self.sent_bytes = 0
        self.received_bytes = 0

    async def connect(self, ports: Ports) -> None:
        """Open the connection. Raises OSError."""
        self._t0 = self._clock.now()
        endpoint = self._request.endpoint
        self._sock = socket.socket(socket.AF_INET6 if endpoint.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        _ask_in_silence(self._sock)
        self._tally = Tally(self._meter, self._sock)
        self._source_port = ports.bind(self._sock)
        await asyncio.get_running_loop().sock_connect(self._sock, (endpoint.address, endpoint.port))
        self._t_connected = self._clock.now()
        info = tcpinfo.read_tcp_info(self._sock)  # before a byte is sent: some kernels count the SYN as acknowledged
        self._acked_at_connect = None if info is None else info.bytes_acked

    async def secure(self, trust: Trust) -> None:
        """Shake hands, unless the URL is plain HTTP. Raises OSError, ssl.SSLError among them."""
        assert self._sock is not None and self._tally is not None
        loop = asyncio.get_running_loop()
        request = self._request
        context = _context(request, trust)
        asked_bytes = request.num_bytes if request.direction is Direction.DOWNLOAD else 0
        limit = int(asked_bytes * FRAMING) + MAX_EXTRA_BYTES
        self._flow = flow = Flow(loop, context, request.server_name, max_received_bytes=limit, tally=self._tally)
        await loop.create_connection(lambda: flow, sock=self._sock)
        try:
            await flow.secured
            if context is trust.chain_verifying and not name_fits(flow.certificate, _bare(request.host)):
                raise _wrong_name()
        except ssl.SSLCertVerificationError:
            self._verified = False
            raise
        if context is not None:
            self._t_secured = self._clock.now()
            self._verified = True if request.verify else None

    async def exchange_bytes(self) -> None:
        """Send the request and wait until all is done. Raises ssl.SSLError when TLS ended before the request."""
        flow, sock, request = self._flow, self._sock, self._request
        assert flow is not None and sock is not None
        if request.direction is Direction.DOWNLOAD:
            self._exchange = Download(flow, sock, self._clock.now, request.num_bytes)
        else:
            self._exchange = Upload(
                flow,
                sock,
                self._clock.now,
                request.num_bytes,
                self._acked_at_connect,
                stepwise_from_bytes=request.stepwise_from_bytes,
            )
        flow.attach(self._exchange)
        if not self._exchange.ended:
            self._exchange.start(request.url, request.host)
        await self._exchange.wait()

    def fail(self, error: OSError, *, expired: bool) -> None:
        """Note an end that the exchange did not note itself; `expired` says that our own deadline made it."""
        exchange = self._exchange
        if exchange is not None and exchange.ended:
            return
        self._cut = expired
        if exchange is not None and exchange.t_request is not None and expired:
            return  # a slow sample, not a failure
        self._failure = Failure.GENERIC_TIMEOUT if expired else classify(error)
        self._alert = None if expired else _alert(error)

    def close(self) -> None:
        """Read the last figures and let go of the socket, whatever the state; harmless when called again."""
        self._t = self._clock.now()
        sock, flow, exchange = self._sock, self._flow, self._exchange
        if sock is None:
            return
        if exchange is not None:
            exchange.cut()
        self._last = tcpinfo.read_tcp_info(sock) or (exchange.tcp_after if exchange is not None else None)
        if flow is not None:
            self.sent_bytes = flow.wire_sent_bytes - flow.unsent_bytes
            self.received_bytes = flow.wire_received_bytes
        if self._last is not None:
            self.sent_bytes = _first_known(self._last.bytes_sent, self.sent_bytes)
            self.received_bytes = _first_known(self._last.bytes_received, self.received_bytes)
        if self._tally is not None:
            self._tally.settle(self.sent_bytes, self.received_bytes)
        if flow is not None and flow.connected:
            # what still waits in the kernel would compete with the next transfer
            flow.abort(sock, reset=exchange is not None and not exchange.complete)
        else:
            sock.close()

    async def wait_closed(self) -> None:
        """Until the loop has closed the socket."""
        if self._flow is not None and self._flow.connected:
            await self._flow.closed

    def result(self) -> Transfer:
        """The transfer as a record."""
        request, exchange = self._request, self._exchange
        failure, alert = self._failure, self._alert
        if exchange is not None and failure is None:
            failure = exchange.failure
            alert = _alert(exchange.error)
        return Transfer(
            direction=request.direction,
            url=request.url,
            endpoint=request.endpoint,
            server_name=None if request.url.startswith("http:") else request.server_name,
            host=request.host,
            source_port=self._source_port,
            order=request.order,
            requested_bytes=request.num_bytes,
            t0=self._t0,
            t_connected=self._t_connected,
            t_secured=self._t_secured,
            t_request=None if exchange is None else exchange.t_request,
            t_first_byte=None if exchange is None else exchange.t_first_byte,
            t=self._t if exchange is None else exchange.t,
            status=None if exchange is None else exchange.status,
            failure=failure,
            alert=alert,
            cut=self._cut,
            complete=exchange is not None and exchange.complete,
            num_bytes=0 if exchange is None else exchange.num_bytes,
            application_bytes=0 if exchange is None else exchange.application_bytes,
            kernel_counted=exchange is not None and exchange.kernel_counted,
            verified=self._verified,
            series=Series() if exchange is None or exchange.t_request is None else exchange.sampler.series(),
            tcp_before=None if exchange is None else exchange.tcp_before,
            tcp_after=self._last if exchange is None else exchange.tcp_after,
            loop_lag_seconds=0.0 if exchange is None else exchange.sampler.lag_seconds,
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
        )


def _ask_in_silence(sock: socket.socket) -> None:
    """Have the kernel ask a silent peer every second whether it is there (RFC 9293 §3.8.4), and never end for it.

    A peer whose kernel answers while its program sends nothing is reached: then nobody on the path holds packets back.
    """
    if not hasattr(socket, "TCP_KEEPIDLE"):  # macOS names it otherwise, and has no TCP_INFO to read the answer from
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        sock.setsockopt(socket.IPPROTO_TCP, option, KEEPALIVE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVES)


def _first_known(preferred: int | None, otherwise: int) -> int:
    return otherwise if preferred is None else preferred


def _context(request: TransferRequest, trust: Trust) -> ssl.SSLContext | None:
    """None for plain HTTP. OpenSSL checks the name that is sent; where it must fit another, that is done apart."""
    if request.url.startswith("http:"):
        return None
    if not request.verify:
        return trust.unverifying
    return trust.verifying if request.server_name == _bare(request.host) else trust.chain_verifying


def _wrong_name() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("the certificate is for another name")
    error.verify_code, error.reason = HOSTNAME_MISMATCH, "CERTIFICATE_VERIFY_FAILED"
    return error


def _bare(host: str) -> str:
    """A Host header without its port."""
    return urlsplit(f"//{host}").hostname or host


def _alert(error: OSError | None) -> str | None:
    return alert_of_error(error) if isinstance(error, ssl.SSLError) else None
