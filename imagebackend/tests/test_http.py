"""The HTTP interface, asked over a real connection."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import quote

import pytest
from PIL import Image

import imagebackend
from benchmarks.services.harness import Service
from imagebackend.monsters import monster


@pytest.mark.parametrize(
    ("path", "kind", "begins"),
    [
        pytest.param("/monster/x", "image/png", b"\x89PNG\r\n", id="png by default"),
        pytest.param("/monster/x.png?size=12", "image/png", b"\x89PNG\r\n", id="png"),
        pytest.param("/monster/x.svg", "image/svg+xml", b"<svg ", id="svg"),
        pytest.param("/monster/x.webp?width=1024", "image/webp", b"RIFF", id="webp"),
        pytest.param("/monster/x.json?height=99", "application/json", b"{", id="json"),
        pytest.param("/v1/monster/x", "image/png", b"\x89PNG\r\n", id="v1"),
        pytest.param("/monster/a.b", "image/png", b"\x89PNG\r\n", id="a dot in the id"),
        pytest.param("/monster/.png", "image/png", b"\x89PNG\r\n", id="an id like a suffix"),
        pytest.param("/monster/%F0%9F%A6%95", "image/png", b"\x89PNG\r\n", id="not ASCII"),
        pytest.param("/monster/%FF%00", "image/png", b"\x89PNG\r\n", id="not text"),
        pytest.param("/monster/" + "x" * 256, "image/png", b"\x89PNG\r\n", id="longest id"),
        pytest.param("/monster/x?size=20&width=30", "image/png", b"\x89PNG", id="not square"),
        pytest.param("/", "text/html; charset=utf-8", b"<!doctype html>", id="home"),
        pytest.param("/sheet", "text/html; charset=utf-8", b"<!doctype html>", id="sheet"),
        pytest.param("/healthz", "text/plain", b"ok\n", id="healthz"),
        pytest.param("/readyz", "text/plain", b"ready\n", id="readyz"),
        pytest.param("/openapi.json", "application/json", b"{", id="openapi"),
    ],
)
def test_get_and_head(service: Service, path: str, kind: str, begins: bytes) -> None:
    got = service.get(path)
    assert (got.status, got.headers["content-type"]) == (200, kind)
    assert got.body.startswith(begins)
    assert got.headers["x-version"] == "7.8"
    head = service.get(path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(got.body))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/monster/x?size=11", 400, id="too small"),
        pytest.param("GET", "/monster/x?size=1025", 400, id="too large"),
        pytest.param("GET", "/monster/x?size=99999999999999999999", 400, id="huge"),
        pytest.param("GET", "/monster/x?size=-80", 400, id="negative"),
        pytest.param("GET", "/monster/x?size=abc", 400, id="no number"),
        pytest.param("GET", "/monster/x?size=", 400, id="empty"),
        pytest.param("GET", "/monster/x?size=80.5", 400, id="a fraction"),
        pytest.param("GET", "/monster/x?size=%D9%A8%D9%A0", 400, id="other digits"),
        pytest.param("GET", "/monster/x?size=80&height=9", 400, id="bad height"),
        pytest.param("GET", "/monster/" + "x" * 257, 400, id="id too long"),
        pytest.param("GET", "/monster/", 404, id="no id"),
        pytest.param("GET", "/monster/a/b", 404, id="a path below an id"),
        pytest.param("GET", "/nothing", 404, id="no such page"),
        pytest.param("GET", "/v2/monster/x", 404, id="no such version"),
        pytest.param("POST", "/monster/x", 405, id="post"),
        pytest.param("DELETE", "/", 405, id="delete"),
        pytest.param("PATCH", "/healthz", 405, id="patch"),
        pytest.param("OPTIONS", "/monster/x", 405, id="options"),
        pytest.param("MONSTER", "/monster/x", 405, id="no such method"),
        pytest.param("GET", "/monster//x", 404, id="two slashes"),
    ],
)
def test_refused(service: Service, method: str, path: str, status: int) -> None:
    answer = service.get(path, method)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    if status == 405:
        assert "GET" in answer.headers["allow"]


def test_caching_headers(service: Service) -> None:
    newest, versioned = service.get("/monster/x.png"), service.get("/v1/monster/x.png")
    assert newest.headers["cache-control"] == "public, max-age=86400"
    assert versioned.headers["cache-control"] == "public, max-age=31536000, immutable"
    for answer in (newest, versioned):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert not answer.headers["etag"].startswith("W/")


def test_etags_name_the_picture(service: Service) -> None:
    paths = ["/monster/x.png", "/monster/y.png", "/monster/x.svg", "/monster/x.png?size=81"]
    tags = [service.get(path).headers["etag"] for path in paths]
    assert len(set(tags)) == len(tags)
    assert service.get("/v1/monster/x").headers["etag"] == tags[0]


@pytest.mark.parametrize(
    "match", ["{}", '"other", {}', "W/{}", "*"], ids=["one", "several", "weak", "any"]
)
def test_not_modified(service: Service, match: str) -> None:
    tag = service.get("/monster/x.webp").headers["etag"]
    answer = service.get("/monster/x.webp", headers={"If-None-Match": match.format(tag)})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)


def test_not_modified_is_answered_without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = imagebackend.create_app().test_client()
    tag = client.get("/monster/x").headers["ETag"]

    def never(_: object) -> int:
        raise AssertionError("drawn")

    monkeypatch.setattr(imagebackend, "picture", never)
    assert client.get("/monster/x", headers={"If-None-Match": tag}).status_code == 304
    assert client.get("/monster/x", headers={"If-None-Match": '"v1-0-80-png"'}).status_code == 500


def test_json_names_the_parts(service: Service) -> None:
    found = service.get("/monster/" + quote("Zoë") + ".json").json()
    assert found["id"] == "Zoë"
    parts = found["parts"]
    assert set(parts) == {
        "back", "legs", "arms", "body", "pattern", "top", "mouth", "extra", "eyes", "palette",
    }  # fmt: skip
    assert parts["body"] in [part.name for part in monster("Zoë").parts]


def test_the_query_of_the_original_service_works(service: Service) -> None:
    with Image.open(BytesIO(service.get("/monster/abc?size=20").body)) as image:
        assert (image.size, image.format) == ((20, 20), "PNG")
        assert image.convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)
