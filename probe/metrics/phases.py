"""How long did each operation of a target's own arm take, phase by phase?

Operations that failed are left out: their time is the deadline that we gave them, and `check_outcomes_total` counts
them. Control arms are left out, repeats are not.
"""

from collections.abc import Iterator

from probe.checks import dns, http, reach, tls
from probe.formats.timings import answer_seconds, handshake_seconds
from probe.metrics.labels import Phase
from probe.model.results import Measurement


def operations(measurement: Measurement) -> Iterator[tuple[Phase, float]]:
    """In the order measured; seconds."""
    match measurement.attempt.evidence:
        case dns.Evidence(system=queries):
            for query in queries:
                if query.failure is None:
                    # A query over UDP is kept open for a second answer, as forgers give one; programs take the first.
                    answered = query.replies[0].t if query.replies else query.t
                    yield Phase.LOOKUP, max(0.0, answered - query.t0)
        case reach.Evidence(connects=connects):
            for connect in connects:
                if connect.failure is None:
                    yield Phase.CONNECT, max(0.0, connect.t - connect.t0)
        case tls.Evidence(target=handshakes):
            for handshake in handshakes:
                if handshake.failure is None:
                    yield Phase.HANDSHAKE, handshake_seconds(handshake)
        case http.Evidence(plain=plain, secure=secure):
            for exchange in (e for hop in (*plain, *secure) for e in hop.exchanges):
                if exchange.failure is None and exchange.t_first_byte is not None:
                    yield Phase.FIRST_BYTE, answer_seconds(exchange)
        case _:
            return
