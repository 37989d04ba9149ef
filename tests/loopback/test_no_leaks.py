"""Servers that tell us our own address in every way they know: it gets into nothing that is kept or shown.

Out of scope, because a hostile server can always encode what it knows: base64, encryption, compression within
compression, digits spelled as words, an address scattered over markup, parts of an address.
"""

import asyncio
import gzip
import html
import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
import trustme

from probe.model.results import NetworkState, Report
from probe.model.targets import Media, MediaUrl, Target
from probe.net.meter import Meter
from probe.net.trust import Trust
from probe.registry import EVIDENCE_TYPES
from probe.report import Format, render
from probe.store import Store
from tests.loopback.conftest import Handler, Serve
from tests.loopback.stage import (
    MEDIA_NAME,
    SITE,
    TARGET_ADDRESS,
    TARGET_NAME,
    StagedSession,
    honest,
    problems,
    small_internet,
    staged_run,
    stored_text,
)
from tests.loopback.test_dns import answer
from tests.loopback.test_pages import answers, page

OWN_V4, OWN_V6 = "203.0.113.77", "2001:db8:77::1"
NOTATIONS = (
    OWN_V4,
    "203.000.113.077",
    "203%2E0%2E113%2E77",
    "%32%30%33.0.113.77",
    "203&#46;0&#46;113&#46;77",
    "&#50;&#48;&#51;.0.113.77",
    "203\\.0\\.113\\.77",
    "203\\u002e0\\u002e113\\u002e77",
    "203[.]0[.]113[.]77",
    "203(dot)0(dot)113(dot)77",
    "203-0-113-77",
    "203_0_113_77",
    "203,0,113,77",
    "203/0/113/77",
    "203;0;113;77",
    "77.113.0.203.in-addr.arpa",
    "77-113-0-203",
    "3405803853",
    "0xCB00714D",
    "cb00714d",
    "CB:00:71:4D",
    "0313.0.0161.0115",
    "203.0.29005",
    "2001:db8:77:0:0:0:0:1",
    "2001:0DB8:0077:0000:0000:0000:0000:0001",
    "2001-db8-77--1",
    "20010db8007700000000000000000001",
    OWN_V6,
    OWN_V6.upper(),
    f"[{OWN_V6}]:41000",
    f"::ffff:{OWN_V4}",
    "::ffff:cb00:714d",
    f"64:ff9b::{OWN_V4}",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
)
TRACES = re.compile(
    r"203[.]0+[.]113|0*203\D{1,3}0+\D{1,3}113\D{1,3}0*77|77\W113\W0\W203|3405803853|cb00714d|cb.00.71.4d"
    r"|2001\W0?db8\W0*77|20010db80077|7[.]7[.]0[.]0[.]8[.]b|cb00:714d|0313[.]0|203[.]0[.]29005",
    re.IGNORECASE,
)
LISTED = "  ".join(NOTATIONS)
HEADERS = (
    f"Via: 1.1 {OWN_V4}",
    f"X-Forwarded-For: {LISTED}",
    f"Server-Timing: edge;desc={OWN_V4}",
    f'Report-To: {{"url":"https://r.test/?ip={OWN_V6}"}}',
    f"X-{OWN_V4}: 1",
    f"X-JSON: {json.dumps({'ip': NOTATIONS})}",
    "X-Cut: " + "x" * 2040 + OWN_V4,
)
BODY = f"<title>You are {LISTED}</title><p>{LISTED}</p><script>{json.dumps({'ips': NOTATIONS})}</script>".encode()
COMMON_NAME = "c" * 44 + OWN_V4  # an attribute holds 64 characters
HOST_NAME, USER_NAME = "my-laptop-4711", "somebody-4712"


def shown_traces(text: str) -> list[str]:
    """Every trace of our address in `text`, its escapes read as well."""
    readings = (text, html.unescape(text), unquote(text), html.unescape(unquote(text)), text.replace("\\", ""))
    return [found for reading in readings for found in TRACES.findall(reading)]


def by_path(*, over_tls: bool) -> Handler:
    """Redirects that carry the address, then a compressed page full of it; media that are refused."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        status, headers, body = f"200 OK for {OWN_V4}", ("Content-Encoding: gzip", *HEADERS), gzip.compress(BODY)
        cookies = (f"Set-Cookie: ip={OWN_V4}", f"set-cookie: v6={OWN_V6}")
        if not over_tls:
            status, headers, body = "302 Found", (f"Location: http://u:p@{OWN_V4}/{OWN_V6}", *HEADERS), BODY
        elif path == "/":
            status, body = f"302 {OWN_V6}", BODY
            headers = (f"Location: https://{OWN_V4}@{TARGET_NAME}/{OWN_V4}/?ip={OWN_V6}#{OWN_V4}", *HEADERS)
        elif "media" in path:
            status = f"403 {OWN_V4}"
        writer.write(page(body, *headers, *cookies, status=status))
        await writer.drain()
        await asyncio.sleep(5)

    return handler


def telling_names(wire: bytes) -> bytes:
    """The honest answer, by way of an alias that names our address."""
    if TARGET_NAME.encode().replace(b".target", b"\x06target") and b"\x06target\x04test" not in wire:
        return honest(wire)
    name = "media.target.test" if b"\x05media" in wire else TARGET_NAME
    alias = "203-0-113-77.cb00714d.edge.test"
    return answer(wire, f"{name}. CNAME {alias}.", f"{alias}. A {TARGET_ADDRESS}")


@pytest.fixture
def staged(trust: Trust) -> StagedSession:
    return StagedSession(trust, Meter())


@pytest.fixture
def telling_certificate(authority: trustme.CA) -> trustme.LeafCert:
    names = (TARGET_NAME, MEDIA_NAME, "203-0-113-77.dyn.test", OWN_V4, OWN_V6)
    return authority.issue_cert(*names, common_name=COMMON_NAME, organization_name=OWN_V6)


def own_addresses() -> set[str]:
    """The addresses this machine would speak from; no packet is sent."""
    found = set()
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((far, 9))
            except OSError:
                continue
            found.add(sock.getsockname()[0])
    return found


async def measured(
    staged: StagedSession,
    serve: Serve,
    authority: trustme.CA,
    certificate: trustme.LeafCert,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
) -> tuple[Report, str]:
    """A whole run among the telling servers: its report, and what it said meanwhile."""
    media = Media(download=(MediaUrl(url=f"https://{MEDIA_NAME}/media?bytes={{bytes}}"),))
    async with small_internet(
        staged,
        serve,
        authority,
        monkeypatch,
        plain=by_path(over_tls=False),
        secure=by_path(over_tls=True),
        control=answers(page(b"fine")),
        certificate=certificate,
        over_udp=lambda wire: [(0.0, telling_names(wire)), (0.1, telling_names(wire))],
        over_https=telling_names,
        canonical_name=f"{OWN_V4.replace('.', '-')}.edge.test",
    ) as controls:
        target = Target(id="target", name="Target", sites=(SITE,), media=media)
        checks = ("dns", "reach", "tls", "http", "goodput")
        runner, sink, said = staged_run(staged, controls, target, checks=checks, max_seconds=40.0, store=store)
        await asyncio.to_thread(sink.begin, runner.report("run"))
        async with staged:
            report = await runner.run(asyncio.Event(), "run")
        await asyncio.to_thread(sink.close)
    return report, said.getvalue()


def test_our_address_is_in_nothing_that_is_kept_or_shown(
    staged: StagedSession,
    serve: Serve,
    authority: trustme.CA,
    telling_certificate: trustme.LeafCert,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for variable in ("USER", "LOGNAME", "HOSTNAME"):
        monkeypatch.setenv(variable, USER_NAME)
    monkeypatch.setattr(socket, "gethostname", lambda: HOST_NAME)
    monkeypatch.setattr(socket, "getfqdn", lambda *_: HOST_NAME)
    path = tmp_path / "results.sqlite3"
    with Store.open(path, evidence_types=EVIDENCE_TYPES, now=lambda: datetime.now(UTC)) as store:
        report, said = asyncio.run(measured(staged, serve, authority, telling_certificate, monkeypatch, store))
        store.finish_run(report)
    assert report.network.state is NetworkState.OK
    assert "bug" not in problems(report)
    outputs = {str(f): render(report, f, width=120) for f in Format}
    texts = {name: made.decode() if isinstance(made, bytes) else made for name, made in outputs.items()}
    texts |= {"store": stored_text(path), "progress": said, "streams": "".join(capfd.readouterr())}
    for name, text in texts.items():
        assert shown_traces(text) == [], name
        for word in (HOST_NAME, USER_NAME, *own_addresses()):
            assert word not in text, name
    written = texts["json"]
    assert written.count("[scrubbed]") > 40
    assert "scrubbed.invalid" in written  # the redirect to our address: seen, not followed
    assert TARGET_ADDRESS in written
    ports = {int(port) for port in re.findall(r'"source_port":(\d+)', written)} - {0}
    assert ports and ports <= staged.drawn_ports
    assert [m.input for m in report.targets[0].measurements if m.check == "reach"] == [MEDIA_NAME, TARGET_NAME]
