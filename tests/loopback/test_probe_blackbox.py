"""Does `/probe` answer as blackbox_exporter does? Both look at the same servers on loopback, in the same test."""

import asyncio
import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from probe.config.watch_file import ProbeModule
from probe.config.watch_file import Prober as ProberKind
from probe.metrics.blackbox import DEFINITIONS, REASONS
from probe.model.targets import Resolver, Target
from probe.net import dns as dns_operations
from probe.net import looks
from probe.net.trust import Trust
from tests.loopback.conftest import Serve, server_context
from tests.loopback.probe_stage import (
    Page,
    Series,
    StagedState,
    Web,
    answering,
    http_answer,
    one,
    prober,
    series,
    service,
    serving,
)
from tests.loopback.real_servers import Server, blackbox_exporter
from tests.loopback.test_dns import answer as dns_answer
from tests.loopback.test_dns import resolver

BODY = b"front page " * 40
MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
OWN = {"throttleprobe_probe_failure_info"}
LATER = {"probe_tls_cipher_info"}  # blackbox_exporter 0.25 has it, Debian's 0.23 does not
TIMES = {
    "probe_duration_seconds",
    "probe_dns_lookup_time_seconds",
    "probe_http_duration_seconds",
    "probe_dns_duration_seconds",
}
CONFIGURATION = """
modules:
  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, enable_http2: false}}
  http_any: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, valid_status_codes: [200, 404]}}
  http_secure: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, fail_if_not_ssl: true}}
  http_insecure: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, fail_if_ssl: true, enable_http2: false}}
  http_stay: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, follow_redirects: false}}
  tcp_connect: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4}}
  tls_connect: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4, tls: true}}
  dns_udp: {prober: dns, timeout: 5s, dns: {query_name: platform.test, query_type: A, preferred_ip_protocol: ip4}}
"""
MODULES = (
    ProbeModule(name="http_any", prober=ProberKind.HTTP, timeout_seconds=5.0, valid_status_codes=(200, 404)),
    ProbeModule(name="http_secure", prober=ProberKind.HTTP, timeout_seconds=5.0, fail_if_not_ssl=True),
    ProbeModule(name="http_insecure", prober=ProberKind.HTTP, timeout_seconds=5.0, fail_if_ssl=True),
    ProbeModule(name="http_stay", prober=ProberKind.HTTP, timeout_seconds=5.0, follow_redirects=False),
)


@pytest.fixture(scope="module")
def root_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("root") / "root.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def peer(root_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(root_file))
        with blackbox_exporter(tmp_path_factory.mktemp("blackbox"), CONFIGURATION) as running:
            yield running


@pytest.fixture
def address_tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority.issue_cert("127.0.0.1", "platform.test"))


async def both(web: Web, peer: Server, module: str, target: str) -> tuple[Series, Series, Page]:
    """What we and what blackbox_exporter say of the same target; also that types and help texts agree."""
    ours = await web.probe(module, target)
    theirs = (await asyncio.to_thread(peer.get, "/probe", module=module, target=target)).decode()
    assert ours.status == 200, ours.text
    assert ours.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    described = {line for line in ours.text.splitlines() if line.startswith("#") and not _is_own(line)}
    assert described == {line for line in theirs.splitlines() if line.startswith("#")}
    return ours.series, series(theirs), ours


def _is_own(line: str) -> bool:
    return any(name in line for name in OWN | LATER)


def agree(ours: Series, theirs: Series) -> None:
    """The same series, and the same values but for times."""
    claimed = {key for key in ours if key[0] not in OWN | LATER}
    assert claimed == set(theirs)
    differing = {key: (ours[key], theirs[key]) for key in theirs if key[0] not in TIMES and ours[key] != theirs[key]}
    assert differing == {}


async def test_a_plain_page(serve: Serve, peer: Server, trust: Trust) -> None:
    page = answering(lambda _: http_answer(BODY, headers=[f"Last-Modified: {MODIFIED}"]))
    async with (
        serve(page) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web,
    ):
        for target in (f"http://{endpoint}/", f"http://{endpoint}", str(endpoint)):
            ours, theirs, _ = await both(web, peer, "http_2xx", target)
            agree(ours, theirs)
    assert one(ours, "probe_success") == 1
    assert one(ours, "probe_http_last_modified_timestamp_seconds") == 1445412480


async def test_a_page_over_tls(serve: Serve, peer: Server, trust: Trust, address_tls: ssl.SSLContext) -> None:
    page = answering(lambda _: http_answer(BODY))
    async with (
        serve(page, tls=address_tls) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web,
    ):
        ours, theirs, _ = await both(web, peer, "http_2xx", f"https://{endpoint}/")
    agree(ours, theirs)
    assert one(ours, "probe_success") == one(ours, "probe_http_ssl") == 1
    assert one(ours, "probe_tls_cipher_info", cipher="TLS_AES_256_GCM_SHA384") == 1
    assert one(ours, "probe_http_duration_seconds", phase="tls") > 0


@pytest.mark.parametrize(
    ("status", "module"),
    [("404 Not Found", "http_2xx"), ("404 Not Found", "http_any"), ("503 Busy", "http_any"), ("204 None", "http_2xx")],
)
async def test_status_codes(serve: Serve, peer: Server, trust: Trust, status: str, module: str) -> None:
    page = answering(lambda _: http_answer(b"", status=status))
    async with (
        serve(page) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web,
    ):
        agree(*(await both(web, peer, module, f"http://{endpoint}/"))[:2])


async def test_modules_that_want_tls_or_none(
    serve: Serve, peer: Server, trust: Trust, address_tls: ssl.SSLContext
) -> None:
    page = answering(lambda _: http_answer(BODY))
    async with serve(page) as plain, serve(page, tls=address_tls) as secure:
        staged = prober(trust, service(plain, secure), modules=MODULES)
        async with serving(StagedState(prober=staged)) as web:
            for module, url, reason in (
                ("http_secure", f"http://{plain}/", "not_over_tls"),
                ("http_insecure", f"https://{secure}/", "over_tls"),
            ):
                ours, theirs, page_ = await both(web, peer, module, url)
                agree(ours, theirs)
                assert one(page_.series, "throttleprobe_probe_failure_info", failure=reason) == 1
            agree(*(await both(web, peer, "http_secure", f"https://{secure}/"))[:2])


@pytest.mark.parametrize("module", ["http_2xx", "http_stay"])
async def test_redirects(serve: Serve, peer: Server, trust: Trust, module: str) -> None:
    def page(head: bytes) -> bytes:
        if head.startswith(b"GET / "):
            return http_answer(b"away", status="302 Found", headers=["Location: /b"])
        return http_answer(BODY)

    async with (
        serve(answering(page)) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web,
    ):
        ours, theirs, _ = await both(web, peer, module, f"http://{endpoint}/")
    agree(ours, theirs)
    assert one(ours, "probe_http_redirects") == 1


async def test_redirects_without_end(serve: Serve, peer: Server, trust: Trust) -> None:
    page = answering(lambda _: http_answer(b"", status="302 Found", headers=["Location: /again"]))
    async with (
        serve(page) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web,
    ):
        ours, theirs, _ = await both(web, peer, "http_2xx", f"http://{endpoint}/")
    agree(ours, theirs)
    assert one(ours, "probe_success") == 0


async def test_nobody_listens(peer: Server, trust: Trust, serve: Serve) -> None:
    async with serve(answering(lambda _: b"")) as endpoint:
        pass
    async with serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web:
        for module in ("http_2xx", "tcp_connect", "tls_connect"):
            ours, theirs, page = await both(web, peer, module, str(endpoint))
            agree(ours, theirs)
            assert one(page.series, "throttleprobe_probe_failure_info", failure="connection_refused") == 1


async def test_a_connection(serve: Serve, peer: Server, trust: Trust) -> None:
    async with (
        serve(answering(lambda _: b"")) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint)))) as web,
    ):
        ours, theirs, page = await both(web, peer, "tcp_connect", str(endpoint))
        by_id = await web.probe("tcp", "service")
    agree(ours, theirs)
    assert set(by_id.series) == set(ours)
    assert one(ours, "probe_success") == 1
    assert "failure" not in page.text


async def test_a_handshake(serve: Serve, peer: Server, trust: Trust, address_tls: ssl.SSLContext) -> None:
    async with (
        serve(answering(lambda _: b""), tls=address_tls) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint)))) as web,
    ):
        ours, theirs, _ = await both(web, peer, "tls_connect", str(endpoint))
    agree(ours, theirs)
    assert one(ours, "probe_success") == 1
    assert one(ours, "probe_tls_version_info", version="TLS 1.3") == 1


async def test_a_handshake_of_tls_1_2_with_an_intermediate_that_expires_first(
    serve: Serve, peer: Server, trust: Trust, authority: trustme.CA, tmp_path: Path
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    expiry = now + timedelta(days=7)
    chain = chain_below(authority, leaf_until=now + timedelta(days=30), intermediate_until=expiry)
    await asyncio.to_thread((tmp_path / "chain.pem").write_bytes, chain)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "chain.pem")
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    async with (
        serve(answering(lambda _: b""), tls=tls) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint)))) as web,
    ):
        ours, theirs, _ = await both(web, peer, "tls_connect", str(endpoint))
    agree(ours, theirs)
    assert one(ours, "probe_tls_version_info", version="TLS 1.2") == 1
    assert one(ours, "probe_ssl_earliest_cert_expiry") == expiry.timestamp()
    assert one(ours, "probe_ssl_last_chain_expiry_timestamp_seconds") == expiry.timestamp()


def chain_below(authority: trustme.CA, *, leaf_until: datetime, intermediate_until: datetime) -> bytes:
    """A key, its certificate for 127.0.0.1 and an intermediate one, as PEM."""
    root = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    root_key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    keys = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    middle_name, leaf_name = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("middle", "leaf")
    )

    def signed(
        subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime, by: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        is_leaf = subject == leaf_name
        builder = (
            x509.CertificateBuilder(issuer_name=middle_name if is_leaf else root.subject, subject_name=subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=not is_leaf, path_length=None), critical=True)
        )
        if is_leaf:
            names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(by, hashes.SHA256())

    certificates = (
        signed(leaf_name, keys[0], leaf_until, keys[1]),
        signed(middle_name, keys[1], intermediate_until, root_key),
    )
    pem = serialization.Encoding.PEM
    private = keys[0].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + b"".join(certificate.public_bytes(pem) for certificate in certificates)


@pytest.mark.parametrize("trouble", ["name", "authority", "garbage", "silence"])
async def test_handshakes_that_fail(
    serve: Serve, peer: Server, trust: Trust, authority: trustme.CA, trouble: str
) -> None:
    certificate = (trustme.CA() if trouble == "authority" else authority).issue_cert(
        "127.0.0.1" if trouble == "authority" else "other.test"
    )
    tls = server_context(certificate) if trouble in ("name", "authority") else None
    handler = answering(lambda _: b"") if trouble != "garbage" else _garbage
    expected = {
        "name": "ssl_invalid_hostname",
        "authority": "ssl_unknown_authority",
        "garbage": "ssl_failed_handshake",
        "silence": "generic_timeout_error",
    }[trouble]
    async with (
        serve(handler, tls=tls) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint)))) as web,
    ):
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "1.5"} if trouble == "silence" else {}
        ours = await web.probe("tls_connect", str(endpoint), headers=headers)
        if trouble != "silence":
            agree(*(await both(web, peer, "tls_connect", str(endpoint)))[:2])
    assert one(ours.series, "probe_success") == 0
    assert one(ours.series, "throttleprobe_probe_failure_info", failure=expected) == 1


async def _garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 10)
    await writer.drain()


@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL])
async def test_a_name(peer: Server, trust: Trust, monkeypatch: pytest.MonkeyPatch, rcode: dns.rcode.Rcode) -> None:
    def reply(wire: bytes) -> list[tuple[float, bytes]]:
        records = ["platform.test. CNAME b.test.", "b.test. A 198.51.100.1", "b.test. A 198.51.100.2"]
        return [(0.0, dns_answer(wire, *(records if rcode == dns.rcode.NOERROR else ()), rcode=rcode))]

    async with resolver(reply) as (port, _):
        real = looks.ask

        async def ask_here(*arguments: Any, **settings: Any) -> looks.NameLook:
            return await real(*arguments, **settings, port=port)

        monkeypatch.setattr(looks, "ask", ask_here)
        monkeypatch.setattr(dns_operations, "system_servers", lambda: ("127.0.0.1",))
        staged = StagedState(prober=prober(trust, _named("platform.test")))
        async with serving(staged) as web:
            ours = await web.probe("dns_udp", "platform.test")
            theirs = (
                await asyncio.to_thread(peer.get, "/probe", module="dns_udp", target=f"127.0.0.1:{port}")
            ).decode()
    assert ours.status == 200, ours.text
    agree(ours.series, series(theirs))
    assert one(ours.series, "probe_success") == (rcode == dns.rcode.NOERROR)
    if rcode == dns.rcode.NXDOMAIN:
        assert one(ours.series, "throttleprobe_probe_failure_info", failure="dns_nxdomain_error") == 1


async def test_a_module_with_a_name_is_pointed_at_a_server(
    peer: Server, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ProbeModule(name="by_server", prober=ProberKind.DNS, query_name="platform.test")
    control = Resolver(name="doh", url="https://doh.test/dns-query", address="127.0.0.1")
    async with resolver(lambda wire: [(0.0, dns_answer(wire, "platform.test. A 198.51.100.1"))]) as (port, server):
        real = looks.ask

        async def ask_here(*arguments: Any, **settings: Any) -> looks.NameLook:
            return await real(*arguments, **settings, port=port)

        monkeypatch.setattr(looks, "ask", ask_here)
        monkeypatch.setattr(dns_operations, "system_servers", lambda: ("127.0.0.1",))
        staged = prober(trust, _named("gazette.test"), modules=[module], resolvers=[control])
        async with serving(StagedState(prober=staged)) as web:
            theirs = await asyncio.to_thread(peer.get, "/probe", module="dns_udp", target=f"127.0.0.1:{port}")
            for target in ("127.0.0.1", "127.0.0.1:53", "doh", "system"):
                agree((await web.probe("by_server", target)).series, series(theirs.decode()))
            asked = len(server.questions)
            for target in ("127.0.0.2", "gazette", "gazette.test", "127.0.0.1:5353"):
                assert (await web.probe("by_server", target)).status == 400
            assert len(server.questions) == asked


def _named(host: str) -> Target:
    return Target(id="platform", name="Platform", sites=(f"https://{host}/",))


async def test_errors_are_worded_alike(trust: Trust) -> None:
    async with serving(StagedState(prober=prober(trust, _named("platform.test")))) as web:
        page = await web.probe("tcp_connect", "")
        assert (page.status, page.text) == (400, "Target parameter is missing\n")
        unknown = await web.probe("nonsense", "platform")
        assert (unknown.status, unknown.text) == (400, "Unknown module 'nonsense'\n")


async def test_debug_shows_log_metrics_and_module(serve: Serve, trust: Trust) -> None:
    page = answering(lambda _: http_answer(BODY))
    async with (
        serve(page) as endpoint,
        serving(StagedState(prober=prober(trust, service(endpoint), modules=MODULES))) as web,
    ):
        shown = await web.probe("http_any", str(endpoint), debug="true")
    assert shown.headers["Content-Type"].startswith("text/plain")
    assert "Logs for the probe:\nts=" in shown.text
    assert 'msg="Beginning probe"' in shown.text
    assert 'msg="Received HTTP response" status_code=200' in shown.text
    assert "Metrics that would have been returned:\n# HELP" in shown.text
    assert "Module configuration:\nname: http_any\nprober: http\n" in shown.text
    assert "valid_status_codes: [200, 404]" in shown.text


def test_every_name_has_a_prober_or_a_condition() -> None:
    assert len(DEFINITIONS) == 25
    assert {name for name in DEFINITIONS if not name.startswith("probe_")} == OWN
    assert len(REASONS) < 40
