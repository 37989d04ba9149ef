"""What is written to the log while a run measures: a line a phase, a line a finished measurement.

Satisfies `probe.runner.Progress`. A measurement gets its id when it is finished, so its beginning has no line; its end
has one when it is on the disk, so that what was told is kept.
"""

from dataclasses import dataclass

from probe.model.results import AttemptStatus, Measurement
from probe.watch.log import Log


@dataclass(frozen=True, slots=True)
class LogProgress:
    """Writes to a log that carries the run's id already."""

    log: Log

    def phase(self, words: str) -> None:
        self.log.info("phase", phase=words)

    def started(self, target: str, check: str, subject: str) -> None:
        """Nothing: see above."""

    def finished(self, measurement: Measurement) -> None:
        """Nothing yet: see above."""

    def kept(self, measurement: Measurement) -> None:
        """It is on the disk, or never will be; called from the thread that writes."""
        problem = measurement.attempt.problem
        completed = measurement.attempt.status is AttemptStatus.COMPLETED
        self.log.info(
            "measured",
            measurement=measurement.id,
            target=measurement.target or "control",
            check=measurement.check,
            input=measurement.input,
            state=measurement.verdict.state.value,
            rule=" ".join(measurement.verdict.rule_ids),
            problem="" if completed or problem is None else f"{problem.reason.value} {problem.detail}".strip(),
            seconds=measurement.duration_seconds,
            bytes=measurement.sent_bytes + measurement.received_bytes,
        )
