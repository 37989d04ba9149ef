"""A whole run against servers on the loopback: the names of a small internet, answered and served by a test.

The ports of the wide world (53, 80, 443) lead to wherever the test's servers listen; everything else is the real
network layer.
"""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random

import dns.message
import dns.rcode
import pytest
import trustme

from probe.assembly import Plan
from probe.commands.progress import PlainProgress
from probe.measuring import StoreSink
from probe.model.observations import DnsQuery, HttpExchange, TcpConnect, TlsHandshake, Transfer
from probe.model.results import Report, Vantage
from probe.model.targets import Controls, Endpoint, Resolver, Target
from probe.net import dns as dns_operations
from probe.net import getaddrinfo
from probe.net.base import HttpRequest, TransferRequest
from probe.net.getaddrinfo import Resolved
from probe.net.instruments import Instruments
from probe.net.live import LiveNet, Session
from probe.net.meter import Meter
from probe.net.trust import Trust
from probe.runner import Runner
from probe.store import Store
from tests.loopback.conftest import Handler, Serve, server_context
from tests.loopback.test_dns import Replies, answer, doh_server, resolver

TARGET_ADDRESS, CONTROL_ADDRESS = "127.0.0.2", "127.0.0.1"
TARGET_NAME, MEDIA_NAME, CONTROL_NAME, RESOLVER_NAME = "target.test", "media.target.test", "control.test", "doh.test"
SITE = f"https://{TARGET_NAME}/"
Doors = dict[tuple[str, int], int]  # address and port of the wide world -> port on the loopback


class StagedNet(LiveNet):
    """The real network, its well-known ports led elsewhere."""

    def __init__(self, session: "StagedSession", instruments: Instruments) -> None:
        super().__init__(session, instruments)
        self._staged = session
        self._own = instruments

    def _door(self, endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, port=self._staged.doors.get((endpoint.address, endpoint.port), endpoint.port))

    async def query_udp(self, server: str, hostname: str, query_type: str, *, deadline: float) -> DnsQuery:
        port = self._staged.doors[server, 53]
        return await dns_operations.query_udp(server, hostname, query_type, self._own, deadline=deadline, port=port)

    async def connect(self, endpoint: Endpoint, *, deadline: float) -> TcpConnect:
        made = await super().connect(self._door(endpoint), deadline=deadline)
        return replace(made, endpoint=endpoint)

    async def handshake(
        self, endpoint: Endpoint, *, server_name: str | None, verified_name: str | None, deadline: float
    ) -> TlsHandshake:
        door = self._door(endpoint)
        made = await super().handshake(door, server_name=server_name, verified_name=verified_name, deadline=deadline)
        return replace(made, endpoint=endpoint, connect=replace(made.connect, endpoint=endpoint))

    async def fetch(self, request: HttpRequest, *, deadline: float) -> HttpExchange:
        made = await super().fetch(replace(request, endpoint=self._door(request.endpoint)), deadline=deadline)
        return replace(made, endpoint=request.endpoint)

    async def transfer(self, request: TransferRequest, *, deadline: float) -> Transfer:
        made = await super().transfer(replace(request, endpoint=self._door(request.endpoint)), deadline=deadline)
        return replace(made, endpoint=request.endpoint)


class StagedSession(Session):
    """A session whose measurements see the stage; its system resolver is the test's."""

    def __init__(self, trust: Trust, meter: Meter) -> None:
        super().__init__(random=Random(7), trust=trust, meter=meter)
        self.doors: Doors = {}
        self.servers = (CONTROL_ADDRESS,)

    def measurement(self, meter: Meter | None = None) -> StagedNet:
        return StagedNet(self, self._instruments(meter or Meter(self.meter)))

    @property
    def drawn_ports(self) -> frozenset[int]:
        return frozenset(self._ports._used)


def honest(wire: bytes) -> bytes:
    """What a resolver of the small internet answers; `x.test` has an alias."""
    asked = dns.message.from_wire(wire).question[0]
    name = asked.name.to_text(omit_final_dot=True)
    if name not in (TARGET_NAME, MEDIA_NAME, CONTROL_NAME):
        return answer(wire, rcode=dns.rcode.NXDOMAIN)
    address = CONTROL_ADDRESS if name == CONTROL_NAME else TARGET_ADDRESS
    return answer(wire, *([f"{name}. A {address}"] if asked.rdtype == dns.rdatatype.A else []))


@asynccontextmanager
async def small_internet(
    session: StagedSession,
    serve: Serve,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    *,
    plain: Handler,
    secure: Handler,
    control: Handler,
    certificate: trustme.LeafCert | None = None,
    raw_secure: bool = False,
    over_udp: Replies = lambda wire: [(0.0, honest(wire))],
    over_https: Callable[[bytes], bytes | int] = honest,
    canonical_name: str = "",
) -> AsyncIterator[Controls]:
    """Servers of the target (`plain`, `secure`) and of a control, and two resolvers, for as long as this is held.

    `raw_secure`: the target's port 443 gets the bytes as they are, without TLS.
    """
    known: Mapping[str, str] = {
        TARGET_NAME: TARGET_ADDRESS, MEDIA_NAME: TARGET_ADDRESS, CONTROL_NAME: CONTROL_ADDRESS,
    }  # fmt: skip

    def ask(hostname: str) -> Resolved:
        if hostname not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return Resolved(addresses=(known[hostname],), canonical_name=canonical_name)

    monkeypatch.setattr(getaddrinfo, "ask", ask)
    own = server_context(certificate or authority.issue_cert(TARGET_NAME, MEDIA_NAME))
    theirs = server_context(authority.issue_cert(CONTROL_NAME, RESOLVER_NAME))
    async with (
        serve(plain, host=TARGET_ADDRESS) as http,
        serve(secure, host=TARGET_ADDRESS, tls=None if raw_secure else own) as https,
        serve(control) as control_http,
        serve(control, tls=theirs) as control_https,
        resolver(over_udp) as (udp_port, _),
        doh_server(theirs, over_https) as (doh_port, _),
    ):
        session.doors = {
            (TARGET_ADDRESS, 80): http.port,
            (TARGET_ADDRESS, 443): https.port,
            (CONTROL_ADDRESS, 80): control_http.port,
            (CONTROL_ADDRESS, 443): control_https.port,
            (CONTROL_ADDRESS, 53): udp_port,
        }
        url = f"https://{RESOLVER_NAME}:{doh_port}/dns-query"
        yield Controls(
            resolvers=(Resolver(name="doh", url=url, address=CONTROL_ADDRESS),),
            names=("neutral.test", "plain.test"),
            sites=(f"https://{CONTROL_NAME}/",),
            media=(),
        )


def staged_run(
    session: StagedSession,
    controls: Controls,
    target: Target,
    *,
    checks: tuple[str, ...],
    max_seconds: float,
    store: Store | None = None,
    run_id: str = "run",
) -> tuple[Runner, StoreSink, StringIO]:
    """A runner, where it stores, and what it says meanwhile."""
    plan = Plan(
        controls=controls,
        targets=(target,),
        checks=checks,
        max_bytes=8_000_000,
        max_seconds=max_seconds,
        known_blockpages={},
        vantage=Vantage(),
    )
    said, sink = StringIO(), StoreSink(store, run_id, print)
    progress = PlainProgress(stream=said, meter=session.meter)
    runner = Runner(
        plan=plan, session=session, sink=sink, progress=progress, meter=session.meter, random=session.random
    )
    return runner, sink, said


def stored_text(path: Path) -> str:
    """Everything in a store's file, decompressed, as text."""
    import sqlite3
    import zlib

    pieces: list[str] = []
    connection = sqlite3.connect(path)
    try:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    raw = zlib.decompress(value) if isinstance(value, bytes) else str(value).encode()
                    pieces.append(raw.decode())
    finally:
        connection.close()
    return "\n".join(pieces)


def problems(report: Report) -> set[str]:
    """The reasons for which checks of targets did not run; "bug" among them is ours."""
    found = (m.attempt.problem for target in report.targets for m in target.measurements)
    return {problem.reason.value for problem in found if problem is not None}
