"""Plausible reports with every state, evidence included, for tests of what is made from reports.

Names and addresses are those reserved for documentation (RFC 2606, 5737, 3849); the figures are a 20/8 Mbit/s line's.
"""

from dataclasses import replace
from random import Random

from probe.checks import dns, goodput, http, reach, tls
from probe.failure import Failure
from probe.model.observations import (
    Certificate,
    Direction,
    DnsQuery,
    DnsReply,
    Engine,
    Header,
    HttpExchange,
    HttpStage,
    TcpConnect,
    TlsHandshake,
    TlsStage,
)
from probe.model.results import (
    Attempt,
    AttemptStatus,
    Comparison,
    Facts,
    GoodputFacts,
    Measurement,
    Mechanism,
    Method,
    Problem,
    ProblemReason,
    State,
    Strength,
    Trigger,
    Verdict,
)
from probe.model.targets import Endpoint
from tests.curves import Shape, transfer

STARTED_AT = "2026-11-21T18:33:00Z"
ADDRESS = Endpoint(address="192.0.2.10", port=443)
CONTROL_ADDRESS = Endpoint(address="198.51.100.7", port=443)
NEUTRAL = "example.com"
DOWN_BYTES, UP_BYTES = 256 * 1024, 128 * 1024


def verdict(
    state: State = State.OK,
    reason: str = "agrees with its control",
    *mechanisms: Mechanism,
    rule: str = "test.rule",
    facts: Facts | None = None,
) -> Verdict:
    claims = state in (State.BLOCKED, State.THROTTLED)
    return Verdict(
        state=state,
        strength=Strength.CONFIRMED if claims else None,
        mechanisms=mechanisms,
        rule_ids=(rule,),
        rules_version="1",
        reason=reason,
        facts=facts or Facts(),
    )


def measurement(
    check: str,
    evidence: object,
    judged: Verdict | None = None,
    *,
    target: str = "clean",
    subject: str = "clean.example",
    number: int = 0,
) -> Measurement:
    return Measurement(
        id=f"0193-{target or 'control'}-{check}-{number}",
        check=check,
        check_version="1",
        target=target,
        input=subject,
        started_at=STARTED_AT,
        duration_seconds=0.5 + number,
        sent_bytes=1_500,
        received_bytes=6_200,
        attempt=Attempt(status=AttemptStatus.COMPLETED, evidence=evidence),
        verdict=judged or verdict(),
    )


def not_run(check: str, reason: ProblemReason, detail: str = "", *, target: str, subject: str) -> Measurement:
    """A measurement whose check gave no evidence."""
    problem = Problem(reason=reason, stage="start", detail=detail)
    judged = verdict(State.INCONCLUSIVE, "the byte budget was used up before it", rule=f"attempt.{reason.value}")
    made = measurement(check, None, judged, target=target, subject=subject)
    return replace(made, attempt=Attempt(status=AttemptStatus.NOT_SCHEDULED, problem=problem))


def dns_query(hostname: str, addresses: tuple[str, ...], failure: Failure | None = None, t0: float = 0.0) -> DnsQuery:
    reply = DnsReply(t=t0 + 0.03, source="192.0.2.53", rcode="NXDOMAIN" if failure else "NOERROR", addresses=addresses)
    return DnsQuery(
        engine=Engine.UDP,
        resolver="system",
        resolver_address="192.0.2.53",
        hostname=hostname,
        query_type="A",
        t0=t0,
        t=t0 + 0.03,
        replies=(reply,),
        failure=failure,
        transaction_id=1,
    )


def dns_evidence(host: str, *, system_failure: Failure | None = None) -> dns.Evidence:
    given = () if system_failure else (ADDRESS.address,)
    control = replace(
        dns_query(host, (ADDRESS.address,), t0=0.05),
        engine=Engine.DOH,
        resolver="resolver.example",
        resolver_address="203.0.113.53",
        t=0.17,
    )
    return dns.Evidence(
        hostname=host,
        system=(dns_query(host, given, system_failure),),
        control=(control,),
        decoy=(),
        handshakes=(),
        control_handshakes=(),
    )


def connect(endpoint: Endpoint = ADDRESS, failure: Failure | None = None) -> TcpConnect:
    return TcpConnect(endpoint=endpoint, source_port=40_001, t0=0.1, t=4.1 if failure else 0.141, failure=failure)


def reach_evidence(host: str, *, failure: Failure | None = None) -> reach.Evidence:
    candidate = reach.Candidate(
        address=ADDRESS.address, sources=(reach.Source.SYSTEM, reach.Source.CONTROL), dialled=True
    )
    return reach.Evidence(
        host=host,
        ports=(443,),
        candidates=(candidate,),
        connects=(connect(failure=failure),),
        neutral=(connect(CONTROL_ADDRESS),),
    )


def handshake(name: str, *, failure: Failure | None = None, endpoint: Endpoint = ADDRESS) -> TlsHandshake:
    certificate = Certificate(
        sha256="ab" * 32,
        subject=f"CN={name}",
        issuer="CN=Example Root",
        names=(name,),
        not_before="2026-01-01T00:00:00Z",
        not_after="2027-01-01T00:00:00Z",
        self_signed=False,
    )
    return TlsHandshake(
        endpoint=endpoint,
        source_port=40_002,
        server_name=name,
        verified_name=name,
        connect=connect(endpoint),
        t0=0.1,
        t=0.186 if failure else 0.228,
        stage=TlsStage.CLIENT_HELLO if failure else TlsStage.FINISHED,
        failure=failure,
        verify_failure=None,
        alert=None,
        certificate=None if failure else certificate,
        tls_version=None if failure else "TLSv1.3",
        alpn=None,
        client_hello_bytes=517,
        received_bytes=0 if failure else 4_200,
    )


def tls_evidence(host: str, *, failure: Failure | None = None) -> tls.Evidence:
    return tls.Evidence(
        hostname=host,
        target=(handshake(host, failure=failure),),
        neutral=(handshake(NEUTRAL),) if failure else (),
        nameless=(),
        foreign_neutral=(),
        foreign=(),
    )


def exchange(url: str, *, title: str = "Welcome", status: int = 200, headers: tuple[Header, ...] = ()) -> HttpExchange:
    return HttpExchange(
        url=url,
        endpoint=ADDRESS,
        source_port=40_003,
        server_name=url.split("/")[2] if url.startswith("https:") else None,
        host=url.split("/")[2],
        t0=0.0,
        t_connected=0.041,
        t_secured=0.128,
        t_request=0.129,
        t_first_byte=0.19,
        t=0.24,
        stage=HttpStage.FINISHED,
        failure=None,
        status=status,
        headers=(Header(name="Server", value="nginx"), *headers),
        location=None,
        title=title,
        body=f"<html><title>{title}</title>",
        body_bytes=512,
        body_sha256="cd" * 32,
        truncated=False,
        verify_failure=None,
    )


def http_evidence(host: str, *, title: str = "Welcome", status: int = 200) -> http.Evidence:
    hop = http.Hop(
        url=f"https://{host}/",
        lookups=(),
        exchanges=(exchange(f"https://{host}/", title=title, status=status),),
        known_blockpages=(),
    )
    return http.Evidence(url=f"https://{host}/", plain=(), secure=(hop,), neutral=(), foreign_neutral=(), foreign=())


def goodput_series(direction: Direction, shape: Shape, *, pairs: int = 4, seed: int = 1) -> goodput.Series:
    """A series at the target's address, its own name against a neutral one, in random order."""
    random = Random(seed)
    down = direction is Direction.DOWNLOAD
    size, line_bps = (DOWN_BYTES, 18e6) if down else (UP_BYTES, 7.6e6)
    url = "https://media.target.example/" + ("object.mp4" if down else "upload")
    trials: list[goodput.Trial] = []
    t0 = 0.0
    for pair in range(pairs):
        arms = [goodput.Arm.TARGET, goodput.Arm.NEUTRAL]
        random.shuffle(arms)
        for arm in arms:
            affected = arm is goodput.Arm.TARGET and shape is not Shape.CLEAN
            made = transfer(
                shape if affected else Shape.CLEAN,
                direction=direction,
                url=url,
                endpoint=ADDRESS,
                server_name="media.target.example" if arm is goodput.Arm.TARGET else NEUTRAL,
                host="media.target.example",
                order=len(trials),
                t0=round(t0, 6),
                num_bytes=size,
                random=random,
                limit_bps=140e3 if affected else line_bps,
            )
            t0 = made.t + 0.02
            phase = goodput.Phase.FIRST if pair < 2 else goodput.Phase.CONFIRM
            trials.append(goodput.Trial(arm=arm, phase=phase, pair=pair, transfer=made))
    return goodput.Series(
        direction=direction,
        url=url,
        control_url="",
        neutral_name=NEUTRAL,
        num_bytes=size,
        trials=tuple(trials),
        candidates=(goodput.Candidate(url=url, problem=""),),
        budget_hit=False,
        deadline_hit=False,
    )


def goodput_facts(target_bps: float | None, control_bps: float | None, method: Method = Method.UNKNOWN) -> GoodputFacts:
    ratio = target_bps / control_bps if target_bps is not None and control_bps else None
    slowed = method is not Method.UNKNOWN
    return GoodputFacts(
        target_bps=target_bps,
        control_bps=control_bps,
        ratio=ratio,
        ratio_low=ratio * 0.9 if ratio is not None else None,
        ratio_high=ratio * 1.1 if ratio is not None else None,
        ratio_level=0.875,
        pairs=4 if ratio is not None else 0,
        detectable_ratio=0.41,
        detectable_burst_bytes=98_304,
        comparison=Comparison.NAME_AT_TARGET if ratio is not None else None,
        method=method,
        stall_after_bytes=None,
        limit_bps=140e3 if method is Method.POLICED else None,
        trigger=Trigger.SNI if slowed else Trigger.UNKNOWN,
        hop=None,
        confirmed_by_repeat=slowed,
    )


def goodput_measurement(
    target: str, *, download: Shape = Shape.CLEAN, upload: Shape = Shape.CLEAN, seed: int = 1
) -> Measurement:
    """Both directions of a target; a policed direction goes at 140 kbit/s, and the verdict says so."""
    down = goodput_series(Direction.DOWNLOAD, download, pairs=2 if download is Shape.CLEAN else 4, seed=seed)
    up = goodput_series(Direction.UPLOAD, upload, pairs=2 if upload is Shape.CLEAN else 4, seed=seed + 1)
    methods = {Shape.CLEAN: Method.UNKNOWN, Shape.POLICED: Method.POLICED, Shape.SHAPED: Method.SHAPED}
    facts = Facts(
        host="media.target.example",
        download=goodput_facts(
            17.2e6 if download is Shape.CLEAN else 138e3, 17.9e6, methods.get(download, Method.STALLED)
        ),
        upload=goodput_facts(7.1e6 if upload is Shape.CLEAN else 141e3, 7.3e6, methods.get(upload, Method.STALLED)),
    )
    judged = verdict(State.OK, "both directions are as fast as their control", rule="goodput.not_slower", facts=facts)
    if download is not Shape.CLEAN or upload is not Shape.CLEAN:
        direction = "download" if download is not Shape.CLEAN else "upload"
        reason = f"the {direction} from media.target.example is slowed when the server name is the target's"
        judged = verdict(
            State.THROTTLED, reason, Mechanism.TLS_THROTTLE_SNI, rule="goodput.name_slower_at_target", facts=facts
        )
    evidence = goodput.Evidence(download=down, upload=up)
    return measurement("goodput", evidence, judged, target=target, subject=target)
