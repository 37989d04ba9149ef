"""What tests of the store share: a clock that they set."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 21, 18, 33, tzinfo=UTC)


class Calendar:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time
