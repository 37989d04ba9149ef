"""How does one TCP flow get on, on a line with loss, a changing rate and perhaps a limiter?

Rounds of a congestion window rather than packets: slow start, what is lost at random or because a queue is full, a
timeout where a repetition is lost too. The parameters of `LINES` come from the lab's profiles where those say them and
from `benchmarks.simulation.fit` where they do not; docs/method/goodput.md shows how well both agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from random import Random

MSS_BYTES = 1448
PACKET_BYTES = 1500
INITIAL_WINDOW_PACKETS = 10  # RFC 6928
BETA = 0.7  # what cubic keeps of its window after a loss (RFC 9438 §4.6)
LEAST_TIMEOUT_SECONDS = 0.2  # Linux, TCP_RTO_MIN
SYN_TIMEOUT_SECONDS = 1.0  # RFC 6298 §2
HANDSHAKE_PACKETS = 6  # of TCP, TLS and the request, whose loss delays what follows
DROP_SHARE = 0.15  # of the line's rate is left while a background transfer, or a fade, has the rest
LIMITED_POINTS = 12  # of the straight part behind a limiter: enough to cut it anywhere
HOLE_SHARE = 0.01  # of a round: so soon its first segment behind a hole comes
MAX_ROUNDS = 400  # a flow that needs more is cut by its deadline anyhow
SLOWEST_BPS = 8_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One direction of a line.

    `rate_bps` is of packets, `rtt_seconds` of an idle line, `buffer_seconds` of the access queue, `loss` of single
    packets. `late` spreads each round's duration (jitter, and what the lab's own clock adds), as standard deviation of
    its logarithm. `wander_sd` is that of the line's rate from flow to flow, with memory; `slice_sd` that from round to
    round within a flow, with memory. A share `drops` of the flows, whichever arm, meets a fade of `drop_seconds`.
    `repeat_loss` is the share of losses whose repair waits for a timeout, `reply_seconds` what passes at the server
    before its first byte, `late_rounds` how many rounds of slow start go on before a loss is noticed,
    `growth_packets` by how much the window grows in each round after one (0.53 in RFC 9438 §4.3). A share `bad_flows`,
    whichever arm, takes a path that loses `bad_loss` of its packets besides, as a bad member of a bundle of links does.
    """

    name: str
    rate_bps: float
    rtt_seconds: float
    buffer_seconds: float = 0.1
    loss: float = 0.0
    late: float = 0.01
    wander_sd: float = 0.0
    slice_sd: float = 0.0
    drops: float = 0.0
    drop_seconds: float = 1.0
    repeat_loss: float = 0.0
    reply_seconds: float = 0.0
    late_rounds: float = 1.0
    growth_packets: float = 0.53
    bad_flows: float = 0.0
    bad_loss: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a censor lets through of one flow: after `burst_bytes` so much of the line's rate, for a share of flows.

    A policed flow also waits for its timeouts: it gets `efficiency` of the limit, give or take `efficiency_sd`. With
    `loss` that share of its packets is lost instead, and there is no rate.
    """

    name: str
    ratio: float = 1.0
    burst_bytes: int = 16_000
    flows: float = 1.0
    efficiency: float = 0.95
    efficiency_sd: float = 0.08
    loss: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """`handshake_seconds` until the request; `t`, seconds since then, at which so many bytes had come.

    `segments` that had come, empty behind a limiter: what it drops is not simulated. Where some were lost it counts on
    while the bytes stand still, as a receiver sees a hole.
    """

    handshake_seconds: float
    t: tuple[float, ...]
    num_bytes: tuple[float, ...]
    segments: tuple[int, ...] = ()


@dataclass(slots=True)
class Weather:
    """What of a line's state outlives a flow."""

    line: Line
    random: Random
    wander: float = 0.0
    _safe_packets: int = field(default=0, init=False)

    def flow(self, num_bytes: int, limit: Limit | None = None) -> Flow:
        """The next flow; `limit` is the censor's, where the name meets one."""
        line, random = self.line, self.random
        if line.wander_sd:
            self.wander = 0.8 * self.wander + 0.6 * random.gauss(0.0, line.wander_sd)
        rate_bps = line.rate_bps * exp(self.wander)
        fade = line.drop_seconds if line.drops and random.random() < line.drops else 0.0
        handshake = self._handshake()
        met = limit is not None and (limit.flows >= 1 or random.random() < limit.flows)
        extra_loss = limit.loss if limit is not None and met else 0.0
        if line.bad_flows and random.random() < line.bad_flows:
            extra_loss = 1 - (1 - extra_loss) * (1 - line.bad_loss)
        t, counts, segments = self._rounds(num_bytes, rate_bps, fade, extra_loss)
        if limit is not None and met and not limit.loss:
            t, counts = self._limited(t, counts, num_bytes, limit)
            segments = []
        return Flow(handshake_seconds=handshake, t=tuple(t), num_bytes=tuple(counts), segments=tuple(segments))

    def _handshake(self) -> float:
        line, random = self.line, self.random
        seconds = 2 * line.rtt_seconds * exp(random.gauss(0.0, line.late))
        if line.loss:
            if random.random() < 2 * line.loss:
                seconds += SYN_TIMEOUT_SECONDS
            if random.random() < (HANDSHAKE_PACKETS - 2) * line.loss:
                seconds += LEAST_TIMEOUT_SECONDS + line.rtt_seconds
        return seconds

    def _lost(self, packets: int) -> int:
        """How many of these are lost at random; geometric gaps, so that a clean line costs nothing."""
        loss, lost = self.line.loss, 0
        if not loss:
            return 0
        while self._safe_packets < packets:
            lost += 1
            self._safe_packets += 1 + int(log(1.0 - self.random.random()) / log(1.0 - loss))
        self._safe_packets -= packets
        return min(lost, packets)

    def _rounds(
        self, num_bytes: int, rate_bps: float, fade: float, extra_loss: float
    ) -> tuple[list[float], list[float], list[int]]:
        """Times, bytes and segments at the end of each round, by the segments that came."""
        line, random = self.line, self.random
        rtt = line.rtt_seconds
        total = -(-num_bytes // MSS_BYTES)
        window, threshold, came, wave = float(INITIAL_WINDOW_PACKETS), float("inf"), 0, 0.0
        t = rtt + line.reply_seconds
        times, counts, segments = [t], [0.0], [0]
        for _ in range(MAX_ROUNDS):
            left = total - came
            packets = min(left, max(1, int(window)))
            if line.slice_sd:
                wave = 0.7 * wave + 0.714 * random.gauss(0.0, line.slice_sd)
            now_bps = max(SLOWEST_BPS, rate_bps * exp(wave) * (DROP_SHARE if t < fade else 1.0))
            room = (rtt + line.buffer_seconds) * now_bps / 8 / PACKET_BYTES
            overflow = max(0, packets - int(max(room, 4.0)))
            lost = min(packets, overflow + self._lost(packets))
            if extra_loss:
                lost = min(packets, lost + sum(random.random() < extra_loss for _ in range(packets)))
            sent_seconds = packets * 8 * PACKET_BYTES / now_bps
            full = window >= packets + 1 and packets == left  # the last round is not waited for by an ACK
            spent = sent_seconds if full or packets == left else max(rtt, sent_seconds)
            t += spent * (exp(random.gauss(0.0, line.late)) if line.late else 1.0)
            came += packets - lost
            if lost:  # the hole that this round's bytes wait behind
                times.append(times[-1] + HOLE_SHARE * (t - times[-1]))
                counts.append(counts[-1])
                segments.append(segments[-1] + 1)
            times.append(t)
            counts.append(min(came, total) * float(MSS_BYTES))
            segments.append(max(came, segments[-1]))
            if came >= total:
                break
            if lost:
                noticed = window * 2**line.late_rounds if window < threshold else window
                threshold = max(2.0, BETA * min(noticed, room))
                window = threshold
                if packets == left or random.random() < 1 - (1 - line.repeat_loss) ** min(lost, 3):
                    t += LEAST_TIMEOUT_SECONDS + rtt
                    window = 1.0 if packets != left else max(2.0, float(lost))
            else:
                window = min(2 * window, threshold) if window < threshold else window + line.growth_packets
        counts = [min(count, float(num_bytes)) for count in counts]
        return times, counts, segments

    def _limited(
        self, t: Sequence[float], counts: Sequence[float], num_bytes: int, limit: Limit
    ) -> tuple[list[float], list[float]]:
        """The same flow behind a token bucket: once that is empty the sender never catches up again."""
        random = self.random
        efficiency = min(1.1, limit.efficiency * exp(random.gauss(0.0, limit.efficiency_sd)))
        passed_bps = limit.ratio * self.line.rate_bps * MSS_BYTES / PACKET_BYTES * efficiency
        burst_bytes = float(limit.burst_bytes)
        tokens, times, found = burst_bytes, [t[0]], [counts[0]]
        for index in range(1, len(t)):
            came = counts[index] - counts[index - 1]
            span = t[index] - t[index - 1]
            tokens = min(burst_bytes, tokens) + passed_bps / 8 * span
            if came <= tokens:
                tokens -= came
                times.append(t[index])
                found.append(counts[index])
                continue
            empty_at = t[index - 1] + span * tokens / came
            level = counts[index - 1] + tokens
            times.append(empty_at)
            found.append(level)
            step = (num_bytes - level) / LIMITED_POINTS
            for number in range(1, LIMITED_POINTS + 1):
                times.append(empty_at + step * number * 8 / passed_bps)
                found.append(level + step * number)
            found[-1] = float(num_bytes)
            break
        return times, found
