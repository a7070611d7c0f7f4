"""Media by URL for servers that take none: what is fetched, from where, and what never is."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from llm_connector import (
    Audio,
    ConfigurationError,
    Document,
    FetchPolicy,
    Image,
    LlmClient,
    Text,
    Timeout,
    TimeoutError,
    ToolCall,
    TransportError,
    UnsupportedError,
    Video,
    assistant,
    tool_result,
    user,
)
from llm_connector.providers import find
from llm_connector.transport import guard, pools
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, KEY, Driver, RawServer
from tests.support.wire_server import Answer, Pause, Refuse, Scripted, Stream, WireServer, ndjson
from tests.test_imports import modules

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
PDF = b"%PDF-1.7\n" + bytes(40)
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(40)
OPEN = FetchPolicy(private_addresses=True)
OK = Answer.json(completion(content="Hello"))
OLLAMA_OK = Answer.json(
    {"model": "m", "message": {"role": "assistant", "content": "Hello"}, "done": True, "done_reason": "stop"}
)


def image(content: bytes = PNG, **headers: str) -> Answer:
    return Answer(200, {"content-type": "image/png", **{k.replace("_", "-"): v for k, v in headers.items()}}, content)


def moved(location: str, status: int = 302) -> Answer:
    return Answer(status, {"location": location})


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
def media() -> Iterator[WireServer]:
    """The host of the media; the wire server is the provider."""
    with WireServer() as server:
        yield server


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer, media: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()
    assert wire_server.wait_closed()
    assert media.wait_closed(), "a connection to the media's host is still open"


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1, and no other address, passes for one of the public internet."""
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(pools.SYNC_POOLS, "_pools", {})


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Addresses of made-up names: a list per question, the last of which stands for all that follow."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in known:
            return real(host, port, *rest, **more)
        answers = known[name]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [entry for address in addresses for entry in real(address, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def ollama(driver: Driver, fetch_media: Any = OPEN, **settings: Any) -> Any:
    return driver.client("ollama", fetch_media=fetch_media, **settings)


def refused(
    driver: Driver, media: WireServer, part: Any, *answers: Scripted, policy: Any = OPEN, **settings: Any
) -> str:
    """The message of the error of a chat about a part; the provider is asked nothing."""
    media.script(*answers)
    with pytest.raises(ConfigurationError) as failed:
        driver.run(ollama(driver, policy, **settings).chat([user("Hi"), user("What is it?", part)]))
    assert not driver.server.requests
    assert str(failed.value).startswith(f"ollama: messages[1]: no {part.type} came from ")
    return str(failed.value)


class TestWhatIsFetched:
    @pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
    def test_an_image_for_a_server_that_takes_base64_only(self, stream, driver, wire_server, media):
        media.route("/cat.png", image())
        wire_server.script(Stream(ndjson(json.loads(OLLAMA_OK.body))) if stream else OLLAMA_OK)
        client = ollama(driver)
        message = user("What is it?", Image(f"{media.url}/cat.png?token=secret"))

        if stream:
            opened = client.stream([message])
            assert opened.adaptations, "known before anything is sent"
            assert not media.requests
            assert driver.text(opened) == "Hello"
            response = opened.response
        else:
            response = driver.run(client.chat([message]))

        (request,) = wire_server.requests
        assert request.json["messages"] == [{"role": "user", "content": "What is it?", "images": [encoded(PNG)]}]
        (told,) = response.adaptations
        assert (told.action, told.subject) == ("converted", "image")
        assert media.url.removeprefix("http://") in told.detail
        assert "secret" not in told.detail

    def test_what_each_server_lacks_and_nothing_else(self, driver, wire_server, media):
        media.route("/a.pdf", Answer(200, {"content-type": "application/pdf"}, PDF))
        media.route("/b.mp3", Answer(200, {"content-type": "audio/mpeg"}, b"ID3\x04" + bytes(20)))
        media.route("/c.png", image())
        urls = {name: f"{media.url}/{name}" for name in ("a.pdf", "b.mp3", "c.png", "d.mp4")}
        parts = (
            Document(urls["a.pdf"], name="mine.pdf"),
            Audio(urls["b.mp3"]),
            Image(urls["c.png"]),
            Video(urls["d.mp4"]),
        )
        wire_server.script(OK, OK)
        driver.run(driver.client(fetch_media=OPEN).chat([user(*parts)]))
        content = wire_server.requests[0].json["messages"][0]["content"]
        file = {"filename": "mine.pdf", "file_data": f"data:application/pdf;base64,{encoded(PDF)}"}
        assert content[0] == {"type": "file", "file": file}
        assert content[1]["input_audio"]["format"] == "mp3"
        assert content[2] == {"type": "image_url", "image_url": {"url": urls["c.png"]}}
        assert content[3] == {"type": "video_url", "video_url": {"url": urls["d.mp4"]}}

        driver.run(driver.client("moonshot", fetch_media=OPEN).chat([user(Image(urls["c.png"], detail="low"))]))
        (shown,) = wire_server.requests[1].json["messages"][0]["content"]
        assert shown["image_url"] == {"url": f"data:image/png;base64,{encoded(PNG)}", "detail": "low"}
        assert [request.path for request in media.requests] == ["/a.pdf", "/b.mp3", "/c.png"]

    def test_nothing_unless_the_caller_says_so(self, driver, wire_server, media):
        wire_server.script(OLLAMA_OK)
        response = driver.run(ollama(driver, False).chat([user("Hi", Image(f"{media.url}/cat.png"))]))
        assert "not shown" in wire_server.requests[0].json["messages"][0]["content"]
        assert [told.subject for told in response.adaptations] == ["image"]
        assert not media.requests

    def test_nothing_for_parts_that_the_server_cannot_read_at_all(self, driver, wire_server, media):
        wire_server.script(OLLAMA_OK)
        film, page = Video(f"{media.url}/a.mp4"), Document(f"{media.url}/a.pdf")
        response = driver.run(ollama(driver).chat([user("Hi", film, page)]))
        assert {told.subject for told in response.adaptations} == {"video", "document"}
        assert not media.requests

    def test_nothing_where_no_media_are_sent(self, driver, wire_server, media):
        wire_server.script(OLLAMA_OK)
        assert driver.run(ollama(driver, True).chat([user("Hi", Image(PNG))])).adaptations == []
        assert len(wire_server.requests) == 1

    def test_images_of_tool_results(self, driver, wire_server, media):
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        call = ToolCall(id="c1", name="look", arguments={})
        turns = [user("Look"), assistant(call), tool_result(call, "Seen", Image(f"{media.url}/cat.png"))]
        driver.run(ollama(driver).chat(turns))
        assert wire_server.requests[0].json["messages"][2]["images"] == [encoded(PNG)]

    def test_the_same_url_once(self, driver, wire_server, media):
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        cat = Image(f"{media.url}/cat.png")
        driver.run(ollama(driver).chat([user("One", cat), user("Two", cat, cat)]))
        assert [len(turn["images"]) for turn in wire_server.requests[0].json["messages"]] == [1, 2]
        assert len(media.requests) == 1

    def test_the_prompt_whose_tokens_are_counted(self, driver, wire_server, media):
        media.route("/cat.png", image())
        wire_server.script(Answer.json({"data": {"total_tokens": 7}}))
        client = driver.client("moonshot", fetch_media=OPEN)
        assert driver.run(client.count_tokens([user("Hi", Image(f"{media.url}/cat.png"))])) == 7
        assert encoded(PNG).encode() in wire_server.requests[0].body

    def test_once_however_often_the_provider_is_asked(self, driver, wire_server, media):
        media.route("/a.pdf", Answer(200, {}, PDF))
        refusal = {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}
        wire_server.script(Answer(503), Answer.json(refusal, status=400), OK)
        client = driver.client(fetch_media=OPEN, retries=1)
        response = driver.run(client.chat([user(Document(f"{media.url}/a.pdf"))], max_tokens=5))
        assert len(media.requests) == 1
        bodies = [request.json for request in wire_server.requests]
        assert [body["messages"] for body in bodies] == [bodies[0]["messages"]] * 3
        assert bodies[2]["max_completion_tokens"] == 5
        assert [told.action for told in response.adaptations] == ["converted", "learned"]


def test_what_fetches_loads_when_something_is_fetched():
    code = "from llm_connector import LlmClient, user, Image\nclient = LlmClient('ollama', model='m', fetch_media=%s)\n"
    ask = "client.stream([user('Hi', Image('http://127.0.0.1/a'))])"
    late = {"llm_connector.media_fetching", "llm_connector.transport.guard"}
    assert not late & modules(code % False + ask)
    assert late & modules(code % True + ask) == {"llm_connector.media_fetching"}


class TestStrict:
    def test_what_the_caller_allowed_is_reported_and_not_refused(self, driver, wire_server, media):
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        response = driver.run(ollama(driver, strict=True).chat([user("Hi", Image(f"{media.url}/cat.png"))]))
        assert [told.action for told in response.adaptations] == ["converted"]

    def test_what_else_would_be_adapted_is_refused_before_anything_is_fetched(self, driver, wire_server, media):
        film = Video(f"{media.url}/film.mp4")
        with pytest.raises(UnsupportedError, match="video"):
            driver.run(ollama(driver, strict=True).chat([user("Hi", Image(f"{media.url}/cat.png"), film)]))
        assert not media.requests


class TestMistakes:
    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("http://me:hunter2@127.0.0.1/cat.png", "holds a user name or password"),
            ("http://[::1/cat.png", "no http or https URL"),
            ("http:///cat.png", "no http or https URL"),
            ("http://h:0/cat.png", "no http or https URL"),
            ("http://h:99999/cat.png", "no http or https URL"),
        ],
    )
    def test_a_url_that_cannot_be_fetched_is_refused_before_any_io(self, url, says, driver):
        client = ollama(driver)
        with pytest.raises(ConfigurationError, match=rf"messages\[0\]: no image came from .*{says}") as failed:
            client.stream([user("Hi", Image(url))])
        assert "hunter2" not in str(failed.value)

    @pytest.mark.parametrize("given", [None, 1, "yes", {"max_bytes": 5}])
    def test_a_setting_of_another_type(self, given):
        with pytest.raises(ConfigurationError, match="give True, False or a FetchPolicy"):
            LlmClient("ollama", fetch_media=given)

    @pytest.mark.parametrize(
        "fields",
        [
            {"max_bytes": 0},
            {"max_bytes": "1"},
            {"timeout": -1},
            {"timeout": None},
            {"media_types": "image/"},
            {"media_types": ("",)},
            {"media_types": (5,)},
        ],
    )
    def test_a_policy_says_which_field_is_wrong(self, fields):
        with pytest.raises(ConfigurationError, match=next(iter(fields))):
            FetchPolicy(**fields)


class TestBareRequests:
    """The media's host learns nothing about the provider or the caller."""

    def check(self, media: WireServer) -> None:
        assert media.requests
        for request in media.requests:
            assert request.method == "GET"
            assert not request.body
            assert set(request.headers) == {"host", "accept", "user-agent", "accept-encoding"}
            assert request.headers["user-agent"].startswith("llm-connector-core/")

    def test_no_key_and_no_header_of_the_client_is_sent(self, driver, wire_server, media):
        media.route("/moved", moved("/cat.png"))
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        client = ollama(driver, headers={"x-token": "secret", "cookie": "a=b"})
        driver.run(client.chat([user(Image(f"{media.url}/moved"))], extra_headers={"x-more": "secret"}))
        assert wire_server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert len(media.requests) == 2
        self.check(media)

    def test_an_http_client_of_the_caller_is_used_without_its_auth(self, driver, wire_server, media):
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        own = driver.http_client(auth=("me", "hunter2"), headers={"x-token": "s"}, cookies={"a": "b"}, trust_env=False)
        response = driver.run(ollama(driver, http_client=own).chat([user("Hi", Image(f"{media.url}/cat.png"))]))
        assert response.text == "Hello"
        self.check(media)
        driver.run(own.aclose() if hasattr(own, "aclose") else own.close())


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
            *("100.64.0.1", "100.100.100.200", "192.0.0.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
            *("255.255.255.255", "192.0.2.1", "203.0.113.9", "168.63.129.16"),
            *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
            *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
            *("64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::", "2001:db8::1", "100::1", "5f00::1"),
            *("", "localhost", "1", "999.1.1.1"),
        ],
    )
    def test_that_are_not_public(self, address):
        assert not guard.is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            *("8.8.8.8", "93.184.216.34", "1.1.1.1", "172.32.0.1", "100.63.0.1"),
            *("2606:4700:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
        ],
    )
    def test_that_are_public(self, address):
        assert guard.is_public(address)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "[::1]"])
    def test_a_host_of_this_machine_is_refused_however_it_is_written(self, host, driver, media):
        port = media.url.rpartition(":")[2]
        said = refused(driver, media, Image(f"http://{host}:{port}/cat.png"), policy=True)
        assert re.search(r"its address (127\.0\.0\.1|0\.0\.0\.0|::1) is not public", said)
        assert "FetchPolicy(private_addresses=True)" in said
        assert not media.requests

    def test_a_name_is_refused_if_any_of_its_addresses_is_private(self, driver, media, names):
        names["cat.test"] = [["93.184.216.34", "10.0.0.1"]]
        assert "its address 10.0.0.1 is not public" in refused(driver, media, Image("http://cat.test/"), policy=True)

    def test_the_connection_is_made_to_the_address_that_was_checked(self, driver, wire_server, media, names, public):
        """A name whose next answer is another one, as an attacker's would be."""
        names["cat.test"] = [["127.0.0.1"], ["10.0.0.1"]]
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        port = media.url.rpartition(":")[2]
        driver.run(ollama(driver, True).chat([user("Hi", Image(f"http://cat.test:{port}/cat.png"))]))
        assert media.requests[0].headers["host"] == f"cat.test:{port}"
        assert names["cat.test"] == [["10.0.0.1"]], "it was asked for once"

    def test_a_second_address_is_tried_when_the_first_does_not_answer(
        self, driver, wire_server, media, names, monkeypatch
    ):
        monkeypatch.setattr(guard, "is_public", lambda address: address in ("127.0.0.1", "127.0.0.9"))
        monkeypatch.setattr(pools.SYNC_POOLS, "_pools", {})
        names["cat.test"] = [["127.0.0.9", "127.0.0.1"]]
        media.route("/cat.png", image())
        wire_server.script(OLLAMA_OK)
        port = media.url.rpartition(":")[2]
        driver.run(ollama(driver, True).chat([user("Hi", Image(f"http://cat.test:{port}/cat.png"))]))
        assert len(media.requests) == 1

    @pytest.mark.parametrize("own_client", [False, True])
    def test_a_name_that_is_nobodys(self, own_client, driver, media, names):
        names["cat.test"] = [[]]
        own = driver.http_client() if own_client else None
        with pytest.raises(TransportError, match=r"messages\[0\]: no image came from cat\.test: .*cannot be found"):
            driver.run(ollama(driver, True, http_client=own).chat([user("Hi", Image("http://cat.test/cat.png"))]))
        assert not driver.server.requests

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_checked_like_the_first_address(self, status, driver, media, public):
        port = media.url.rpartition(":")[2]
        said = refused(driver, media, Image(f"{media.url}/a"), moved(f"http://127.0.0.2:{port}/b", status), policy=True)
        assert "its address 127.0.0.2 is not public" in said
        assert [request.path for request in media.requests] == ["/a"]

    def test_connections_that_were_not_checked_are_not_used(self, driver, wire_server, media, monkeypatch):
        """The same host may be the provider's, or have been allowed to another client."""
        wire_server.script(OLLAMA_OK, OLLAMA_OK)
        wire_server.route("/cat.png", image())
        driver.run(ollama(driver).chat([user("Hi", Image(f"{wire_server.url}/cat.png"))]))
        with pytest.raises(ConfigurationError, match="not public"):
            driver.run(ollama(driver, True).chat([user("Hi", Image(f"{wire_server.url}/cat.png"))]))

    def test_tls_is_checked_against_the_name(self, driver, media, names, public):
        names["cat.test"] = [["127.0.0.1"]]
        with RawServer(lambda peer: None) as server:
            port = server.url.rpartition(":")[2]
            with pytest.raises(TransportError, match=r"no image came from cat\.test"):
                driver.run(ollama(driver, True).chat([user("Hi", Image(f"https://cat.test:{port}/cat.png"))]))
        assert b"cat.test" in server.heads[0], "the name is in the greeting, so that the right certificate comes"


class TestOtherPeoplesConnections:
    """Where the connection is not ours to make, the address is checked before, and after if it can be."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_an_http_client_of_the_caller_is_not_sent_to_private_hosts(self, host, driver, media):
        own = driver.http_client()
        port = media.url.rpartition(":")[2]
        assert "is not public" in refused(driver, media, Image(f"http://{host}:{port}/"), policy=True, http_client=own)
        assert not media.requests

    def test_what_it_brings_from_a_private_host_is_thrown_away(self, driver, media, names):
        names["cat.test"] = [["93.184.216.34"], ["127.0.0.1"]]
        port = media.url.rpartition(":")[2]
        own = driver.http_client(trust_env=False)
        said = refused(driver, media, Image(f"http://cat.test:{port}/"), image(), policy=True, http_client=own)
        assert "its address 127.0.0.1 is not public" in said
        driver.run(own.aclose() if hasattr(own, "aclose") else own.close())

    def test_one_without_a_network_is_believed(self, driver, wire_server, names):
        names["cat.test"] = [["93.184.216.34"]]

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "cat.test":
                return httpx.Response(200, content=PNG)
            return httpx.Response(200, json=json.loads(OLLAMA_OK.body))

        own = driver.http_client(transport=httpx.MockTransport(answer))
        assert (
            driver.run(ollama(driver, True, http_client=own).chat([user(Image("http://cat.test/a"))])).text == "Hello"
        )

    def test_a_proxy_may_be_private_but_not_the_host_behind_it(self, driver, wire_server, media, names):
        names["cat.test"], names["inner.test"] = [["93.184.216.34"]], [["10.1.2.3"]]
        media.script(image(), OLLAMA_OK)
        client = ollama(driver, True, proxy=media.url)
        assert driver.run(client.chat([user("Hi", Image("http://cat.test/cat.png"))])).text == "Hello"
        assert media.requests[0].path == "http://cat.test/cat.png"

        with pytest.raises(ConfigurationError, match=r"no image came from inner\.test: its address 10\.1\.2\.3"):
            driver.run(client.chat([user("Hi", Image("http://inner.test/cat.png"))]))
        assert len(media.requests) == 2


class TestRedirects:
    def test_three_are_followed(self, driver, wire_server, media):
        for number in range(3):
            media.route(f"/{number}", moved(f"{number + 1}" if number else f"{media.url}/1"))
        media.route("/3", image())
        wire_server.script(OLLAMA_OK)
        driver.run(ollama(driver).chat([user("Hi", Image(f"{media.url}/0"))]))
        assert [request.path for request in media.requests] == ["/0", "/1", "/2", "/3"]

    def test_a_fourth_is_not(self, driver, media):
        said = refused(driver, media, Image(f"{media.url}/"), *[moved("/")] * 4)
        assert "redirected more than 3 times" in said
        assert len(media.requests) == 4

    @pytest.mark.parametrize(
        "location",
        [
            "file:///etc/passwd",
            "ftp://h/cat.png",
            "gopher://h/",
            "data:image/png;base64,AA==",
            "http://[::1",
        ],
    )
    def test_to_anything_but_http_is_not(self, location, driver, media):
        said = refused(driver, media, Image(f"{media.url}/"), moved(location))
        assert "no http or https URL" in said or "what is no URL" in said
        assert len(media.requests) == 1

    def test_with_a_password_is_not(self, driver, media):
        target = media.url.replace("http://", "http://me:hunter2@")
        said = refused(driver, media, Image(f"{media.url}/"), moved(f"{target}/x"))
        assert "user name or password" in said
        assert "hunter2" not in said

    def test_without_a_target_is_an_answer_like_another(self, driver, media):
        assert "its server answered 302" in refused(driver, media, Image(f"{media.url}/"), Answer(302))


class TestBounds:
    @pytest.mark.parametrize(
        "answer",
        [
            image(PNG + bytes(2000)),
            Stream([PNG] + [bytes(500)] * 100, end="hold"),
            image(gzip.compress(PNG + bytes(10 << 20)), content_encoding="gzip"),
        ],
        ids=["whole", "endless", "compressed"],
    )
    def test_a_file_that_is_too_large_is_not_read_to_its_end(self, answer, driver, media):
        policy = FetchPolicy(private_addresses=True, max_bytes=1000)
        said = refused(driver, media, Image(f"{media.url}/"), answer, policy=policy)
        assert "more than 1000 bytes; FetchPolicy(max_bytes=)" in said

    def test_the_limit_itself_is_allowed_and_so_is_compression(self, driver, wire_server, media):
        content = PNG + bytes(1000 - len(PNG))
        media.route("/cat.png", image(gzip.compress(content), content_encoding="gzip"))
        wire_server.script(OLLAMA_OK)
        policy = FetchPolicy(private_addresses=True, max_bytes=1000)
        driver.run(ollama(driver, policy, max_body_bytes=500).chat([user("Hi", Image(f"{media.url}/cat.png"))]))
        assert wire_server.requests[0].json["messages"][0]["images"] == [encoded(content)]

    @pytest.mark.parametrize(
        "answer",
        [
            Refuse(delay=60),
            Stream([], end="hold"),
            Stream([PNG], end="hold"),
            Stream([part for _ in range(100) for part in (b"\0", Pause(0.1))]),
        ],
        ids=["no head", "no body", "half a body", "drops"],
    )
    def test_a_slow_host_is_waited_for_as_long_as_the_policy_says(self, answer, driver, media):
        media.script(answer)
        policy = FetchPolicy(private_addresses=True, timeout=0.3)
        started = time.monotonic()
        with pytest.raises(TimeoutError, match=r"messages\[0\]: no image came from 127\.0\.0\.1:\d+: .*0\.3 s"):
            driver.run(ollama(driver, policy).chat([user("Hi", Image(f"{media.url}/"))]))
        assert time.monotonic() - started < 2
        assert not driver.server.requests

    def test_the_end_of_the_call_comes_first(self, driver, media):
        media.script(Refuse(delay=60))
        with pytest.raises(TimeoutError, match=r"total limit of 0\.2 s"):
            driver.run(ollama(driver, timeout=Timeout(total=0.2)).chat([user("Hi", Image(f"{media.url}/"))]))


class TestKinds:
    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (Answer(200, {"content-type": "text/html"}, b"<html>Please log in"), "what came is text/html"),
            (Answer(200, {"content-type": "image/svg+xml"}, b"<svg/>"), "what came is image/svg+xml"),
            (Answer(200, {"content-type": "image/png"}, b"\x00\x01\xff\xfe"), "what came is image/png"),
            (Answer(200, {}, b"\x00\x01\xff\xfe"), "of no known kind"),
            (Answer(200, {"content-type": "image/png"}, PDF), "what came is image/png"),
            (Answer(200, {"content-type": "image/png"}), "the file is empty"),
        ],
    )
    def test_what_is_no_picture_by_its_first_bytes_is_refused(self, answer, says, driver, media):
        assert says in refused(driver, media, Image(f"{media.url}/cat.png"), answer)

    def test_the_bytes_count_and_not_what_the_server_says(self, driver, wire_server, media):
        media.route("/cat", Answer(200, {"content-type": "binary/octet-stream"}, b"\xff\xd8\xff" + bytes(20)))
        wire_server.script(OK)
        driver.run(driver.client("moonshot", fetch_media=OPEN).chat([user(Image(f"{media.url}/cat"))]))
        (shown,) = wire_server.requests[0].json["messages"][0]["content"]
        assert shown["image_url"]["url"].startswith("data:image/jpeg;base64,")

    def test_kinds_that_the_policy_leaves_out_are_refused(self, driver, media):
        policy = FetchPolicy(private_addresses=True, media_types=("image/jpeg", "audio/"))
        said = refused(driver, media, Image(f"{media.url}/"), image(), policy=policy)
        assert "what came is image/png; FetchPolicy(media_types=) allows image/jpeg, audio/" in said

    @pytest.mark.parametrize(
        ("part", "answer", "expected"),
        [
            (Audio, Answer(200, {"content-type": "audio/amr; a=b"}, b"\xfe\xff\x00"), "amr"),
            (Audio, Answer(200, {"content-type": "audio/mp4"}, MP4), "mp4"),
            (Audio, Answer(200, {"content-type": "text/plain"}, b"fLaC\x00"), "flac"),
        ],
    )
    def test_the_server_is_believed_where_the_bytes_do_not_tell(
        self, part, answer, expected, driver, wire_server, media
    ):
        media.route("/x", answer)
        wire_server.script(OK)
        driver.run(driver.client(fetch_media=OPEN).chat([user(part(f"{media.url}/x"))]))
        (heard,) = wire_server.requests[0].json["messages"][0]["content"]
        assert heard["input_audio"] == {"data": encoded(answer.body), "format": expected}

    @pytest.mark.parametrize(
        ("part", "answer"),
        [
            (Audio, Answer(200, {"content-type": "video/mp4"}, MP4)),
            (Audio, Answer(200, {"content-type": "audio/mpeg"}, b"Not found")),
            (Document, Answer(200, {"content-type": "text/html"}, b"<html>")),
            (Document, Answer(200, {}, b"just text")),
        ],
    )
    def test_and_not_where_they_do(self, part, answer, driver, wire_server, media):
        media.script(answer)
        with pytest.raises(ConfigurationError, match=r"what came is (video/mp4|audio/mpeg|text/)"):
            driver.run(driver.client(fetch_media=OPEN).chat([user(part(f"{media.url}/x"))]))
        assert not wire_server.requests

    def test_a_text_becomes_text_where_the_policy_allows_texts(self, driver, wire_server, media):
        media.route("/docs/read%20me.md", Answer(200, {"content-type": "text/markdown"}, b"# Title"))
        wire_server.script(OK)
        policy = FetchPolicy(private_addresses=True, media_types=("text/",))
        message = user(Document(f"{media.url}/docs/read%20me.md"), Text("Sum it up."))
        driver.run(driver.client(fetch_media=policy).chat([message]))
        assert wire_server.requests[0].json["messages"][0]["content"] == [
            {"type": "text", "text": "# Title"},
            {"type": "text", "text": "Sum it up."},
        ]


class TestFailures:
    @pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 410])
    def test_an_answer_without_the_file_is_not_asked_for_again(self, status, driver, media):
        said = refused(driver, media, Image(f"{media.url}/"), Answer(status), retries=2)
        assert f"its server answered {status}" in said
        assert len(media.requests) == 1

    @pytest.mark.parametrize("failure", [Answer(503), Answer(429), Refuse()], ids=["503", "429", "cut"])
    def test_a_passing_failure_is_tried_again(self, failure, driver, wire_server, media):
        media.script(failure, failure, image())
        wire_server.script(OLLAMA_OK)
        driver.run(ollama(driver, retries=2).chat([user("Hi", Image(f"{media.url}/"))]))
        assert len(media.requests) == 3

    @pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
    def test_one_that_does_not_pass_names_the_message_and_the_host(self, stream, driver, wire_server, media):
        media.script(Answer(503), Answer(503))
        client = ollama(driver, retries=1)
        message = user("Hi", Image(f"{media.url}/?key=secret"))
        with pytest.raises(TransportError) as failed:
            _ = driver.text(client.stream([message])) if stream else driver.run(client.chat([message]))
        host = media.url.removeprefix("http://")
        assert str(failed.value) == f"ollama: messages[0]: no image came from {host}: its server answered 503"
        assert not wire_server.requests

    def test_a_host_that_is_not_there(self, driver):
        with pytest.raises(TransportError, match=r"messages\[0\]: no image came from 127\.0\.0\.1:1: cannot connect"):
            driver.run(ollama(driver).chat([user("Hi", Image("http://127.0.0.1:1/cat.png"))]))

    def test_a_stream_can_be_tried_again_after_a_failure(self, driver, wire_server, media):
        media.script(Answer(404))
        stream = ollama(driver).stream([user("Hi", Image(f"{media.url}/"))])
        with pytest.raises(ConfigurationError, match="404"), driver.entered(stream):
            pass
        assert stream.status == "error"
        assert stream.partial.text == ""


EMBEDDED = {
    "anthropic": set(),
    "anthropic_bedrock": {"image", "document"},
    "anthropic_vertex": {"image", "document"},
    "bedrock": {"image", "document", "video"},
    "moonshot": {"audio", "document", "image"},
    "ollama": {"image"},
    "openai_responses": {"audio"},
}


@pytest.mark.parametrize("provider", EMBEDDED)
def test_each_wire_format_says_what_it_takes_as_base64_only(provider):
    parts = [kind("https://example.com/x") for kind in (Image, Document, Audio, Video)]

    assert {part.type for part in parts if find(provider).protocol.must_embed(part, "m")} == EMBEDDED[provider]
