"""Local results: what was measured here before, what may still be used, and what the person agreed to.

`database` is the one class that others use, `tables` the file itself, `past` what a stored run looks like.
"""

from probe.store.database import Consent, NoSuchRun, Store, Window, default_path
from probe.store.past import Past, PastTarget
from probe.store.tables import StoreError, StoreFull

__all__ = [
    "Consent",
    "NoSuchRun",
    "Past",
    "PastTarget",
    "Store",
    "StoreError",
    "StoreFull",
    "Window",
    "default_path",
]
