"""Do the container files name what exists, run as nobody, and open nothing but loopback?

No engine runs here: the files are read. What the build installs is what `pip install '.[watch]'` installs anywhere.
"""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "deploy" / "container"
SERVICES = ("throttleprobe", "prometheus", "alertmanager", "grafana")


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions in order, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (CONTAINER / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def stages() -> list[list[tuple[str, str]]]:
    """One list for each FROM."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(CONTAINER / "compose.yaml")
    return loaded


def test_it_builds_from_what_is_here_and_packages_need() -> None:
    build, _ = stages()
    copied = {path for line in of(build, "COPY") for path in line.split()[:-1]}
    assert all((ROOT / path).exists() for path in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {*wheel["packages"], *wheel["force-include"]}
    assert copied == needed
    assert "watch" in project["project"]["optional-dependencies"]


def test_the_image_runs_as_nobody_in_particular() -> None:
    _, final = stages()
    (user,) = of(final, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert f"--chown={user} " in " ".join(of(final, "COPY"))
    assert not of(final, "RUN")
    assert of(final, "ENTRYPOINT") == ['["throttleprobe"]']
    assert of(final, "CMD") == ['["watch"]']  # consent is for whoever starts it


def test_its_health_is_asked_without_a_shell() -> None:
    _, final = stages()
    (check,) = of(final, "HEALTHCHECK")
    assert re.search(r'CMD \["python", "-c", ".*http://127\.0\.0\.1:9850/-/healthy', check)
    code = re.findall(r'"((?:[^"\\]|\\.)*)"', check)[2]
    compile(code, "health check", "exec")


def test_base_images_are_named_without_a_registry_and_with_a_version(compose: dict[str, Any]) -> None:
    images = [line.split()[0] for stage in stages() for line in of(stage, "FROM")]
    images += [service["image"] for service in compose["services"].values() if "build" not in service]
    for image in images:
        assert re.fullmatch(r"[a-z]+(/[a-z]+)?:v?\d+\.\d+[\w.-]*", image), image


def test_every_service_is_confined(compose: dict[str, Any]) -> None:
    assert tuple(compose["services"]) == SERVICES
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"] == ["/tmp"], name
        assert not {"privileged", "cap_add", "ports", "user"} & service.keys(), name


def test_everything_listens_on_loopback_alone(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert all(service["network_mode"] == "host" for service in services.values())
    for name in ("prometheus", "alertmanager"):
        (listen,) = [word for word in services[name]["command"] if word.startswith("--web.listen-address=")]
        assert listen.startswith("--web.listen-address=127.0.0.1:")
    assert "--cluster.listen-address=" in services["alertmanager"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert "listen" not in shlex.join(services["throttleprobe"]["command"])  # its own default is loopback


def test_addresses_agree_between_the_files(compose: dict[str, Any]) -> None:
    commands = " ".join(word for service in compose["services"].values() for word in service.get("command", ()))
    prometheus = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    assert "127.0.0.1:9093" in prometheus
    assert "--web.listen-address=127.0.0.1:9093" in commands
    source = (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text()
    assert "http://127.0.0.1:9090" in source
    assert "--web.listen-address=127.0.0.1:9090" in commands


def test_what_is_mounted_exists_and_cannot_be_written_to(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (CONTAINER / source).exists(), volume
                assert mode == ["ro"], volume
            else:
                assert source in compose["volumes"]


def test_files_are_mounted_where_they_are_looked_for(compose: dict[str, Any]) -> None:
    targets = {volume.split(":")[1] for service in compose["services"].values() for volume in service["volumes"]}
    commands = [word for service in compose["services"].values() for word in service.get("command", ())]
    (rules_at,) = {word.split("=")[1].rpartition("/")[0] for word in commands if word.endswith("/prometheus.yml")}
    assert rules_at in targets
    assert "/etc/alertmanager/alertmanager.yml" in targets
    provider = (ROOT / "deploy/grafana/provisioning/dashboards/throttleprobe.yaml").read_text()
    assert any(f"path: {target}\n" in provider for target in targets)
    _, final = stages()
    (environment,) = of(final, "ENV")
    assert "CONFIGURATION_DIRECTORY=/etc/throttleprobe" in environment
    assert {"/etc/throttleprobe/watch.yaml", "/var/lib/throttleprobe"} <= targets


def test_no_secret_has_a_value_here_and_nothing_reports_home(compose: dict[str, Any]) -> None:
    grafana = compose["services"]["grafana"]["environment"]
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")
    told = {name: value for name, value in grafana.items() if name.startswith(("GF_ANALYTICS", "GF_NEWS"))}
    assert set(told.values()) == {"false"}
