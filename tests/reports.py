"""Whole reports: one target in every state, twenty targets, a run that was interrupted, a line without a network."""

from dataclasses import replace

from probe.failure import Failure
from probe.model.results import (
    SCHEMA_VERSION,
    Bytes,
    Measurement,
    Mechanism,
    Network,
    NetworkState,
    Parameters,
    ProblemReason,
    Report,
    State,
    TargetResult,
    Vantage,
    Verdict,
    summarize,
)
from tests.curves import Shape
from tests.factories import (
    STARTED_AT,
    dns_evidence,
    goodput_measurement,
    http_evidence,
    measurement,
    not_run,
    reach_evidence,
    tls_evidence,
    verdict,
)

NXDOMAIN = verdict(
    State.BLOCKED,
    "the line's resolver denies that news.example exists, encrypted resolvers give 192.0.2.10",
    Mechanism.DNS_NXDOMAIN,
    rule="dns.nxdomain",
)
SNI_RESET = verdict(
    State.BLOCKED,
    "the handshake with jobs.example is reset, one with a neutral name at the same address completes",
    Mechanism.TLS_RESET_SNI,
    rule="tls.reset_by_name",
)
HTTP_451 = verdict(
    State.WITHHELD,
    "the platform itself answers 451 over an authenticated connection",
    Mechanism.PLATFORM_HTTP_451,
    rule="http.status_451",
)
REFUSED = verdict(
    State.DOWN, "every address refuses, a neutral one does not", Mechanism.SERVER_REFUSED, rule="reach.refused"
)


def report(*targets: TargetResult, interrupted: bool = False, budget_hit: bool = False) -> Report:
    """A report of these targets; by default a clean one alone."""
    chosen = targets or (clean(),)
    return Report(
        schema_version=SCHEMA_VERSION,
        probe_version="0.1.0",
        id="01935f00-0000-7000-8000-000000000001",
        started_at=STARTED_AT,
        duration_seconds=61.25,
        parameters=Parameters(
            targets=tuple(t.id for t in chosen),
            checks=("dns", "reach", "tls", "http", "goodput"),
            max_bytes=20_000_000,
            max_seconds=300.0,
            max_bytes_per_target=4_000_000,
            budget_hit=budget_hit,
            interrupted=interrupted,
        ),
        vantage=Vantage(country="XX", asn=64_500, network="home"),
        network=Network(
            state=NetworkState.OK,
            reason="2 of 3 control sites answer with a valid certificate; left out: www.example.net",
            ipv6=False,
            left_out=("www.example.net",),
            rule_id="network.ok",
        ),
        bytes=Bytes(sent=1_480_000, received=4_210_000),
        controls=(measurement("tls", tls_evidence("www.example.com"), target="", subject="www.example.com"),),
        targets=chosen,
        summary=summarize(chosen),
    )


def target(id_: str, name: str, judged: Verdict, *measurements: Measurement) -> TargetResult:
    return TargetResult(id=id_, name=name, verdict=judged, measurements=measurements)


def access(id_: str, host: str, **judged: Verdict) -> tuple[Measurement, ...]:
    """DNS, TCP, TLS and HTTP of one host; verdicts other than ok by check name, evidence to match."""
    refused = judged.get("reach")
    made = {
        "dns": dns_evidence(host, system_failure=Failure.DNS_NXDOMAIN if "dns" in judged else None),
        "reach": reach_evidence(host, failure=Failure.CONNECTION_REFUSED if refused else None),
        "tls": tls_evidence(host, failure=Failure.CONNECTION_RESET if "tls" in judged else None),
        "http": http_evidence(host, status=451 if "http" in judged else 200),
    }
    return tuple(
        measurement(check, evidence, judged.get(check), target=id_, subject=host, number=number)
        for number, (check, evidence) in enumerate(made.items())
    )


def clean(id_: str = "encyclopedia", name: str = "Encyclopedia", seed: int = 1) -> TargetResult:
    moved = goodput_measurement(id_, seed=seed)
    judged = verdict(
        State.OK,
        "nothing unusual: dns, goodput, http, reach, tls agree with their controls",
        rule="target.ok",
        facts=moved.verdict.facts,
    )
    return target(id_, name, judged, *access(id_, f"{id_}.example"), moved)


def slowed(
    id_: str, name: str, *, download: Shape = Shape.CLEAN, upload: Shape = Shape.CLEAN, seed: int = 7
) -> TargetResult:
    moved = goodput_measurement(id_, download=download, upload=upload, seed=seed)
    return target(id_, name, moved.verdict, *access(id_, f"{id_}.example"), moved)


def every_state() -> Report:
    """One target at least in each state, and a direction throttled in each way."""
    undecided = verdict(
        State.INCONCLUSIVE, "slower than the control, but the two are different servers", rule="goodput.servers_differ"
    )
    budget = not_run("goodput", ProblemReason.BUDGET, "20 MB", target="clips", subject="clips")
    return report(
        clean(),
        slowed("birdsite", "Birdsite / B", download=Shape.POLICED),
        slowed("photos", "Photos", upload=Shape.SHAPED, seed=21),
        slowed("frozen", "Frozen Video", download=Shape.STALLED, seed=31),
        target("news", "Independent News", NXDOMAIN, *access("news", "news.example", dns=NXDOMAIN)),
        target("jobs", "Jobs", SNI_RESET, *access("jobs", "jobs.example", tls=SNI_RESET)),
        target("posts", "Posts", HTTP_451, *access("posts", "posts.example", http=HTTP_451)),
        target("gone", "Gone", REFUSED, *access("gone", "gone.example", reach=REFUSED)),
        target("clips", "Clips", undecided, *access("clips", "clips.example"), budget),
        budget_hit=True,
    )


def twenty_targets() -> Report:
    """As much as a run over twenty slowed targets records: five megabytes and more."""
    return report(
        *(
            slowed(f"target{n}", f"Target {n}", download=Shape.POLICED, upload=Shape.POLICED, seed=100 + n)
            for n in range(20)
        )
    )


def without_network() -> Report:
    """Nothing could be told about anybody."""
    judged = verdict(State.INCONCLUSIVE, "the line itself could not be judged", rule="target.network_not_usable")
    made = report(target("news", "Independent News", judged), target("jobs", "Jobs", judged))
    network = Network(
        state=NetworkState.NO_NETWORK,
        reason="no control site can be reached: there is no working network",
        ipv6=False,
        rule_id="network.no_network",
    )
    return replace(made, network=network)
