"""The whole OpenAPI, put to random requests: no answer of 5xx, none that is not documented."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.app import create_app
from api.http.settings import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 25
OPERATIONS = [
    (method.upper(), path)
    for path, item in create_app(
        Settings(storage="sqlite:///unused", cache_dir=Path("unused"), artifacts=Path("unused"))
    )
    .openapi()["paths"]
    .items()
    for method in item
]


@pytest.fixture(scope="module")
def schema(done: tuple) -> schemathesis.BaseSchema:
    place, _ = done  # with a finished study, a finished export is not needed: its answers are documented alike
    app = create_app(place.settings.model_copy(update={"requests_per_minute": 10**6}))
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "127.0.0.1"})


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(operation) for operation in OPERATIONS])
def test_no_request_gets_an_answer_that_is_not_documented(
    method: str, path: str, schema: schemathesis.BaseSchema
) -> None:
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
        answer = case.call(headers={"Host": "127.0.0.1"})
        case.validate_response(answer, checks=CHECKS)  # raises for whatever is not documented
        assert answer.status_code < 500
        answered += 1

    ask()
    assert answered
