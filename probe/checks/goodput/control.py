"""Do a control operator's media serve, and how fast, before anything is compared with them?

One small transfer each way, once a run and medium, so that controls can be compared with each other. What a target
gives is for `gather`.
"""

from probe.checks.context import Context
from probe.checks.goodput.evidence import Arm, Candidate, Evidence, Series
from probe.checks.goodput.fate import PILOT_BYTES
from probe.checks.goodput.measure import Recorder
from probe.checks.goodput.media import locate
from probe.model.observations import Direction
from probe.model.results import CannotRun, ProblemReason
from probe.model.targets import MediaUrl


async def gather_control(ctx: Context[Series]) -> Evidence:
    """`ctx.input` is the download or upload URL of the medium, as `ctx.controls.media` gives it.

    Raises CannotRun where no control has this URL.
    """
    for media in ctx.controls.media:
        given = [url.url for url in (media.download, media.upload) if url is not None]
        if ctx.input in given:
            return Evidence(
                download=await _once(ctx, Direction.DOWNLOAD, media.download),
                upload=await _once(ctx, Direction.UPLOAD, media.upload),
            )
    raise CannotRun(ProblemReason.NOTHING_TO_MEASURE, stage="goodput", detail="no control has this medium")


async def _once(ctx: Context[Series], direction: Direction, media: MediaUrl | None) -> Series | None:
    if media is None:
        return None
    recorder = Recorder(ctx, direction, deadline=ctx.deadline, reserve_bytes=0)
    place = await locate(ctx, media.url, deadline=ctx.deadline)
    if isinstance(place, str):
        recorder.candidates = (Candidate(url=media.url, problem=place),)
        return recorder.series()
    recorder.target = recorder.control = place
    recorder.candidates = (Candidate(url=media.url, problem=""),)
    await recorder.pilot(Arm.CONTROL, PILOT_BYTES)
    return recorder.series()
