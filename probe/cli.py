"""The command line: what a person can ask for. Every command is a few lines; the work is elsewhere and imported when
asked for."""

import sys
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

EXIT_BUG = 4  # design §4: our own mistake

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
    risk: Annotated[
        str, typer.Option(envvar="THROTTLEPROBE_RISK", help="low, or high: also targets that may endanger you.")
    ] = "low",
    state: State = None,
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
    word: Annotated[str, typer.Argument(help="A state, mechanism, method, failure or rule id.")],
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
