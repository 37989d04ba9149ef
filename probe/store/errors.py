"""What can be wrong with the store? Every kind is for the caller to tell; none ends a run."""

BUSY_SECONDS = 5.0  # how long a write waits for another process; writes last milliseconds
BUSY_AGAIN_SECONDS = 0.1  # … and the next ones, after one that waited in vain


class StoreError(Exception):
    """The store cannot be used now; measuring goes on without it."""


class StoreFull(StoreError):
    """No room is left on the disk: nothing more can be kept until there is."""


class StoreLocked(StoreError):
    """Another process holds the store for longer than any write takes; later it may be free again."""


class StoreBroken(StoreError):
    """The file was found broken and moved aside; a new one is in its place, and the next call uses that."""
