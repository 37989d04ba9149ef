"""How long did each phase take, and where did it end?

One line for each phase of each host, from the first operation of its kind; repeats and control arms are in the
evidence itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probe.checks import dns, http, reach, tls
from probe.model.observations import HttpExchange, TlsHandshake
from probe.model.results import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """`failure` is "" where the phase succeeded."""

    host: str
    phase: str
    seconds: float
    failure: str


def timings(measurements: Iterable[Measurement]) -> tuple[Timing, ...]:
    """In the order measured: DNS, TCP, TLS, then HTTP until the first byte."""
    return tuple(timing for measurement in measurements for timing in _timings(measurement))


def handshake_seconds(shake: TlsHandshake) -> float:
    """From the connection to the handshake's end, or from the dial where no connection was made."""
    begun = shake.t0 if shake.connect.failure else shake.connect.t
    # The record of the connect may keep its own beginning; a phase never lasts less than nothing.
    return max(0.0, shake.t - max(begun, shake.t0))


def answer_seconds(exchange: HttpExchange) -> float:
    """From the request to the first byte of the answer; as far as it came where one of them is missing."""
    begun = exchange.t_request if exchange.t_request is not None else exchange.t0
    ended = exchange.t_first_byte if exchange.t_first_byte is not None else exchange.t
    return max(0.0, ended - begun)


def _timings(measurement: Measurement) -> Iterator[Timing]:
    host = measurement.input
    match measurement.attempt.evidence:
        case dns.Evidence(system=queries, control=controls):
            for phase, asked in (("DNS", queries), ("DNS, encrypted", controls)):
                if asked:
                    first = asked[0]
                    yield Timing(host=host, phase=phase, seconds=first.t - first.t0, failure=first.failure or "")
        case reach.Evidence(connects=connects):
            if connects:
                connect = connects[0]
                yield Timing(host=host, phase="TCP", seconds=connect.t - connect.t0, failure=connect.failure or "")
        case tls.Evidence(target=handshakes):
            if handshakes:
                shake = handshakes[0]
                yield Timing(host=host, phase="TLS", seconds=handshake_seconds(shake), failure=shake.failure or "")
        case http.Evidence(plain=plain_hops, secure=secure_hops):
            for phase, hops in (("HTTP", plain_hops), ("HTTPS", secure_hops)):
                exchanges = [e for hop in hops for e in hop.exchanges][:1]
                for exchange in exchanges:
                    failure = exchange.failure or ""
                    yield Timing(host=host, phase=phase, seconds=answer_seconds(exchange), failure=failure)
        case _:
            return
