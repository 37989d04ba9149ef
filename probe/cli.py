"""The command line: what a person can ask for. Every command is a few lines; the work is elsewhere and imported when
asked for."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="throttleprobe",
    help="Is this platform reachable, is it slowed, and by what?",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
targets_app = typer.Typer(no_args_is_help=True, help="Check, list or describe targets.yaml.")
app.add_typer(targets_app, name="targets")
lab_app = typer.Typer(no_args_is_help=True, help="The emulated internet, and how often the verdicts are right there.")
app.add_typer(lab_app, name="lab")

EXIT_USAGE, EXIT_BUG = 2, 4  # design §4: usage, and our own mistake
WATCH_PACKAGES = ("cramjam", "prometheus_client", "structlog")  # of the extra `watch`: `run` does without them

TargetsFile = Annotated[
    Path | None,
    typer.Option("--targets", envvar="THROTTLEPROBE_TARGETS", help="A targets.yaml instead of the one found."),
]
Format = Annotated[
    str,
    typer.Option(
        "--format", envvar="THROTTLEPROBE_FORMAT", help="table, json, jsonl, junit, markdown or html.", metavar="FORMAT"
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the result to this file, whole or not at all.")
]
FailOn = Annotated[
    str,
    typer.Option("--fail-on", envvar="THROTTLEPROBE_FAIL_ON", help="Exit 1 on these states: blocked,throttled,…"),
]
State = Annotated[
    Path | None,
    typer.Option("--state", envvar="THROTTLEPROBE_STATE", help="Where results are kept, instead of the usual place."),
]
Risk = Annotated[
    str, typer.Option(envvar="THROTTLEPROBE_RISK", help="low, or high: also targets that may endanger you.")
]
PushGateway = Annotated[
    str | None,
    typer.Option(envvar="THROTTLEPROBE_PUSH_GATEWAY", help="Also put the metrics on this Pushgateway.", metavar="URL"),
]
PushJob = Annotated[
    str, typer.Option(envvar="THROTTLEPROBE_PUSH_JOB", help="The job label there; replaces what it had.")
]


@app.command()
def run(
    target: Annotated[
        list[str] | None, typer.Argument(help="Ids from targets.yaml; all of low risk when none.")
    ] = None,
    targets: TargetsFile = None,
    checks: Annotated[
        str, typer.Option(envvar="THROTTLEPROBE_CHECKS", help="Only these: dns,reach,tls,http,goodput.")
    ] = "",
    list_file: Annotated[
        Path | None, typer.Option("--list", help="Also these sites: a file with a URL or host name a line.")
    ] = None,
    output_format: Format = "table",
    output: Output = None,
    fail_on: FailOn = "",
    max_bytes: Annotated[
        int | None, typer.Option(min=0, envvar="THROTTLEPROBE_MAX_BYTES", help="Bytes that this run may move.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=1, envvar="THROTTLEPROBE_MAX_SECONDS", help="Seconds that it may take.")
    ] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Keep nothing, read nothing kept.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Consent for this call; stores nothing.")] = False,
    risk: Risk = "low",
    state: State = None,
    push_gateway: PushGateway = None,
    push_job: PushJob = "throttleprobe",
) -> None:
    """Measure now: is each target reachable, is it slowed, and by what?"""
    from probe.commands import measure

    if risk not in ("low", "high"):
        raise typer.BadParameter("low or high", param_hint="--risk")
    raise typer.Exit(
        measure.run(
            measure.Options(
                targets=tuple(target or ()),
                file=targets,
                checks=_words(checks),
                list_file=list_file,
                output_format=output_format,
                output=output,
                fail_on=_words(fail_on),
                max_bytes=max_bytes,
                max_seconds=max_seconds,
                store=not no_store,
                yes=yes,
                high_risk=risk == "high",
                state=state,
                push_gateway=push_gateway,
                push_job=push_job,
            )
        )
    )


@app.command()
def watch(
    target: Annotated[
        list[str] | None, typer.Argument(help="Ids from targets.yaml; all of low risk when none.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="THROTTLEPROBE_CONFIG", help="A watch.yaml instead of the one found."),
    ] = None,
    targets: TargetsFile = None,
    listen: Annotated[
        str,
        typer.Option(
            envvar="THROTTLEPROBE_LISTEN",
            help="Where /metrics, /probe and the status page are; or off.",
            metavar="ADDR:PORT",
        ),
    ] = "127.0.0.1:9850",
    state: State = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Consent for this start; stores nothing.")] = False,
    risk: Risk = "low",
    log_format: Annotated[
        str, typer.Option(envvar="THROTTLEPROBE_LOG_FORMAT", help="logfmt, json or console.", metavar="FORMAT")
    ] = "logfmt",
    log_level: Annotated[
        str, typer.Option(envvar="THROTTLEPROBE_LOG_LEVEL", help="debug, info, warning or error.", metavar="LEVEL")
    ] = "info",
    once: Annotated[
        bool, typer.Option("--once", help="One run, if it is allowed now, then exit: for cron, instead of a service.")
    ] = False,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Report every mistake in both files; send nothing.")
    ] = False,
) -> None:
    """Keep measuring on a schedule, and show it: metrics, status page. SIGHUP reads both files again."""
    if not all(find_spec(name) for name in WATCH_PACKAGES):
        typer.echo("watch needs more packages: install throttleprobe[watch]", err=True)
        raise typer.Exit(EXIT_USAGE)
    from probe.commands import watch as watching

    if risk not in ("low", "high"):
        raise typer.BadParameter("low or high", param_hint="--risk")
    watching.leave(
        watching.run(
            watching.Options(
                targets=tuple(target or ()),
                file=targets,
                config=config,
                listen=listen,
                state=state,
                yes=yes,
                high_risk=risk == "high",
                log_format=log_format,
                log_level=log_level,
                once=once,
                check_config=check_config,
            )
        )
    )


@app.command()
def demo(
    output_format: Format = "table",
    output: Output = None,
) -> None:
    """The main job on an emulated censored internet: no network, no account."""
    from probe.lab import demo as lab_demo

    raise typer.Exit(lab_demo.run(output_format=output_format, output=output))


@app.command()
def report(
    run_id: Annotated[str | None, typer.Argument(metavar="RUN", help="A run's id; the latest when none.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Instead: all runs since this date (YYYY-MM-DD), a line each.")
    ] = None,
    output_format: Format = "table",
    output: Output = None,
    state: State = None,
) -> None:
    """Show a stored run again, in any format."""
    from probe.commands import stored

    raise typer.Exit(stored.show(run_id, since, output_format=output_format, output=output, state=state))


@app.command()
def rejudge(
    file: Annotated[Path, typer.Argument(help="A report as JSON; - for standard input.")],
    output_format: Format = "json",
    output: Output = None,
) -> None:
    """New rules on old evidence: the same report with every verdict made anew."""
    from probe.commands import stored

    raise typer.Exit(stored.rejudge(file, output_format=output_format, output=output))


@app.command()
def explain(
    word: Annotated[str, typer.Argument(help="A state, check, mechanism, method, failure or rule id.")],
) -> None:
    """What a word of a report means, and how it was decided."""
    from probe.commands import explain as words

    text = words.explain(word)
    if text is None:
        close = words.near(word)
        hint = f"; close ones: {', '.join(close)}" if close else ""
        typer.echo(f"{word}: not a word of throttleprobe's{hint}", err=True)
        raise typer.Exit(2)
    typer.echo(text)


@targets_app.command("check")
def targets_check(targets: TargetsFile = None) -> None:
    """Report every mistake in targets.yaml at once; exit 2 if there is one."""
    from probe.commands import listing

    raise typer.Exit(listing.check_targets(targets))


@targets_app.command("list")
def targets_list(targets: TargetsFile = None) -> None:
    """What would be contacted, and how many bytes it may take."""
    from probe.commands import listing

    raise typer.Exit(listing.list_targets(targets))


@targets_app.command("schema")
def targets_schema() -> None:
    """The JSON Schema of targets.yaml."""
    from probe.commands import listing

    raise typer.Exit(listing.print_schema())


@lab_app.command("list")
def lab_list(
    family: Annotated[str, typer.Option(help="Only this one: dns, address, tls, …, vantage.")] = "",
    output_format: Annotated[str, typer.Option("--format", help="table or json.", metavar="FORMAT")] = "table",
) -> None:
    """The scenarios by family: what a censor does, or what an honest network does that looks like one."""
    from probe.lab import commands

    raise typer.Exit(commands.show_list(family, output_format))


@lab_app.command("run")
def lab_run(
    name: Annotated[str, typer.Argument(help="A scenario of `lab list`.")],
    profile: Annotated[
        str, typer.Option(help="The line: home, dsl, wifi, …. Without it, the scenario's usual one.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Random loss and jitter follow from this number.")] = 0,
    pcap: Annotated[
        Path | None, typer.Option(help="Write every packet that the vantage point sends and receives here.")
    ] = None,
    output: Output = None,
) -> None:
    """Run one scenario: truth beside verdict. Exit 0 if all is found as it is, 1 if not, 2 if it cannot be run, 4 if
    the run gave no report.
    """
    from probe.lab import commands

    options = commands.RunOptions(name=name, profile=profile, seed=seed, pcap=pcap, output=output)
    raise typer.Exit(commands.show_run(options))


@lab_app.command("score")
def lab_score(
    only: Annotated[
        list[str] | None, typer.Option(help="Scenarios by name; * and ? as in a shell. Repeatable.")
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="Scenarios of this family. Repeatable.")] = None,
    profile: Annotated[list[str] | None, typer.Option(help="On this line; * and ? as in a shell. Repeatable.")] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Runs of each scenario on each line; else what the published claims need.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two runs of each scenario on each line.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Labs at a time.")] = 6,
    max_seconds: Annotated[float, typer.Option(min=1, help="End then, with what is done.")] = 9000.0,
    log: Annotated[Path, typer.Option(help="The file of finished runs, a line each.")] = Path("lab-score.jsonl"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the runs that the log lacks.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A directory for accuracy.md, .json and .svg.")
    ] = None,
    keep_evidence: Annotated[Path | None, typer.Option(help="Also keep every run's whole report here.")] = None,
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="Run nothing: today's rules on the log's runs, from --keep-evidence.")
    ] = False,
) -> None:
    """How often are the verdicts right? Exit 1 if there was a false alarm, 2 if the lab does not work here."""
    from probe.lab.score import command

    raise typer.Exit(
        command.run(
            command.Options(
                patterns=tuple(only or ()),
                families=tuple(family or ()),
                profiles=tuple(profile or ()),
                runs=trials,
                quick=quick,
                parallel=parallel,
                max_seconds=max_seconds,
                log=log,
                resume=resume,
                output=output,
                evidence_directory=keep_evidence,
                rejudge=rejudge,
            )
        )
    )


def _version(wanted: bool) -> None:
    if wanted:
        from probe import __version__

        typer.echo(f"throttleprobe {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Is this platform reachable, is it slowed, and by what?"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def main() -> None:
    """Run the command line; a mistake of ours exits 4, with its trace on standard error."""
    try:
        app()
    except Exception:  # whatever nobody expected is our bug, and says so by its exit code
        import traceback

        traceback.print_exc()
        sys.exit(EXIT_BUG)
