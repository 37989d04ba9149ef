"""How does `watch` show a person what it found, what it will do next, and what it has used?

One page without a script or a second request, in the style of the reports; times in UTC. What it shows is in
`probe.watch.status`.
"""

from datetime import datetime

from probe.formats.figures import amount, duration
from probe.formats.html import MEANINGS, POLICY
from probe.formats.html_style import STYLE
from probe.formats.html_target import state_word
from probe.formats.markup import Html, element, join, trusted
from probe.formats.overview import NETWORK_WORDS, SYMBOLS
from probe.formats.plain import plain, sentence
from probe.model.results import NetworkState, State, Strength
from probe.verdict.target import ORDER
from probe.watch.status import Activity, BudgetStatus, PushStatus, RunStatus, Status, TargetStatus

REFRESH_SECONDS = 60  # the page of a service: left open, it must not grow old
NEVER = "never"
DAY_SECONDS = 86_400
ACTIVITY_WORDS: dict[Activity, str] = {
    Activity.STARTING: "Starting",
    Activity.WAITING: "Waiting for the next run",
    Activity.MEASURING: "Measuring",
    Activity.PAUSED: "Paused",
    Activity.STOPPING: "Stopping",
}
NOT_KNOWN_YET = "not known yet"
NEXT_WORDS: dict[Activity, str] = {  # while no moment is fixed for it
    Activity.MEASURING: "after this one",
    Activity.PAUSED: "when that is over",
    Activity.STOPPING: "when it is started again",
}
SEE_REPORT = "its report tells"  # a run before the last: why is in its report alone
OWN_STYLE = """
.bar { background: var(--rule); }
.bar > span { display: block; height: 100%; border-radius: 2px; background: var(--control); }
.bar.full > span { background: var(--target); }
.budget td { vertical-align: middle; } .budget .share { width: 45%; } .budget th { white-space: nowrap; }
@media (min-width: 46.01rem) {
  .stack tbody th { min-width: 8rem; }
  .stack .state { white-space: nowrap; }
}
"""


def render_status(status: Status) -> str:
    """A whole page, ending with a newline."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", http_equiv="refresh", content=str(REFRESH_SECONDS)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Throttleprobe: {_headline(status)}"),
        trusted(f"<style>{STYLE}{OWN_STYLE}</style>"),
    )
    main = element("main", _targets(status), _budgets(status.budgets), _runs(status), _pushes(status))
    body = element("body", _header(status), main, _footer(status))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def moment(text: str | None) -> str:
    """2026-11-21 18:33 UTC; "never" for None."""
    if text is None:
        return NEVER
    day, _, time = plain(text, limit=40).partition("T")
    return f"{day} {time[:5]} UTC" if len(time) >= len("18:33Z") else plain(text, limit=40)


def _headline(status: Status) -> str:
    """What the targets' states come to, in one line."""
    if not status.targets:
        return "no targets"
    counted = {state: sum(t.state is state for t in status.targets) for state in ORDER}
    return ", ".join(f"{number} {state}" for state, number in counted.items() if number)


def _header(status: Status) -> Html:
    doing = ACTIVITY_WORDS[status.activity]
    detail = f": {plain(status.detail)}" if status.detail else ""
    counts = [
        element("li", element("span", f"{SYMBOLS[state]} {number} {state}", class_=f"state {state}"))
        for state in ORDER
        if (number := sum(t.state is state for t in status.targets))
    ]
    soon = NEXT_WORDS.get(status.activity, NOT_KNOWN_YET)
    coming = moment(status.next_run_at) if status.next_run_at is not None else soon
    times = f"Last run: {moment(status.last_run_at)}. Next run: {coming}."
    return element(
        "header",
        element("h1", "Throttleprobe watch"),
        element("p", sentence(f"{doing}{detail}"), class_="headline"),
        element("ul", *counts, class_="counts"),
        element("p", times, class_="meta"),
        element("p", _where(status), class_="meta"),
        *(element("p", sentence(note), class_="note", role="note") for note in (*_reload(status), *status.notices)),
    )


def _where(status: Status) -> str:
    at = status.vantage
    known = [
        *([f"network {plain(at.network, limit=40)}"] if at.network else []),
        *([f"AS{at.asn}"] if at.asn is not None else []),
        *([f"country {plain(at.country, limit=40)}"] if at.country else []),
    ]
    named = f"Vantage point {plain(status.instance, limit=80)}" if status.instance else "Vantage point"
    return f"{named}: {', '.join(known) if known else 'not described in the configuration'}."


def _reload(status: Status) -> tuple[str, ...]:
    if status.reload is None or status.reload.ok:
        return ()
    return (
        f"The configuration read at {moment(status.reload.at)} is faulty; the one before it stays in force",
        *status.reload.mistakes,
    )


def _table(titles: tuple[str, ...], rows: list[Html]) -> Html:
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    return element("table", element("thead", head), element("tbody", *rows), class_="stack")


def _targets(status: Status) -> Html:
    rows = [_target(target, status.now) for target in status.targets]
    titles = ("Target", "State", "Since", "Measured", "Why")
    return element("section", element("h2", "Targets"), _table(titles, rows) if rows else element("p", "None."))


def _target(target: TargetStatus, now: str) -> Html:
    word = f"likely {target.state}" if target.strength is Strength.LIKELY else str(target.state)
    name = target.name or target.id
    shown = element("a", name, href=f"/report/{target.run_id}") if target.run_id else element("span", name)
    why = target.reason or SEE_REPORT if target.measured_at else "not measured yet"
    return element(
        "tr",
        element("th", shown, scope="row"),
        element("td", state_word(target.state, word), data_label="State"),
        element("td", element("span", _since(target.since, now)), data_label="Since"),
        element("td", element("span", moment(target.measured_at)), data_label="Measured"),
        element("td", element("span", sentence(why)), data_label="Why"),
    )


def _since(since: str | None, now: str) -> str:
    """2026-11-20 18:33 UTC (26 h); in days from two days on."""
    if since is None:
        return "–"
    try:
        seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return moment(since)
    if seconds < 0:  # the clock was set back
        return moment(since)
    hours, days = seconds / 3600, seconds / DAY_SECONDS
    age = f"{days:.0f} days" if days >= 2 else f"{hours:.0f} h" if hours >= 2 else f"{seconds / 60:.0f} min"
    return f"{moment(since)} ({age})"


def _budgets(budgets: tuple[BudgetStatus, ...]) -> Html:
    if not budgets:
        return join()
    rows = []
    for budget in budgets:
        share = min(1.0, budget.used_bytes / budget.limit_bytes) if budget.limit_bytes > 0 else 1.0
        bar = trusted(
            f'<span class="bar{" full" if share >= 1 else ""}"><span style="width:{share:.1%}"></span></span>'
        )
        rows.append(
            element(
                "tr",
                element("th", budget.window, scope="row"),
                element("td", element("span", f"{amount(budget.used_bytes)} of {amount(budget.limit_bytes)}")),
                element("td", bar, class_="share"),
            )
        )
    table = element("table", element("tbody", *rows), class_="budget")
    return element("section", element("h2", "Data used"), table, element("p", "Days and months are those of UTC."))


def _runs(status: Status) -> Html:
    rows = [_run(run) for run in status.runs]
    if not rows:
        return join()
    return element("section", element("h2", "Last runs"), _table(("Run", "Found", "Took", "Data"), rows))


def _run(run: RunStatus) -> Html:
    found = ", ".join(f"{number} {state}" for state, number in run.states) or "nothing"
    words = found if run.network is NetworkState.OK else NETWORK_WORDS[run.network]
    return element(
        "tr",
        element("th", element("a", moment(run.started_at), href=f"/report/{run.run_id}"), scope="row"),
        element("td", element("span", words if run.finished else f"interrupted; {words}"), data_label="Found"),
        element("td", element("span", duration(run.duration_seconds)), data_label="Took"),
        element("td", element("span", amount(run.num_bytes)), data_label="Data"),
    )


def _pushes(status: Status) -> Html:
    if not status.pushes:
        return element("section", element("h2", "Sent elsewhere"), element("p", "Nothing: no receiver is set up."))
    rows = [_push(push) for push in status.pushes]
    titles = ("Receiver", "Last success", "Waiting", "Problem")
    return element("section", element("h2", "Sent elsewhere"), _table(titles, rows))


def _push(push: PushStatus) -> Html:
    return element(
        "tr",
        element("th", push.name, scope="row"),
        element("td", element("span", moment(push.last_success_at)), data_label="Last success"),
        element("td", element("span", f"{push.pending_samples} samples"), data_label="Waiting"),
        element("td", element("span", sentence(push.problem) or "none"), data_label="Problem"),
    )


def _footer(status: Status) -> Html:
    present: set[State] = {target.state for target in status.targets}
    meanings = [
        join(element("dt", element("span", f"{SYMBOLS[state]} {state}", class_=f"state {state}")), element("dd", text))
        for state, text in MEANINGS.items()
        if state in present
    ]
    about = f"throttleprobe {plain(status.version, limit=40)}, running since {moment(status.started_at)}."
    return element(
        "footer",
        element("h2", "How to read this"),
        element("dl", *meanings),
        element("p", "For programs: ", element("a", "/metrics", href="/metrics"), "."),
        element("p", about, class_="muted"),
    )
