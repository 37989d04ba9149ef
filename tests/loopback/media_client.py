"""One run's collaborators for transfers from a server on the loopback."""

from dataclasses import dataclass, field
from random import Random

from probe.model.observations import Direction, Transfer
from probe.model.targets import Endpoint
from probe.net.base import TransferRequest
from probe.net.clock import MonotonicClock
from probe.net.limits import AddressGate
from probe.net.meter import Meter
from probe.net.ports import Ports
from probe.net.transfer import transfer
from probe.net.trust import Trust
from tests.loopback.media_server import NAME

DOWN, UP = Direction.DOWNLOAD, Direction.UPLOAD
LONG_SECONDS = 20.0  # for transfers that end by themselves
SHORT_SECONDS = 0.6  # for transfers that must be cut


@dataclass
class Client:
    """One run's collaborators, and transfers made with them."""

    trust: Trust
    clock: MonotonicClock = field(default_factory=MonotonicClock)
    ports: Ports = field(default_factory=lambda: Ports(Random()))
    meter: Meter = field(default_factory=Meter)
    gate: AddressGate = field(default_factory=AddressGate)

    async def run(
        self,
        direction: Direction,
        port: int,
        num_bytes: int,
        *,
        seconds: float = LONG_SECONDS,
        server_name: str = NAME,
        verify: bool = True,
        url: str = "https://media.test/object?x=1",
        stepwise_from_bytes: int | None = None,
    ) -> Transfer:
        request = TransferRequest(
            direction=direction,
            url=url,
            endpoint=Endpoint(address="127.0.0.1", port=port),
            server_name=server_name,
            host=NAME,
            num_bytes=num_bytes,
            verify=verify,
            order=3,
            stepwise_from_bytes=stepwise_from_bytes,
        )
        return await transfer(
            request,
            deadline=self.clock.now() + seconds,
            clock=self.clock,
            ports=self.ports,
            trust=self.trust,
            meter=self.meter,
            gate=self.gate,
        )
