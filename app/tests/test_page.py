"""The page and the pictures, with a real Redis and a real imagebackend."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from app import LONGEST_NAME
from benchmarks.services.harness import Service

from .conftest import Redis, client_of, environment


class Page(HTMLParser):
    """The title, the text, and the attributes of all elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.by_id: dict[str, str] = {}
        self._open: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(dict(attrs).get("id"))

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1]:
            self.by_id[self._open[-1]] = self.by_id.get(self._open[-1], "") + data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<title>MonsterStack</title>" in answer.text
    page = Page(answer.text)
    assert page.by_id["visits"] == "1"
    assert page.by_id["version"] == "dev"
    assert "John Doe" in answer.text
    assert "Nobody yet" in answer.text


def test_every_picture_and_link_of_the_page_works(client: FlaskClient) -> None:
    page = Page(client.post("/", data={"name": "Ada"}).text)
    paths = [image["src"] for image in page.all("img")] + [a["href"] for a in page.all("a")]
    paths += [link["href"] for link in page.all("link")]
    assert len(paths) >= 10
    for path in paths:
        assert path is not None
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.content_type.startswith("image/"), path
    downloads = [a["href"] for a in page.all("a") if "download" in a]
    assert [str(d).rsplit("?", 1)[0].rsplit(".", 1)[1] for d in downloads] == ["png", "svg", "webp"]


def test_get_and_post_show_the_same_monster(client: FlaskClient) -> None:
    posted = Page(client.post("/", data={"name": " Ada  Lovelace"}).text)
    got = Page(client.get("/?name=Ada+Lovelace").text)
    assert posted.all("img")[0]["src"] == got.all("img")[0]["src"]
    other = Page(client.get("/?name=Ada").text)
    assert other.all("img")[0]["src"] != got.all("img")[0]["src"]


def test_visits_count_and_recent_monsters_show(redis: Redis, imagebackend: Service) -> None:
    env = environment(redis.port, imagebackend.port)
    replicas = [client_of(env), client_of(env)]
    for i in range(15):
        page = Page(replicas[i % 2].post("/", data={"name": f"visitor {i}"}).text)
    assert page.by_id["visits"] == "15"
    recent = [i["src"] for i in page.all("img") if i["width"] == "80" and i["alt"]]
    assert len(recent) == 12
    assert redis.cli("zcard", "monsterstack:recent") == "12"
    assert "visitor" not in redis.cli("zrange", "monsterstack:recent", "0", "-1")
    again = Page(replicas[0].get("/").text)
    assert [i["src"] for i in again.all("img") if i["width"] == "80" and i["alt"]] == recent, (
        "showing the page does not add to the gallery"
    )


def test_layers(redis: Redis, imagebackend: Service) -> None:
    env = environment(redis.port, imagebackend.port)
    first, second = client_of(env), client_of(env)
    path = "/monster/layers.webp?size=96"
    assert first.get(path).headers["X-Cache"] == "backend"
    assert first.get(path).headers["X-Cache"] == "lru"
    assert second.get(path).headers["X-Cache"] == "redis"
    assert second.get(path).headers["X-Cache"] == "lru"
    assert first.get(path).data == second.get(path).data
    assert 0 < int(redis.cli("ttl", "monsterstack:v1:layers:96.webp")) <= 24 * 3600
    page = Page(first.post("/", data={"name": "layers"}).text)
    assert "layer" in page.by_id
    layers = [a["data-layer"] for tag, a in page.elements if "data-layer" in a]
    assert layers == ["backend"]


def test_rubbish_in_redis_is_not_shown(redis: Redis, imagebackend: Service) -> None:
    redis.cli("set", "monsterstack:v1:trap:80.png", "<script>alert(1)</script>")
    redis.cli("lpush", "monsterstack:v1:list:80.png", "x")
    client = client_of(environment(redis.port, imagebackend.port))
    for name in ("trap", "list"):
        answer = client.get(f"/monster/{name}.png")
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "backend")
        assert answer.data.startswith(b"\x89PNG")
    redis.cli("zadd", "monsterstack:recent", "9", '"><script>')
    assert "<script" not in client.get("/").text


def test_not_modified(client: FlaskClient) -> None:
    tag = client.get("/monster/etag.svg").headers["ETag"]
    answer = client.get("/monster/etag.svg", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert client.get("/monster/etag.svg?size=81").headers["ETag"] != tag


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/monster/x?size=11", 400, id="too small"),
        pytest.param("GET", "/monster/x?size=1025", 400, id="too large"),
        pytest.param("GET", "/monster/x?size=1e2", 400, id="no number"),
        pytest.param("GET", "/monster/x?size=", 400, id="empty"),
        pytest.param("GET", "/monster/a%20b", 400, id="bad id"),
        pytest.param("GET", "/monster/x.gif", 400, id="bad kind"),
        pytest.param("GET", "/monster/" + "x" * 65, 400, id="long id"),
        pytest.param("GET", "/monster/..%2f..%2fetc", 404, id="traversal"),
        pytest.param("GET", "/nothing", 404, id="no such page"),
        pytest.param("GET", "/metrics", 404, id="metrics are elsewhere"),
        pytest.param("GET", "/monster//x", 404, id="two slashes"),
        pytest.param("PUT", "/", 405, id="put"),
        pytest.param("OPTIONS", "/", 405, id="options"),
        pytest.param("POST", "/monster/x", 405, id="post to a picture"),
    ],
)
def test_refused(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json is not None
    assert answer.json["status"] == status
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_name_that_is_too_long_is_said(client: FlaskClient) -> None:
    fits = client.post("/", data={"name": "ñ" * LONGEST_NAME})
    assert fits.status_code == 200
    answer = client.post("/", data={"name": "x" * (LONGEST_NAME + 1)})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert client.post("/", data={"name": "x" * 9000}).status_code == 413


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "'; --", "&lt;"],
)
def test_names_are_escaped(client: FlaskClient, name: str) -> None:
    text = client.post("/", data={"name": name}).text
    page = Page(text)
    assert page.all("script") == []
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert page.all("input")[0]["value"] == name
    assert "49" not in page.by_id.get("greeting", "")


def test_security_headers(client: FlaskClient) -> None:
    for path in ("/", "/monster/x.svg", "/nothing", "/healthz"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    answer = client.get("/")
    style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    assert " style=" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "language"),
    [("fr-CH,fr;q=0.9,en;q=0.8", "fr"), ("de,en;q=0.5", "en"), ("", "en"), ("ja", "en")],
)
def test_languages(client: FlaskClient, accept: str, language: str) -> None:
    answer = client.get("/", headers={"Accept-Language": accept})
    assert f'<html lang="{language}">' in answer.text
    assert ("Votre nom" in answer.text) == (language == "fr")
    assert answer.headers["Vary"] == "Accept-Language"
