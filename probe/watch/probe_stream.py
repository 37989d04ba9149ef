"""Does this place accept a connection, and a TLS handshake under its name? The tcp and tls probers."""

from probe.checks.addresses import is_literal
from probe.config.watch_file import Prober as ProberKind
from probe.metrics.blackbox import Answer
from probe.model.targets import Endpoint
from probe.net import looks
from probe.net.stream import open_tcp
from probe.watch.probe_address import choose_address
from probe.watch.probe_setup import Setup
from probe.watch.probe_targets import Place
from probe.wire.scrub import is_address

CONNECTION_BYTES = 64 * 1024  # a long chain has 20 KB; what sends more has no handshake to offer

VERSIONS = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}


async def probe_stream(setup: Setup, place: Place) -> bool:
    """Whether it succeeded; the reason, if not, is in the answer. Raises Unavailable, CannotRun."""
    address = await choose_address(setup, place.host)
    if address is None:
        return False
    endpoint = Endpoint(address=address, port=place.port)
    if setup.module.prober is ProberKind.TLS:
        return await _secured(setup, endpoint, setup.hostname or place.host)
    setup.log.info("Dialing TCP without TLS")
    async with setup.contact(address, max_bytes=0):
        made, sock = await open_tcp(endpoint, setup.instruments, deadline=setup.deadline)
        if sock is not None:
            sock.close()
    if made.failure is not None:
        setup.log.error("Error dialing TCP", err=made.failure)
        setup.answer.fail(made.failure)
        return False
    setup.log.info("Successfully dialed")
    return True


async def _secured(setup: Setup, endpoint: Endpoint, name: str) -> bool:
    setup.log.info("Dialing TCP with TLS", server_name=name)
    async with setup.contact(endpoint.address, max_bytes=CONNECTION_BYTES):
        look = await looks.shake(
            endpoint,
            setup.instruments,
            server_name=None if is_literal(name) else name,
            verified_name=name,
            deadline=setup.deadline,
        )
    failure = look.handshake.failure or look.handshake.verify_failure
    if failure is not None or look.facts is None:
        setup.log.error("Error dialing TCP", err=failure, stage=look.handshake.stage, alert=look.handshake.alert)
        if failure is not None:
            setup.answer.fail(failure)
        return False
    setup.log.info("Successfully dialed")
    tell_tls(setup.answer, look.facts)
    return True


def tell_tls(answer: Answer, facts: looks.TlsFacts) -> None:
    """What blackbox_exporter says of a verified handshake."""
    if facts.earliest_expiry is not None:
        answer.set("probe_ssl_earliest_cert_expiry", facts.earliest_expiry)
    if facts.chain_expiry is not None:
        answer.set("probe_ssl_last_chain_expiry_timestamp_seconds", facts.chain_expiry)
    answer.set("probe_tls_version_info", 1, {"version": VERSIONS.get(facts.version, "unknown")})
    if facts.certificate is not None:
        leaf = facts.certificate
        labels = {
            "fingerprint_sha256": leaf.sha256,
            "subject": leaf.subject,
            "issuer": leaf.issuer,
            "subjectalternative": ",".join(name for name in leaf.names if not is_address(name)),
        }
        answer.set("probe_ssl_last_chain_info", 1, labels)
