"""Where on the path does it happen? A follow-up of `reach` and `tls`: what fails there is looked for with packets that
may pass only so many routers.

Where no address accepts a connection: how far do packets to it get, beside packets to neutral addresses? Where the
name is cut: from which limit on is a ClientHello cut, beside one with a neutral name at the same address? Evidence
only: `probe.verdict.hops` decides what it means.
"""

from probe.checks.context import Context
from probe.checks.hops import connects, hellos
from probe.checks.hops.evidence import Evidence

__all__ = ["Evidence", "gather"]


async def gather(ctx: Context[Evidence]) -> Evidence:
    """Limited connections where none succeeds, limited ClientHellos where the name is cut.

    Raises CannotRun where neither was found before, or this system does not tell which router spoke.
    """
    dead = connects.subject(ctx)
    return await connects.gather(ctx, dead) if dead is not None else await hellos.gather(ctx)
