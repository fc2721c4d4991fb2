"""The files of docs/compose name commands, options, variables and files that exist, and bound each container."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from fastapi.routing import APIRoute
from psycopg.pq import Conninfo
from typer.main import get_command

from api.cli.app import app
from api.http.routes.studies import router
from studies.limits import CONNECTIONS_AT_NEED
from studies.sql.engine import parsed_url

ROOT = Path(__file__).parent.parent
PLACE = ROOT / "docs" / "compose"
OURS = ("service", "worker", "keys")
OF_THE_DATABASE = {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"}  # of the image's documentation
OF_THREADS = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY"}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def filled(text: str) -> str:
    """Return a text with the default in place of each variable; one that must be given is "given"."""
    assert all(match[2] for match in VARIABLE.finditer(text)), text
    return VARIABLE.sub(lambda match: match[3] if match[2] == "-" else "given", text).replace("$$", "$")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = yaml.safe_load(filled((PLACE / "compose.yaml").read_text()))["services"]
    return made


def command_of(service: Mapping[str, Any]) -> list[str]:
    return [*service.get("entrypoint", ["optimize"])[1:], *service["command"]]


def options_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """Parse a service's command as the command line would, and return the values of the command's options."""
    context = get_command(app).make_context("optimize", command_of(service), resilient_parsing=False)
    given = dict(context.params)
    while names := [*context._protected_args, *context.args]:
        name, command, rest = context.command.resolve_command(context, names)  # type: ignore[attr-defined]
        context = command.make_context(name, rest, parent=context)
        given |= {key: value for key, value in context.params.items() if value is not None}
        if not hasattr(command, "resolve_command"):
            break
    return given


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_of_the_command_line(name: str, services: dict[str, dict[str, Any]]) -> None:
    service = services[name]
    url = parsed_url(options_of(service)["storage"])
    database = services["database"]["environment"]
    assert (url.host, url.database, url.username) == ("database", database["POSTGRES_DB"], database["POSTGRES_USER"])
    known = {each.envvar.decode() for each in Conninfo.get_defaults() if each.envvar} | OF_THREADS
    assert set(service["environment"]) <= known


def test_each_container_is_checked_bounded_and_of_a_fixed_version(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service["image"]), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert name == "keys" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        waits_for = service.get("depends_on", {})
        assert all(services[other]["healthcheck"] for other in waits_for), name
        assert {each["condition"] for each in waits_for.values()} <= {"service_healthy"}, name
        if name != "database":
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name
    assert set(services["database"]["environment"]) == OF_THE_DATABASE


def test_checks_of_health_ask_for_what_the_containers_do(services: dict[str, dict[str, Any]]) -> None:
    served, worked = options_of(services["service"]), options_of(services["worker"])
    assert f"127.0.0.1:{served['port']}/readyz" in services["service"]["healthcheck"]["test"][-1]
    assert f"find {worked['alive']} " in services["worker"]["healthcheck"]["test"][-1]
    assert served["allow_path"] == worked["allow_path"] and served["cache_dir"] == worked["cache_dir"]
    for service in (services["service"], services["worker"]):
        assert f"state:{served['cache_dir']}" in service["volumes"]
        assert any(volume.endswith(f":{served['allow_path'][0]}:ro") for volume in service["volumes"])


def test_the_database_takes_as_many_connections_as_all_may_open(services: dict[str, dict[str, Any]]) -> None:
    [most] = re.findall(r"max_connections=(\d+)", " ".join(services["database"]["command"]))
    opened = {
        name: options_of(services[name])["database_connections"] + CONNECTIONS_AT_NEED for name in ("service", "worker")
    }
    workers = 5
    assert opened["service"] * services["service"]["deploy"]["replicas"] + opened["worker"] * workers < int(most)


def test_the_proxy_passes_on_to_the_service_and_names_itself_to_it(services: dict[str, dict[str, Any]]) -> None:
    text = (PLACE / "nginx.conf").read_text()
    served = options_of(services["service"])
    assert f"set $service service:{served['port']};" in text
    [listened] = re.findall(r"listen (\d+);", text)
    assert services["proxy"]["ports"] == [f"127.0.0.1:8080:{listened}"]
    assert services["proxy"]["healthcheck"]["test"][-1].endswith(f":{listened}/proxy-health")
    networks = yaml.safe_load(filled((PLACE / "compose.yaml").read_text()))["networks"]
    assert served["trusted_proxy"] == [networks["front"]["ipam"]["config"][0]["subnet"]]
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text  # what a caller says of itself does not count


def test_the_proxy_repeats_a_write_only_where_the_service_makes_it_once() -> None:
    text = re.sub(r"#.*", "", (PLACE / "nginx.conf").read_text())
    server, keyed = text.split("location @keyed {")
    keyed = keyed.partition("}")[0]
    assert "non_idempotent" in keyed
    assert "non_idempotent" not in server + text.split(keyed)[1]
    [path] = re.findall(r"location = (\S+) \{\s+error_page 418 = @keyed;\s+if \(\$http_idempotency_key\)", server)
    routes = [route for route in router.routes if isinstance(route, APIRoute) and route.path == path]
    [submit] = [route.endpoint for route in routes if "POST" in route.methods]
    assert "idempotency_key" in inspect.signature(submit).parameters


def test_the_image_is_built_of_what_is_there() -> None:
    text = (PLACE / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    copied = [name for line in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE) for name in line.split()]
    assert all((ROOT / name).exists() for name in copied)
    admitted = {line[1:] for line in (PLACE / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    assert admitted == set(copied)
    [extras] = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert all(
        "--constraint constraints.txt" in line for line in re.findall(r"^RUN pip install.*$", text, re.MULTILINE)
    )
