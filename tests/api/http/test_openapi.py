"""The whole OpenAPI, put to random requests, with and without keys: all of schemathesis' own checks hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.http.app import create_app
from api.http.settings import Settings
from studies.keys import Scope
from studies.opening import open_service

EXAMPLES = 8
EXCEPT = {"POST /v1/studies": [positive_data_acceptance]}  # its schema does not say which fields go together
HOST = {"Host": "127.0.0.1"}
APP = create_app(Settings(storage="sqlite:///unused", cache_dir=Path("unused"), artifacts=Path("unused")))
OPERATIONS = [(method.upper(), path) for path, item in APP.openapi()["paths"].items() for method in item]


def asked(app: object) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST)


@pytest.fixture(scope="module")
def schemas(done: tuple, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple]:
    """The description and the headers of a server without keys, which has a finished study, and of one with a key."""
    place, _ = done
    unlimited = {"requests_per_minute": 10**6}
    keyed = place.settings.model_copy(
        update={"storage": f"sqlite:///{tmp_path_factory.mktemp('keyed')}/s.sqlite", **unlimited}
    )
    service = open_service(keyed.storage)
    _, secret = service.keys.add("ann", [Scope.ADMIN])
    service.close()
    return {
        "keyless": (asked(create_app(place.settings.model_copy(update=unlimited))), HOST),
        "keyed": (asked(create_app(keyed)), HOST | {"Authorization": f"Bearer {secret}"}),
    }


@pytest.mark.parametrize("keys", ["keyless", "keyed"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(operation) for operation in OPERATIONS])
def test_every_check_of_schemathesis_holds(method: str, path: str, keys: str, schemas: dict[str, tuple]) -> None:
    schema, headers = schemas[keys]
    answered = 0

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=schema[path][method].as_strategy(), is_known=st.booleans())
    def ask(case: schemathesis.Case, is_known: bool) -> None:
        nonlocal answered
        if is_known and method != "DELETE" and "name" in case.path_parameters:
            case.path_parameters["name"] = "first"
        if path.endswith("/events"):
            case.query = {**(case.query or {}), "follow": "false"}
        answer = case.call_and_validate(headers=headers, excluded_checks=EXCEPT.get(f"{method} {path}", []))
        assert answer.status_code < 500
        answered += 1

    ask()
    assert answered


def test_only_a_server_with_keys_says_that_it_wants_one(schemas: dict[str, tuple]) -> None:
    described = {keys: schema.raw_schema for keys, (schema, _) in schemas.items()}
    assert "securitySchemes" in described["keyed"]["components"]
    assert "securitySchemes" not in described["keyless"]["components"]
    assert "security" not in described["keyless"]["paths"]["/v1/studies"]["get"]


def test_what_is_not_served_says_what_is(client: object) -> None:
    for method in ("OPTIONS", "PUT", "HEAD", "PATCH"):
        answer = client.request(method, "/v1/studies")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
