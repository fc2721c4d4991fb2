"""Labels over HTTP and on the page: the rows wanted, the labels given, and what they say, on a finished study."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import numpy as np
import pytest
from fastapi.testclient import TestClient

from optimizer.certify.begin import disputed
from optimizer.certify.sequence import Plan
from studies.opening import open_store

CLASSES = ("red", "green", "blue")


@pytest.fixture
def client(done: tuple) -> TestClient:
    return done[1]


def buy(storage: str, *, texts: int = 400) -> None:
    dense = np.zeros(texts, dtype=np.int64)
    member = np.where(np.arange(texts) % 40 == 0, 1, 0)
    with closing(open_store(storage)) as store:
        study = store.study("first")
        number = store.candidates(study.id)[0].number
        plan = Plan(
            epsilon=0.01, alpha=0.01, members=(number,), texts=texts, classes=CLASSES, columns=("text",), file="f"
        )
        contents = [(f"<b>text {i}</b>",) for i in range(texts)]
        rows = disputed(np.stack([dense, member]), contents, plan)
        store.add_purchase(study.id, 1, plan=asdict(plan), keys=b"", texts=rows)


def test_labels_are_asked_and_given_over_http_and_on_the_page(done: tuple, client: TestClient) -> None:
    place = done[0]
    path = "/v1/studies/first/labels"
    missing = client.get(path)
    assert (missing.status_code, client.post(f"{path}/next", json={}).status_code) == (404, 404)
    assert "no labels are bought for 'first' yet" in missing.json()["detail"]
    buy(place.settings.storage)
    standing = client.get(path).json()
    assert (standing["classes"], standing["members"][0]["disagreements"]) == (list(CLASSES), 10)
    page = client.get("/studies/first/labels", headers={"Accept": "text/html"}).text
    assert "<kbd>2</kbd> green" in page
    assert '"dense"' not in page
    wanted = client.post(f"{path}/next", json={"batch": 4}).json()
    first = wanted["items"][0]
    assert set(first) == {"id", "content"}
    assert client.post(path, json={"labels": {first["id"]: "purple"}}).status_code == 422
    assert client.post(path, json={"labels": {"9-9-9": "red"}}).status_code == 422
    given = client.post(path, json={"labels": {first["id"]: "RED"}})
    assert given.json()["members"][0]["labels"] == 1
    assert client.post(path, json={"labels": {first["id"]: "blue"}}).status_code == 409
    again = client.post(f"{path}/next", json={"batch": 4}).json()["items"]
    assert [row["id"] for row in again] == [row["id"] for row in wanted["items"][1:]]
