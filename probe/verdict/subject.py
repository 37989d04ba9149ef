"""What the combining judges read of a measurement: which check, on what, whether it ran, and what it was judged to
mean."""

from dataclasses import dataclass

from probe.model.results import AttemptStatus, Measurement, State, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One measurement, reduced to what combining needs; `optional` where other inputs can stand in for it (media)."""

    check: str
    input: str
    ran: bool
    optional: bool
    verdict: Verdict


def judged(measurement: Measurement, *, optional: bool = False) -> Judged:
    return Judged(
        check=measurement.check,
        input=measurement.input,
        ran=measurement.attempt.status is AttemptStatus.COMPLETED,
        optional=optional,
        verdict=measurement.verdict,
    )


def accuses(state: State) -> bool:
    """Whether a state says that the network interferes."""
    return state in (State.BLOCKED, State.THROTTLED)
