"""The report as JUnit XML, for schedules whose dashboards know tests.

A suite for the line and one for each target; a case for each measurement and a last one, `verdict`, for the target.
`ok` passes; `throttled`, `blocked`, `withheld` and `down` fail, with the mechanisms as the failure's type;
`inconclusive`, what was not run, and what another media candidate stands in for are skipped; a mistake of this program
is an error. Attributes follow the schema that Jenkins publishes (jenkinsci/xunit-plugin, junit-10.xsd).
"""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from probe.formats import overview, past
from probe.formats.plain import plain
from probe.model.results import Measurement, NetworkState, ProblemReason, Report, State, TargetResult, Verdict

FAILING = (State.THROTTLED, State.BLOCKED, State.WITHHELD, State.DOWN)
_OUTCOMES = ("failure", "error", "skipped")


def render_junit(report: Report) -> bytes:
    """UTF-8 XML with its declaration."""
    root = Element("testsuites", name="throttleprobe", time=f"{report.duration_seconds:.3f}")
    root.append(_line_suite(report))
    for target in report.targets:
        root.append(_target_suite(report, target))
    for suite in root:
        _count(suite, suite.findall("testcase"))
    _count(root, [case for suite in root for case in suite.findall("testcase")], skipped=False)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _line_suite(report: Report) -> Element:
    suite = _suite(report, "network")
    case = SubElement(suite, "testcase", classname="throttleprobe.network", name="line", time="0.000")
    if report.network.state is not NetworkState.OK:
        SubElement(case, "skipped", message=f"{report.network.state}: {plain(report.network.reason)}")
    for measurement in report.controls:
        _case(suite, "network", measurement)
    return suite


def _target_suite(report: Report, target: TargetResult) -> Element:
    suite = _suite(report, plain(target.id, limit=80))
    for measurement in target.measurements:
        replaced = overview.stood_in_for(target, measurement)
        _case(suite, target.id, measurement, replaced=replaced)
    case = SubElement(suite, "testcase", classname=_class(target.id), name="verdict", time="0.000")
    _outcome(case, target.verdict)
    output = SubElement(case, "system-out")
    row = overview.row(target)
    output.text = f"{row.name}: {row.verdict_word}; download {row.download.text}; upload {row.upload.text}"
    if told := past.sentences(target):
        output.text += "\n" + "\n".join(told)
    return suite


def _suite(report: Report, name: str) -> Element:
    # The schema's timestamp has no zone; all times here are UTC.
    return Element("testsuite", name=name, timestamp=plain(report.started_at, limit=40).removesuffix("Z"))


def _class(target: str) -> str:
    return f"throttleprobe.{plain(target, limit=80)}"


def _case(suite: Element, target: str, measurement: Measurement, *, replaced: bool = False) -> None:
    name = f"{plain(measurement.check, limit=40)} {plain(measurement.input, limit=200)}"
    seconds = f"{measurement.duration_seconds:.3f}"
    case = SubElement(suite, "testcase", classname=_class(target), name=name, time=seconds)
    problem = measurement.attempt.problem
    if problem is not None and problem.reason is ProblemReason.BUG:
        SubElement(case, "error", type="bug", message=f"{plain(problem.stage)}: {plain(problem.detail)}")
    elif replaced:
        SubElement(case, "skipped", message="another media candidate serves")
    else:
        _outcome(case, measurement.verdict)


def _outcome(case: Element, verdict: Verdict) -> None:
    message = plain(verdict.reason)
    if verdict.state in FAILING:
        means = ", ".join(verdict.mechanisms) or str(verdict.state)
        failure = SubElement(case, "failure", type=means, message=f"{overview.verdict_word(verdict)}: {message}")
        failure.text = f"rules {', '.join(plain(rule, limit=80) for rule in verdict.rule_ids)}"
    elif verdict.state is not State.OK:
        SubElement(case, "skipped", message=f"{verdict.state}: {message}")


def _count(element: Element, cases: list[Element], *, skipped: bool = True) -> None:
    found = {outcome: sum(case.find(outcome) is not None for case in cases) for outcome in _OUTCOMES}
    element.set("tests", str(len(cases)))
    element.set("failures", str(found["failure"]))
    element.set("errors", str(found["error"]))
    if skipped:
        element.set("skipped", str(found["skipped"]))
        element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
