"""A purchase over HTTP and on the page, on a finished study: fresh texts, the rows wanted, the labels given."""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing

import pandas as pd
import pytest
from tiny_checkpoints import LABELS, save_data

from api.runner.work import certify
from optimizer.progress import ignore
from studies.opening import open_service

PATH = "/v1/studies/first"
FIRST = {"epsilon": 0.2}  # its test split is too small to certify what it verifies
HTML = {"Accept": "text/html"}
NOT_UTF8 = b"sentence\nred,\xff\n"


def sent(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "content": b64encode(content).decode()}


@pytest.fixture(scope="module")
def truth(done: tuple, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("fresh")
    save_data(root, done[0].assets / "model", {"train": 1, "validation": 1, "test": 1, "fresh": 300}, noise=0.0)
    return pd.read_csv(root / "fresh.csv")


def test_what_no_purchase_can_begin_with_is_refused_and_leaves_nothing(done: tuple, truth: pd.DataFrame) -> None:
    place, client = done
    missing = client.get(f"{PATH}/labels")
    assert (missing.status_code, client.post(f"{PATH}/labels/next", json={}).status_code) == (404, 404)
    assert "no labels are bought for 'first' yet; begin with fresh texts" in missing.json()["detail"]
    assert 'href="/studies/first/labels">Certify leaner' in client.get("/studies/first", headers=HTML).text
    page = client.get("/studies/first/labels", headers=HTML).text
    assert '<form id="buy"' in page and "labels.js" not in page
    waits = client.post("/v1/studies", json=place.request(name="waits")).headers["Location"]
    assert client.post(f"{waits}/purchases", json={"texts": "fresh.csv"}).status_code == 409
    client.post(f"{waits}/cancel")
    good = truth[["sentence"]].to_csv(index=False).encode()
    for texts, status, said in (
        ("/etc/passwd", 403, "texts: local paths must lie below a directory that the operator allows"),
        ("/home/me/images", 403, "(--allow-path); a folder of images must be on the server"),
        (f"{place.assets}/none", 422, "none; a folder of images must be on the server and is named by its path there"),
        (sent("fresh.xlsx", good), 422, "name"),
        (sent("../fresh.csv", good), 422, "name"),
        (sent("fresh.csv", NOT_UTF8), 422, "texts: fresh.csv, line 2: byte 0xff is not UTF-8"),
        ({"name": "fresh.csv", "content": "%"}, 422, "content"),
        (sent("fresh.csv", bytes(place.settings.max_file_bytes)), 413, f"{place.settings.max_file_bytes} bytes"),
    ):
        refused = client.post(f"{PATH}/purchases", json={"texts": texts})
        assert (refused.status_code, said in refused.text) == (status, True), refused.text
    unknown = client.post(f"{PATH}/purchases", json={"texts": sent("fresh.csv", good), "candidates": [999]})
    assert (unknown.status_code, "'first' has no candidate 999" in unknown.json()["detail"]) == (404, True)
    worse = client.post(f"{PATH}/purchases", json={"texts": sent("fresh.csv", good), "candidates": [1]})
    assert (worse.status_code, "1 is refuted; labels are bought for verified" in worse.json()["detail"]) == (409, True)
    assert client.get(f"{PATH}/purchases/9999").status_code == 404
    assert not list(place.settings.artifacts.glob("*"))


def test_fresh_texts_are_sent_a_worker_finds_what_to_label_and_the_labels_certify(
    done: tuple, truth: pd.DataFrame
) -> None:
    place, client = done

    def bought(content: bytes) -> dict[str, object]:
        begun = client.post(f"{PATH}/purchases", json={"texts": sent("fresh.csv", content)})
        assert begun.status_code == 202, begun.text
        assert client.post(f"{PATH}/purchases", json={"texts": sent("fresh.csv", content)}).status_code == 409
        assert "The texts wait for a worker." in client.get("/studies/first/labels", headers=HTML).text
        assert [job["kind"] for job in client.get("/v1/queue").json()["jobs"]] == ["certify"]
        place.work()
        assert not list(place.settings.artifacts.glob("sent-*"))
        return client.get(begun.headers["Location"]).json()

    known = bought((place.assets / "data" / "test.csv").read_bytes())
    assert (known["state"], "texts: no fresh texts are left; " in known["error"]) == ("failed", True), known
    page = client.get("/studies/first/labels", headers=HTML).text
    assert "The latest texts were not taken: texts: no fresh texts are left; " in page
    other = bought(truth[["sentence"]].rename(columns={"sentence": "words"}).to_csv(index=False).encode())
    assert other["error"] == "InputError: texts: no column 'sentence' in fresh.csv; the data have 'words'"
    repeated = pd.concat([truth, truth[:7]])[["sentence"]]
    made = bought(repeated.to_csv(index=False).encode())
    assert made["state"] == "done", made
    assert "texts set aside: 7 repeats" in made["result"]["notes"]
    with closing(open_service(place.settings.storage)) as service:  # as if the worker had been killed before the end
        job = service.jobs.jobs(1)[-1]
        where = {"cache_dir": place.settings.cache_dir, "artifacts": place.settings.artifacts}
        assert certify(job, service.store, listener=ignore, **where) == {"notes": []}
        assert len(service.store.purchases(job.study_id)) == 1
    told = client.get(f"{PATH}/events", params={"follow": "false"}).text
    assert '"certify"' in told and "the dense model answers" in told

    path = f"{PATH}/labels"
    standing = client.get(path).json()
    member = standing["members"][0]
    assert (standing["classes"], member["disagreements"] > 5) == (list(LABELS), True)
    page = client.get("/studies/first/labels", headers=HTML).text
    assert f"<kbd>2</kbd> {LABELS[1]}" in page
    assert '"dense"' not in page
    assert "texts set aside: 7 repeats" in page
    wanted = client.post(f"{path}/next", json={"batch": 4}).json()["items"]
    assert set(wanted[0]) == {"id", "content"}
    name = dict(zip(truth.sentence, truth.label, strict=True))
    first, label = wanted[0]["id"], name[wanted[0]["content"][0]]
    for labels, said in (({first: "purple"}, "'purple' is no label; write"), ({"9-9-9": label}, "'9-9-9' was never")):
        refused = client.post(path, json={"labels": labels})
        assert (refused.status_code, said in refused.json()["detail"]) == (422, True)
    assert client.post(path, json={"labels": {first: label.upper()}}).json()["members"][0]["labels"] == 1
    assert client.post(path, json={"labels": {first: "?"}}).status_code == 409
    again = client.post(f"{path}/next", json={"batch": 4}).json()["items"]
    assert [row["id"] for row in again] == [row["id"] for row in wanted[1:]]

    file = pd.DataFrame({"id": [r["id"] for r in again], "sentence": [r["content"][0] for r in again]})
    file["label"] = file.sentence.map(name)
    changed = file.assign(sentence=[*file.sentence[:-1], "a changed one"]).to_csv(index=False).encode()
    refused = client.post(f"{path}/file", json=sent("labels.csv", changed))
    assert (refused.status_code, "labels: labels.csv, line" in refused.json()["detail"]) == (422, True), refused.text
    assert "the text was changed; restore" in refused.json()["detail"]
    taken = client.post(f"{path}/file", json=sent("labels.csv", file.to_csv(index=False).encode()))
    assert (taken.status_code, taken.json()["open_rows"]) == (200, 0), taken.text
    assert client.get(path).json() == taken.json()
