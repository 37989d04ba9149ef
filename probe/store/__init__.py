"""Local results: what was measured here before, what may still be used, and what the person agreed to.

`database` is the one class that others use: `file` and `tables` are the file itself, `past` what a stored run looks
like, `outcomes` what is kept of each target for good, `retention` what is not. Bytes are counted by `accounts`, in
`usage` (the rules) and `usage_file` (the disk).
"""

from probe.store.consents import Consent
from probe.store.database import NoSuchRun, Store, Window, default_path
from probe.store.errors import StoreBroken, StoreError, StoreFull, StoreLocked
from probe.store.past import Past, PastTarget
from probe.store.retention import Pruned
from probe.store.usage import Limits

__all__ = [
    "Consent",
    "Limits",
    "NoSuchRun",
    "Past",
    "PastTarget",
    "Pruned",
    "Store",
    "StoreBroken",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "Window",
    "default_path",
]
