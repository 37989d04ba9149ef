"""Is the line itself usable, judged from the controls alone, and which control disagrees with the others?

Controls of several operators are compared with each other before any target is compared with them: one that fails while
others work is named and left out; only when none works is nothing said about anybody (design §3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from probe.checks import dns, http, portal, reach, tls
from probe.failure import Failure
from probe.model.observations import HttpExchange, HttpStage, TlsHandshake, TlsStage
from probe.model.results import Measurement, Network, NetworkState
from probe.model.targets import Endpoint

WHITE_LIST_MIN = 2  # controls that are cut, of different operators: one may be blocked, or fail, by itself
CUTS = frozenset({Failure.GENERIC_TIMEOUT, Failure.CONNECTION_RESET, Failure.CONNECTION_ABORTED})
SAME_PORTAL_MIN = 2  # control names that must get one and the same plain answer before it is called a portal's


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What one control site showed; `local_addresses`: where the line's own resolver puts it, asked only in doubt.

    `unvouched`: handshakes where only the line's own resolver puts it, which say something about certificates' dates.
    """

    host: str
    resolved: bool
    connected: bool
    ipv6: bool
    handshakes: tuple[TlsHandshake, ...]
    unvouched: tuple[TlsHandshake, ...]
    plain: tuple[HttpExchange, ...]
    local_addresses: tuple[str, ...]

    @property
    def verified(self) -> tuple[TlsHandshake, ...]:
        return tuple(h for h in self.handshakes if h.stage is TlsStage.FINISHED and h.verify_failure is None)

    @property
    def endpoint(self) -> Endpoint | None:
        return self.verified[0].endpoint if self.verified else None

    @property
    def answered_plain(self) -> bool:
        return any(e.stage is HttpStage.FINISHED for e in self.plain)

    @property
    def wrong_date(self) -> bool:
        return any(h.verify_failure is Failure.SSL_INVALID_CERTIFICATE for h in self.shown)

    @property
    def is_cut(self) -> bool:
        """Whether every handshake got a connection and then silence or a reset, before any answer: on a line that loses
        large packets servers begin to speak. Where encrypted resolvers are cut as well only the line's own resolver
        tells where the control is.
        """
        cut = [h for h in self.shown if h.stage is TlsStage.CLIENT_HELLO and h.failure in CUTS]
        return 0 < len(cut) == len(self.shown)

    @property
    def shown(self) -> tuple[TlsHandshake, ...]:
        """Every handshake. Where the clock is wrong no encrypted resolver answers either, and none is vouched for."""
        return (*self.handshakes, *self.unvouched)


def controls(measurements: Sequence[Measurement]) -> tuple[Control, ...]:
    """Fold the control measurements into one `Control` a host, in the order first seen."""
    hosts = dict.fromkeys(_host(m.input) for m in measurements if m.target == "")
    return tuple(_control(host, measurements) for host in hosts)


def judge(measurements: Sequence[Measurement], targets: Sequence[Measurement] = ()) -> Network:
    """The state of the line from the controls' measurements; `left_out` names those that fail while others work.

    `targets`: what was measured of targets, asked only where no control works.
    """
    found = controls(measurements)
    usable = [c for c in found if c.verified]
    ipv6 = any(c.ipv6 for c in found)
    if usable:
        left_out = tuple(c.host for c in found if not c.verified)
        reason = f"{len(usable)} of {len(found)} control sites answer with a valid certificate"
        if left_out:
            reason += f"; left out: {', '.join(left_out)}"
        return Network(state=NetworkState.OK, reason=reason, ipv6=ipv6, left_out=left_out, rule_id="network.ok")
    if not any(c.connected or c.answered_plain for c in found) and not _portal(found):
        reason = "no control site can be reached: there is no working network"
        return Network(state=NetworkState.NO_NETWORK, reason=reason, ipv6=ipv6, rule_id="network.no_network")
    if _portal(found):
        reason = "every control site gets one and the same foreign answer: a captive portal is in the way"
        return Network(state=NetworkState.CAPTIVE_PORTAL, reason=reason, ipv6=ipv6, rule_id="network.captive_portal")
    if any(c.shown for c in found) and all(c.wrong_date for c in found if c.shown):
        reason = "every control's certificate is out of date or not yet valid here: check this machine's clock"
        return Network(state=NetworkState.CONTROLS_FAILING, reason=reason, ipv6=ipv6, rule_id="network.clock_wrong")
    works = _verified_target(targets)
    if works and len(found) >= WHITE_LIST_MIN and all(c.is_cut for c in found):
        reason = f"every control site is cut after its name was sent, while {works} completes: only listed names pass"
        return Network(state=NetworkState.WHITE_LIST, reason=reason, ipv6=ipv6, rule_id="network.white_list")
    reason = "control sites answer, but none with a valid certificate for its name"
    return Network(state=NetworkState.CONTROLS_FAILING, reason=reason, ipv6=ipv6, rule_id="network.controls_failing")


def _verified_target(measurements: Sequence[Measurement]) -> str:
    """The first name, in their own order, that completed a handshake with a valid certificate; "" if none did."""
    evidence = [m.attempt.evidence for m in measurements]
    good = [e.hostname for e in evidence if isinstance(e, tls.Evidence) and any(map(tls.is_good, e.target))]
    return min(good, default="")


def _portal(found: Sequence[Control]) -> bool:
    """Whether different control names get the same plain answer, or the same unrelated redirect, from one portal."""
    answers: dict[tuple[int | None, str], set[str]] = {}
    for control in found:
        for exchange in control.plain:
            if exchange.stage is not HttpStage.FINISHED:
                continue
            place = urlsplit(exchange.location or "").hostname or ""
            if place.endswith(control.host) or control.host.endswith(place or "\0"):
                continue  # its own redirect to https
            mark = place or exchange.body_sha256
            answers.setdefault((exchange.status, mark), set()).add(control.host)
    certificates: dict[str, set[str]] = {}
    for control in found:
        for handshake in control.handshakes:
            if handshake.certificate is not None:
                certificates.setdefault(handshake.certificate.sha256, set()).add(control.host)
    addresses: dict[str, set[str]] = {}
    for control in found:
        for address in control.local_addresses:
            addresses.setdefault(address, set()).add(control.host)
    shared = [*answers.values(), *certificates.values(), *addresses.values()]
    return any(len(hosts) >= SAME_PORTAL_MIN for hosts in shared)


def _host(text: str) -> str:
    """The host of a measurement's input, be it a name or a URL."""
    return urlsplit(text).hostname or text if "://" in text else text


def _control(host: str, measurements: Sequence[Measurement]) -> Control:
    evidence = [m.attempt.evidence for m in measurements if m.target == "" and _host(m.input) == host]
    resolved = connected = ipv6 = False
    handshakes: list[TlsHandshake] = []
    unvouched: list[TlsHandshake] = []
    plain: list[HttpExchange] = []
    local_addresses: tuple[str, ...] = ()
    for item in evidence:
        match item:
            case dns.Evidence():
                resolved = any(q.addresses for q in (*item.system, *item.control))
                unvouched += item.handshakes
            case reach.Evidence():
                good = [c for c in item.connects if c.failure is None]
                connected, ipv6 = bool(good), any(c.endpoint.is_ipv6 for c in good)
            case tls.Evidence():
                handshakes += item.target
            case http.Evidence():
                plain += [e for hop in item.plain for e in hop.exchanges]
            case portal.Evidence():
                plain += item.exchanges
                local_addresses = item.lookup.addresses
            case _:
                pass
    connected = connected or any(h.connect.failure is None for h in handshakes)
    return Control(
        host=host,
        resolved=resolved,
        connected=connected,
        ipv6=ipv6,
        handshakes=tuple(handshakes),
        unvouched=tuple(unvouched),
        plain=tuple(plain),
        local_addresses=local_addresses,
    )


MEANINGS: dict[str, str] = {
    "network.ok": (
        "At least one control site answers with a certificate valid for its name; those that fail are left out."
    ),
    "network.no_network": "No control site accepts a connection, and none answers over plain HTTP.",
    "network.captive_portal": (
        "Different control sites get one and the same redirect, page or certificate, and none a valid one."
    ),
    "network.clock_wrong": "Every control's certificate seems out of date: the clock of this machine is wrong.",
    "network.white_list": (
        "Every control site accepts connections and is cut once its name was sent, while a target's name "
        "completes with a valid certificate: only listed names pass."
    ),
    "network.controls_failing": "Control sites accept connections, but none shows a certificate valid for its name.",
}
