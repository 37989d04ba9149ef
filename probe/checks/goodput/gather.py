"""How is one direction measured: pilots, then pairs, as the judge asks for them?

Procedure: docs/method/goodput.md. Sizes, deadlines and pauses are decided here; what the figures mean, and when they
are enough, is `probe.verdict.goodput`'s. One transfer at a time, each on a new connection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from probe.checks import reach
from probe.checks.context import Context, Step
from probe.checks.goodput.evidence import Arm, Candidate, Evidence, Phase, Series
from probe.checks.goodput.fate import PILOT_BYTES, Fate, ends_early, fate, serves
from probe.checks.goodput.measure import Recorder
from probe.checks.goodput.media import NO_CONNECTION, NO_NAME, NO_TIME, Place, locate
from probe.model.observations import Direction, Transfer
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import MediaUrl
from probe.stats.curves import mid_bps

UPLOAD_RESERVE_BYTES = 750_000  # what an upload's pilot, three full and two slowed pairs of 64 KB cost at most
UPLOAD_RESERVE_SECONDS = 24.0  # … and the time for a pilot and two pairs at 0.1 Mbit/s or over a satellite
USUAL_SECONDS = 60.0  # for both directions of one target on a line whose round trips do not count …
ROUND_TRIPS = 100  # … and with so many of them besides: a slowed target over a satellite (600 ms) takes 110 s
MAX_NEUTRAL_NAMES = 2  # a name that one server refuses may be fine with another; two refusals are a policy
COMPARED_CONTROLS = 2  # operators whose media are tried where the first are slow …
PLAIN_CONTROL_BPS = 4e6  # … that is, below the rate from which transfers have their full size
MAX_STEPS = 40  # no series needs more; a judge that never says DONE must not keep a line busy
ARMS = {
    Step.PAIR: (Arm.TARGET, Arm.NEUTRAL),
    Step.CONTROL: (Arm.TARGET, Arm.CONTROL),
    Step.FOREIGN: (Arm.FOREIGN, Arm.CONTROL),
}


async def gather(ctx: Context[Series]) -> Evidence:
    """Measure both directions that the target has media for, download first.

    `ctx.enough` is asked with the series as it stands. Raises CannotRun where there is nothing to measure at all.
    """
    media = ctx.target.media if ctx.target is not None else None
    if media is None or not (media.download or media.upload):
        raise CannotRun(ProblemReason.NOTHING_TO_MEASURE, stage="goodput", detail="no media given")
    ctx = replace(ctx, deadline=min(ctx.deadline, _patience(ctx)))
    now = ctx.net.clock.now()
    kept = min(UPLOAD_RESERVE_SECONDS, (ctx.deadline - now) / 2) if media.upload else 0.0
    reserve = UPLOAD_RESERVE_BYTES if media.upload else 0
    download = await _direction(ctx, Direction.DOWNLOAD, media.download, ctx.deadline - kept, reserve)
    upload = await _direction(ctx, Direction.UPLOAD, media.upload, ctx.deadline, 0)
    tried = [c for series in (download, upload) if series is not None for c in series.candidates]
    if not any(series.trials for series in (download, upload) if series is not None) and not _limited(download, upload):
        problems = {c.problem for c in tried}
        reason = ProblemReason.NO_ADDRESS if problems <= {NO_NAME, NO_CONNECTION} else ProblemReason.MEDIA_GONE
        reason = ProblemReason.DEADLINE if NO_TIME in problems else reason
        detail = "; ".join(f"{c.url}: {c.problem}" for c in tried)
        raise CannotRun(reason, stage="goodput", detail=detail)
    return Evidence(download=download, upload=upload)


def _patience(ctx: Context[Series]) -> float:
    """When this target has had its time."""
    return ctx.net.clock.now() + USUAL_SECONDS + more_seconds(ctx.prior.values())


def more_seconds(evidence: Iterable[object]) -> float:
    """What a target takes more than usual because round trips are long, by those that reach checks saw."""
    seen = [c for e in evidence if isinstance(e, reach.Evidence) for c in e.connects if c.failure is None]
    return ROUND_TRIPS * median(c.t - c.t0 for c in seen) if seen else 0.0


def _limited(*found: Series | None) -> bool:
    return any(s.budget_hit or s.deadline_hit for s in found if s is not None)


async def _direction(
    ctx: Context[Series], direction: Direction, media: Sequence[MediaUrl], deadline: float, reserve_bytes: int
) -> Series | None:
    """All of one direction; None where the target has no media for it."""
    if not media:
        return None
    candidates: list[Candidate] = []
    recorder = Recorder(ctx, direction, deadline=deadline, reserve_bytes=reserve_bytes)
    for candidate in media:
        place = await locate(ctx, candidate.url, deadline=deadline)
        recorder = Recorder(ctx, direction, deadline=deadline, reserve_bytes=reserve_bytes)
        problem = place if isinstance(place, str) else await _pilot(ctx, recorder, place)
        candidates.append(Candidate(url=candidate.url, problem=problem))
        if not problem:
            recorder.candidates = tuple(candidates)
            await _pairs(ctx, recorder)
            return recorder.series()
        if recorder.stopped:
            break
    empty = Recorder(ctx, direction, deadline=deadline, reserve_bytes=reserve_bytes)
    empty.candidates = tuple(candidates)
    empty.budget_hit, empty.deadline_hit = recorder.budget_hit, recorder.deadline_hit
    return empty.series()


async def _pilot(ctx: Context[Series], recorder: Recorder, place: Place) -> str:
    """Ask for a little under neutral names, and under the target's where they are not served; "" or the problem.

    What a server says makes a candidate unfit; what the network does is evidence, and the candidate stays.
    """
    recorder.target = place
    names = [name for name in ctx.controls.names if name != place.host][:MAX_NEUTRAL_NAMES]
    for name in names:
        recorder.neutral_name = name
        pilot = await recorder.pilot(Arm.NEUTRAL, PILOT_BYTES)
        if pilot is None:
            return "not begun: no bytes or no time left"
        if serves(pilot):
            recorder.choose_size(pilot)
            return ""
        if pilot.status is not None and pilot.direction is Direction.DOWNLOAD and fate(pilot) is not Fate.SHORT:
            break  # it answers, and not because of the name in the handshake: ask as the target
    own = await recorder.pilot(Arm.TARGET, PILOT_BYTES)
    if own is None:
        return "not begun: no bytes or no time left"
    if fate(own) in (Fate.REFUSED, Fate.SHORT):
        refusal = f"refuses the handshake ({own.alert})" if own.alert is not None else "stops reading"
        answer = f"answers {own.status}" if own.status is not None else refusal
        return f"smaller than {PILOT_BYTES} bytes" if fate(own) is Fate.SHORT else answer
    return ""


async def _pairs(ctx: Context[Series], recorder: Recorder) -> None:
    """Carry out what the judge wants, until it has enough or a limit is reached."""
    arms = ARMS[Step.PAIR]
    for _ in range(MAX_STEPS):
        step = ctx.enough(recorder.series())
        if step is Step.DONE or recorder.stopped:
            return
        if step is Step.SMALL:
            await recorder.small()
            continue
        if step is Step.STEPWISE:
            await recorder.stepwise()
            continue
        if step in (Step.CONTROL, Step.FOREIGN) and recorder.control is None:
            if not await _find_control(ctx, recorder):
                return
            continue  # its pilot may be all that the judge wanted
        arms = ARMS.get(step, arms)
        before = len(recorder.trials)
        await recorder.pair(arms, Phase.CONFIRM if step is Step.CONFIRM else Phase.FIRST)
        made = recorder.trials[before:]
        if before == recorder.first_pair_at and any(t.arm is not Arm.TARGET and ends_early(t.transfer) for t in made):
            recorder.shrink(len(made))
        recorder.even_out()


async def _find_control(ctx: Context[Series], recorder: Recorder) -> bool:
    """Take the first operator's media that serve well; where they are slow, the faster of two operators'.

    One control may itself be slowed or frozen: a target beside it would look healthy.
    """
    best: tuple[float, Place, Transfer] | None = None
    tried = 0
    for media in ctx.controls.media:
        wanted = media.download if recorder.direction is Direction.DOWNLOAD else media.upload
        place = await locate(ctx, wanted.url, deadline=recorder.deadline) if wanted is not None else NO_NAME
        if isinstance(place, str):
            continue
        recorder.control = place
        pilot = await recorder.pilot(Arm.CONTROL, min(PILOT_BYTES, recorder.num_bytes or PILOT_BYTES))
        if pilot is None:
            break
        if (serves(pilot) and fate(pilot) is Fate.DELIVERED) or (pilot.cut and pilot.num_bytes):
            tried += 1
            rate = mid_bps(pilot)
            if best is None or rate > best[0]:
                best = (rate, place, pilot)
            if rate >= PLAIN_CONTROL_BPS or tried == COMPARED_CONTROLS:
                break
    if best is None or recorder.stopped:
        recorder.control = None
        return False
    recorder.control = best[1]
    if not recorder.num_bytes:
        recorder.choose_size(best[2])
    return True
