"""How do the access checks run side by side, wait and repeat?

Deadlines are those of the runner, never longer; a repeat comes a moment later so that one lost burst is not counted
twice. What is asked of the network, and what an answer means, is the checks' and the judges' business.
"""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from probe.checks.context import Context

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
E = TypeVar("E")

REPEAT_AFTER_SECONDS = 1.0  # longer than a burst of loss or a route's hiccup; short beside a person's patience
QUERY_SECONDS = 4.0  # one DNS question with its retry; OONI Web Connectivity LTE allows as long
CONNECT_SECONDS = 5.5  # three SYNs (0, 1 and 3 s) and the answer to the last at 600 ms RTT with 1 s of queue
HANDSHAKE_SECONDS = 6.0  # TCP and TLS, three round trips, at 0.1 Mbit/s with 1 s of queue
FETCH_SECONDS = 9.0  # a handshake and 64 KB at 0.1 Mbit/s; OONI allows 10 s
IMPATIENT_SECONDS = 3.0  # the least that a repeat is given: a SYN lost twice still comes through
PATIENCE_FACTOR = 5.0  # a repeat is given this many times what the slowest success in this check took


def deadline(ctx: Context[E], seconds: float) -> float:
    """When an operation that may take `seconds` has to end, on the measurement's clock."""
    return min(ctx.deadline, ctx.net.clock.now() + seconds)


def time_for(ctx: Context[E], seconds: float) -> bool:
    """Whether an operation of `seconds` still fits: one that the check's own end would cut is not begun, since its
    failure would be ours and not the network's."""
    return ctx.net.clock.now() + seconds <= ctx.deadline


def patience(longest_success_seconds: float | None, at_most_seconds: float) -> float:
    """How long a repeat may take, once something like it succeeded in this very check: repeats cost a person's time."""
    if longest_success_seconds is None:
        return at_most_seconds
    return min(at_most_seconds, max(IMPATIENT_SECONDS, PATIENCE_FACTOR * longest_success_seconds))


async def pause(ctx: Context[E], then_seconds: float) -> bool:
    """Wait before a repeat of `then_seconds`; False, at once, where it would not fit any more."""
    if not time_for(ctx, REPEAT_AFTER_SECONDS + then_seconds):
        return False
    await ctx.net.clock.sleep(REPEAT_AFTER_SECONDS)
    return True


async def side_by_side(operations: Iterable[Coroutine[Any, Any, T]]) -> tuple[T, ...]:
    """All results in the order given; if one raises, the others are cancelled and none is left behind."""
    import asyncio  # here, so that judging old evidence does not load it and with it ssl

    tasks = [asyncio.ensure_future(operation) for operation in operations]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def together(one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """As `side_by_side`, for two that give different things."""
    operations: list[Coroutine[Any, Any, Any]] = [one, other]
    first, second = await side_by_side(operations)
    return first, second
