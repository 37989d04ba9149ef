"""How large, how long and in which order are the transfers of one direction?

Keeps the record of a direction while it is measured. Which arms are compared is for `gather` and the judge.
"""

from statistics import median

from probe.checks.context import Context
from probe.checks.goodput.evidence import Arm, Candidate, Phase, Series, Trial
from probe.checks.goodput.fate import PILOT_BYTES, TOO_MANY, Fate, fate, is_sample
from probe.checks.goodput.media import Place
from probe.model.observations import Direction, Transfer
from probe.net.base import TransferRequest
from probe.stats.curves import elapsed_seconds, mid_bps, min_rtt_seconds, stream_bytes, tail_silence_seconds
from probe.stats.pairs import spread

KIB = 1024
# From which rate of the pilot's middle which size: large enough to see past a policer's burst, small enough for seven
# pairs on a noisy line (feasibility §0 and §2: with 256 KB down and 128 KB up a quarter of a 20/8 line is found inside
# 4 MB; larger sizes are noisier under random loss).
SIZES = ((4e6, 256 * KIB), (1e6, 128 * KIB), (0.2e6, 64 * KIB), (0.0, 32 * KIB))
MAX_BYTES = {Direction.DOWNLOAD: 256 * KIB, Direction.UPLOAD: 128 * KIB}
# What so many round trips carry at the pilot's rate is the least; over a satellite a flow is in slow start throughout,
# and one doubling more shows a limit to 0.3 Mbit/s, which 64 KB there do not (lab).
SIZE_RTTS, FAR_SIZE_RTTS = 2, 4
FAR_RTT_SECONDS = 0.3
# Where random loss decides how fast a flow is, more and smaller transfers tell more for the same bytes: fewer meet a
# loss in slow start, which halves all that follows (lab, Wi-Fi with 2 % loss: docs/method/goodput.md).
UNEVEN_BYTES = 128 * KIB
UNEVEN_SPREAD = 2.0  # greatest by least middle of one arm's transfers
UNEVEN_PAIRS = 2  # undecided after so many
# With less than this left after the pilot, or on an uneven line, transfers have half an upload's size: it is five pairs
# of 128 KB, the target's slowed to a tenth, and the worst that the last of them could cost. A download of
# an uneven line can use up so much; an upload of less still tells more than one that is not finished.
SCARCE_BYTES = 1_000_000
SCARCE_SIZE = 64 * KIB
WIRE_SHARE = 1.06  # headers of TLS, TCP and IP, and what a lossy line sends twice
HANDSHAKE_BYTES = 12_000  # both ways, with a long certificate chain
PILOT_SECONDS = 8.0  # 64 KB and the handshakes at 0.1 Mbit/s
TARGET_PILOT_SECONDS = 1.5  # only its answer is wanted, not all its bytes
TARGET_PILOT_RTTS = 8  # … for which TCP, TLS and the request take four
MIN_PAIR_SECONDS = 1.5  # feasibility §0: below, a retransmission timeout decides
MIN_FLOW_SECONDS = 1.3  # … of which so many after the handshakes: on far paths less blurs the rate of a policer …
BEGIN_RTTS = 4  # … for which TCP, TLS and the request take these
MAX_PAIR_SECONDS = 15.0
# Cut at this many times its control's time: a transfer at a quarter of the rate has shown by then that it is behind,
# and five pairs over a satellite, both directions, stay within two minutes.
CONTROL_TIMES = 1.75
LEAST_CONTROL_TIMES = 1.25  # the least, where time is short: an arm that is not slower still completes
FAR_BEHIND_SHARE = 0.33  # of the bytes, when its time was over …
FAR_BEHIND_FLOWS = 1  # … in so many transfers of the target, and in all of them
SHARE_PAIRS = 6  # the time left is shared among so many: the five of a finding and one to spare
LONG_SECONDS = 2.0  # the first transfer of a repetition: its rate and its method show better over more time
STILL_RTTS = 4.5  # … and where the target's flows fall silent, so long beyond their last byte: a pause is over by then
STILL_LEAST_RTTS = 2.0  # of silence when their time was over
# A download compared with a control's: its losses are its signature, and 1.5 s of a flow policed to 140 kbit/s hold two
# of them, 5 s seven. Uploads show theirs as retransmissions at once.
SIGNATURE_SECONDS = 5.0
MAX_DRAIN_SECONDS = 2.0  # twice the worst bufferbloat of the lab
MIN_SMALL_BYTES = 1024
STEP_BYTES = 1200  # of a stepwise upload's segments (`probe.net.exchange`)
STEP_ANSWER_SECONDS = 0.05  # a receiver may put an acknowledgement off by 40 ms (Linux), beyond the round trip
STEP_SETTLING_SECONDS = 2.0  # the silence that shows that it stands still, and a retransmission before it
STEP_MARGIN_BYTES = 3000  # two segments sent again count twice with a censor that counts what passes


class Recorder:
    """The transfers of one direction, as they are made; `series()` is the evidence so far."""

    def __init__(self, ctx: Context[Series], direction: Direction, *, deadline: float, reserve_bytes: int) -> None:
        self.direction, self.deadline = direction, deadline
        self.target: Place | None = None
        self.control: Place | None = None
        self.neutral_name = ""
        self.num_bytes = 0
        self.trials: list[Trial] = []
        self.candidates: tuple[Candidate, ...] = ()
        self.budget_hit = self.deadline_hit = self.told_off = False
        self.first_pair_at = -1  # how many trials stood before the first pair
        self._ctx, self._reserve_bytes = ctx, reserve_bytes
        self._order = self._pairs = 0

    @property
    def stopped(self) -> bool:
        """Whether a limit, or a server that asked to be left alone, ended this."""
        return self.budget_hit or self.deadline_hit or self.told_off

    def series(self) -> Series:
        return Series(
            direction=self.direction,
            url=self.target.url if self.target else "",
            control_url=self.control.url if self.control else "",
            neutral_name=self.neutral_name,
            num_bytes=self.num_bytes,
            trials=tuple(self.trials),
            candidates=self.candidates,
            budget_hit=self.budget_hit,
            deadline_hit=self.deadline_hit,
        )

    def choose_size(self, pilot: Transfer) -> None:
        """The size of every transfer in a pair: by the pilot's rate, and at least what some round trips carry."""
        rate = mid_bps(pilot)
        by_rate = next(size for least_bps, size in SIZES if rate >= least_bps)
        rtt = min_rtt_seconds(pilot) or 0.0
        by_delay = int((FAR_SIZE_RTTS if rtt >= FAR_RTT_SECONDS else SIZE_RTTS) * rate / 8 * rtt)
        most = SCARCE_SIZE if self._ctx.budget.remaining_bytes < SCARCE_BYTES else MAX_BYTES[self.direction]
        self.num_bytes = min(max(by_rate, by_delay), most)

    def even_out(self) -> None:
        """Ask for less in the next pairs where the flows of one arm differ much."""
        paired = [t for t in self.trials if t.pair is not None and is_sample(t.transfer)]
        for arm in Arm:
            rates = [mid_bps(t.transfer) for t in paired if t.arm is arm]
            if len(rates) >= UNEVEN_PAIRS and spread(rates) > UNEVEN_SPREAD:
                scarce = arm in (Arm.NEUTRAL, Arm.CONTROL) and self._ctx.budget.remaining_bytes < SCARCE_BYTES
                self.num_bytes = min(self.num_bytes, SCARCE_SIZE if scarce else UNEVEN_BYTES)

    def shrink(self, made: int) -> None:
        """The pair just made ended early on its control's side as well: count it as a pilot and ask for less."""
        self.num_bytes = min(self.num_bytes, PILOT_BYTES)
        kept, again = self.trials[:-made], self.trials[-made:]
        self.trials = kept + [Trial(arm=t.arm, phase=Phase.PILOT, pair=None, transfer=t.transfer) for t in again]

    async def pilot(self, arm: Arm, num_bytes: int) -> Transfer | None:
        """One transfer before any pair; None where a limit forbids it."""
        seconds = PILOT_SECONDS
        if arm is Arm.TARGET:
            seconds = min(seconds, max(TARGET_PILOT_SECONDS, TARGET_PILOT_RTTS * self._connect_seconds()))
        if not self._allowed(num_bytes, 1):
            return None
        left = self.deadline - self._now()
        if left < MIN_PAIR_SECONDS:
            self.deadline_hit = True
            return None
        return await self._transfer(arm, Phase.PILOT, None, num_bytes, min(seconds, left))

    async def pair(self, arms: tuple[Arm, Arm], phase: Phase) -> None:
        """Both arms, in random order, with the same size and the same time; nothing where a limit forbids it.

        A repetition may use the time and the bytes that were kept for the other direction: a finding is worth more than
        a second one.
        """
        deadline = self._ctx.deadline if phase is Phase.CONFIRM else self.deadline
        seconds = self._pair_seconds(arms[1], deadline)
        kept_bytes = 0 if phase is Phase.CONFIRM else self._reserve_bytes
        if seconds is None or not self._allowed(self.num_bytes, 2, kept_bytes=kept_bytes):
            return
        if self.first_pair_at < 0:
            self.first_pair_at = len(self.trials)
        wanted = max(seconds, self._watched_seconds(arms, phase))
        left = deadline - self._now() - 2 * seconds
        longer = wanted if left > wanted - seconds else seconds
        order = list(arms)
        self._ctx.net.random.shuffle(order)
        number, self._pairs = self._pairs, self._pairs + 1
        for arm in order:
            limit = min(longer if arm is arms[0] else seconds, deadline - self._now())
            made = await self._transfer(arm, phase, number, self.num_bytes, limit)
            if made.status == TOO_MANY:
                return

    def _watched_seconds(self, arms: tuple[Arm, Arm], phase: Phase) -> float:
        """How long the arm that may be slowed is worth watching, beyond what tells its rate."""
        if arms == (Arm.TARGET, Arm.CONTROL) and self.direction is Direction.DOWNLOAD:
            return SIGNATURE_SECONDS
        first_again = phase is Phase.CONFIRM and not any(t.phase is Phase.CONFIRM for t in self.trials)
        return max(LONG_SECONDS, self._still_seconds()) if first_again else 0.0

    def _still_seconds(self) -> float:
        """The time in which another of the target's flows would show that it stands still for good; 0 if none fell
        silent."""
        found = [t.transfer for t in self._stuck() if not t.transfer.complete]
        known = [(t, min_rtt_seconds(t) or 0.0) for t in found]
        silent = [(t, rtt) for t, rtt in known if tail_silence_seconds(t) >= STILL_LEAST_RTTS * rtt > 0]
        return min(max((_busy_seconds(t) + STILL_RTTS * rtt for t, rtt in silent), default=0.0), MAX_PAIR_SECONDS)

    async def stepwise(self) -> None:
        """One upload that goes on by single segments from where the others stood still.

        What is under way when the path freezes has passed, and nobody hears of it: a window of acknowledgements is
        lost, up to 25 KB on a home line. With one segment under way the last one acknowledged is the last that passed.
        """
        stuck = self._stuck()
        seconds = self._pair_seconds(Arm.NEUTRAL, self._ctx.deadline)
        if seconds is None or not self._allowed(self.num_bytes, 1):
            return
        known = max(t.transfer.num_bytes for t in stuck)
        most = max(_first_sent_bytes(t.transfer) for t in stuck)
        rtt = max((min_rtt_seconds(t.transfer) or 0.0) for t in stuck)
        steps = min(self.num_bytes, most - known) / STEP_BYTES
        wanted = STEP_SETTLING_SECONDS + TARGET_PILOT_RTTS * rtt + steps * (rtt + STEP_ANSWER_SECONDS)
        left = self._ctx.deadline - self._now()
        await self._transfer(
            stuck[-1].arm,
            Phase.STEPWISE,
            None,
            self.num_bytes,
            min(max(seconds, wanted), MAX_PAIR_SECONDS, left),
            stepwise_from_bytes=max(0, known - STEP_MARGIN_BYTES),
        )

    def _stuck(self) -> list[Trial]:
        """The target's transfers in pairs, of whatever address."""
        paired = [t for t in self.trials if t.phase in (Phase.FIRST, Phase.CONFIRM)]
        return [t for t in paired if t.arm in (Arm.TARGET, Arm.FOREIGN)]

    async def small(self) -> None:
        """One object below the offset at which the target's transfers stand still."""
        stuck = self._stuck()
        arm = stuck[-1].arm
        least = min(t.transfer.num_bytes for t in stuck)
        before_request = max(0, min(stream_bytes(t.transfer) - t.transfer.num_bytes for t in stuck))
        num_bytes = max(MIN_SMALL_BYTES, (least - before_request) // 2 if least > before_request else least // 2)
        seconds = self._pair_seconds(Arm.NEUTRAL, self._ctx.deadline)
        if seconds is None or not self._allowed(num_bytes, 1):
            return
        await self._transfer(arm, Phase.SMALL, None, num_bytes, seconds)

    def _now(self) -> float:
        return self._ctx.net.clock.now()

    def _allowed(self, num_bytes: int, transfers: int, *, kept_bytes: int | None = None) -> bool:
        """Whether the worst that these transfers can cost still fits, with what is kept for the other direction."""
        worst = transfers * (int(num_bytes * WIRE_SHARE) + HANDSHAKE_BYTES)
        kept = self._reserve_bytes if kept_bytes is None else kept_bytes
        if not self._ctx.budget.allows(worst + kept):
            self.budget_hit = True
        return not self.budget_hit

    def _pair_seconds(self, control_arm: Arm, deadline: float) -> float | None:
        """How long each transfer of the next pair may take; None, noted, where too little time is left for both."""
        usual = self._control_seconds(control_arm)
        least = max(
            MIN_PAIR_SECONDS, LEAST_CONTROL_TIMES * usual, MIN_FLOW_SECONDS + BEGIN_RTTS * self._connect_seconds()
        )
        left = deadline - self._now()
        share = (self._ctx.deadline - self._now()) / max(1, SHARE_PAIRS - self._pairs) - usual
        times = LEAST_CONTROL_TIMES if self._is_far_behind() else CONTROL_TIMES
        wanted = max(least, min(MAX_PAIR_SECONDS, times * usual, share))
        if left < 2 * least:
            self.deadline_hit = True
            return None
        return min(wanted, left - least)

    def _connect_seconds(self) -> float:
        """The least that a TCP handshake took."""
        known = [t.transfer.t_connected - t.transfer.t0 for t in self.trials if t.transfer.t_connected is not None]
        return min(known, default=0.0)

    def _is_far_behind(self) -> bool:
        """Whether all of the target's transfers so far were cut with few of their bytes: as long as a control takes is
        enough to show that of the next ones, and far servers take long."""
        own = [t.transfer for t in self.trials if t.pair is not None and t.arm in (Arm.TARGET, Arm.FOREIGN)]
        behind = [t for t in own if not t.complete and t.num_bytes <= FAR_BEHIND_SHARE * t.requested_bytes]
        return len(own) >= FAR_BEHIND_FLOWS and len(behind) == len(own)

    def _control_seconds(self, control_arm: Arm) -> float:
        """The median time of the control arm's transfers; before the first one, what the pilot lets expect."""
        same = [t.transfer for t in self.trials if t.arm is control_arm and is_sample(t.transfer)]
        paired = [_busy_seconds(t) for t in same if t.requested_bytes == self.num_bytes]
        if paired:
            return median(paired)
        pilots = [t.transfer for t in self.trials if t.arm in (control_arm, Arm.NEUTRAL) and is_sample(t.transfer)]
        if not pilots or pilots[-1].t_request is None:
            return 0.0
        last, more = pilots[-1], max(0, self.num_bytes - pilots[-1].num_bytes)
        return _busy_seconds(last) + (8 * more / max(mid_bps(last), 1.0) if last.complete else 0.0)

    async def _transfer(
        self,
        arm: Arm,
        phase: Phase,
        pair: int | None,
        num_bytes: int,
        seconds: float,
        *,
        stepwise_from_bytes: int | None = None,
    ) -> Transfer:
        place = self.control if arm in (Arm.FOREIGN, Arm.CONTROL) else self.target
        assert place is not None and self.target is not None
        names = {Arm.NEUTRAL: self.neutral_name, Arm.CONTROL: place.host}
        request = TransferRequest(
            direction=self.direction,
            url=place.filled(num_bytes),
            endpoint=place.endpoint,
            server_name=names.get(arm, self.target.host),
            host=place.host,
            num_bytes=num_bytes,
            verify=arm in (Arm.TARGET, Arm.CONTROL),
            order=self._order,
            stepwise_from_bytes=stepwise_from_bytes,
        )
        self._order += 1
        made = await self._ctx.net.transfer(request, deadline=self._now() + seconds)
        self.trials.append(Trial(arm=arm, phase=phase, pair=pair, transfer=made))
        self.told_off = self.told_off or made.status == TOO_MANY
        if fate(made) is not Fate.DELIVERED:
            await self._drain(made)
        return made

    async def _drain(self, made: Transfer) -> None:
        """Wait until what an aborted transfer left in queues has passed; the next handshake waits behind it as well."""
        rtts = made.series.rtt_seconds
        if rtts:
            queued = max(max(rtts) - min(rtts), rtts[-1])
            await self._ctx.net.clock.sleep(min(queued, MAX_DRAIN_SECONDS))


def _first_sent_bytes(made: Transfer) -> int:
    """What was sent for the first time, of which a part may not have arrived."""
    info = made.tcp_after
    sent = info.bytes_sent - (info.bytes_retransmitted or 0) if info is not None and info.bytes_sent else 0
    return max(sent, made.num_bytes)


def _busy_seconds(made: Transfer) -> float:
    """How long a transfer took, without the silence in which one that stands still ended."""
    silent = 0.0 if made.complete else tail_silence_seconds(made)
    return max(0.0, elapsed_seconds(made) - silent)
