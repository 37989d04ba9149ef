"""How does what is known of the service become Prometheus's metric families? What is not known gives no series."""

import re
from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from probe.config.watch_file import NetworkKind
from probe.metrics import labels
from probe.metrics import service_metrics as metrics
from probe.metrics.families import Row, counter_family, gauge_family, info_family
from probe.metrics.service import Service
from probe.model.observations import Direction
from probe.model.results import Vantage
from probe.model.words import NetworkState


def service_families(service: Service, *, timed: bool) -> tuple[Metric, ...]:
    """In the order of `definitions.OF_SERVICE`; timed, what is known at the end of the last run (none: nothing)."""
    run = service.last_run
    if timed and run is None:
        return ()
    at = run.ended_at if timed and run is not None else None
    made = (
        counter_family(metrics.RUNS, (((o,), float(service.runs.get(o, 0))) for o in labels.RunOutcome), at),
        counter_family(metrics.SKIPPED, (((s,), float(service.skipped.get(s, 0))) for s in labels.Skip), at),
        gauge_family(metrics.NEXT_RUN, _known(service.next_run_at), at),
        gauge_family(metrics.LAST_DURATION, _known(run.duration_seconds if run else None), at),
        gauge_family(metrics.NETWORK_STATE, _network_states(service), at),
        gauge_family(metrics.VPN, _known(_vpn(service)), at),
        gauge_family(metrics.METERED, _known(service.metered), at),
        counter_family(metrics.TRANSFERRED, _moved(service), at),
        gauge_family(metrics.BUDGET_LIMIT, _windows(service.limits), at),
        gauge_family(metrics.BUDGET_USED, _windows(service.used), at),
        gauge_family(metrics.RELOAD_OK, _known(service.reload_ok), at),
        gauge_family(metrics.RELOADED_AT, _known(service.reloaded_at), at),
        *_push_families(service, at),
        gauge_family(metrics.STORE_BYTES, _known(service.store_bytes), at),
        info_family(metrics.VANTAGE, (vantage_labels(service.vantage),), at),
        info_family(metrics.BUILD, ((service.version,),), at),
    )
    return tuple(family for family in made if family.samples)


def vantage_labels(vantage: Vantage) -> tuple[str, str, str]:
    """Country, ASN and kind of network; "" for what is not known, `other` for a kind that the list lacks."""
    country = vantage.country or ""
    asn = str(vantage.asn or "")
    network = vantage.network or ""
    return (
        country if re.fullmatch(labels.COUNTRY.pattern, country) else "",
        asn if re.fullmatch(labels.ASN.pattern, asn) else "",
        network if network in labels.NETWORK.values else str(NetworkKind.OTHER),
    )


def _push_families(service: Service, at: float | None) -> tuple[Metric, ...]:
    known = [e for e in service.endpoints if labels.ENDPOINT.allows(e.name)]
    lost = [((e.name, labels.SampleLoss.REFUSED), float(e.refused_samples)) for e in known]
    lost += [((e.name, labels.SampleLoss.DROPPED), float(e.dropped_samples)) for e in known]
    reached = [(e.name, e.last_success_at.timestamp()) for e in known if e.last_success_at is not None]
    return (
        gauge_family(metrics.PENDING, (((e.name,), float(e.pending_samples)) for e in known), at),
        counter_family(metrics.SENT, (((e.name,), float(e.sent_samples)) for e in known), at),
        counter_family(metrics.LOST, lost, at),
        gauge_family(metrics.LAST_SUCCESS, (((name,), moment) for name, moment in reached), at),
    )


def _known(value: float | None) -> Iterator[Row]:
    if value is not None:
        yield (), float(value)


def _vpn(service: Service) -> bool | None:
    """As it was in the run whose results are shown, not as it is since: a result changes together with what it went
    through. Before the first run, as the line is.
    """
    run = service.last_run
    return service.vpn if run is None or run.vpn is None else run.vpn


def _network_states(service: Service) -> Iterator[Row]:
    if service.last_run is not None:
        for state in NetworkState:
            yield (state,), float(state is service.last_run.network_state)


def _moved(service: Service) -> Iterator[Row]:
    yield (Direction.DOWNLOAD,), float(service.moved.received)
    yield (Direction.UPLOAD,), float(service.moved.sent)


def _windows(amounts: Mapping[str, int]) -> Iterator[Row]:
    yield from (((window,), float(amounts[window])) for window in labels.BudgetWindow if window in amounts)
