"""What is known to be true on which emulated internet, so that verdicts can be held against it?

Each scenario is a function of the line that gives the world, the censor and what every target must be. They are
grouped in modules by family; `probe.lab.scenarios.base` has the records and the table of all of them.
"""

import importlib

MODULES: tuple[str, ...] = (
    "dns",
    "address",
    "tls",
    "http",
    "quic",
    "throttling",
    "stall",
    "partial",
    "lines",
    "servers",
    "media",
    "resolvers",
    "controls",
    "vantage",
)


def load() -> None:
    """Import every module of scenarios, which enters them into the table."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}")
