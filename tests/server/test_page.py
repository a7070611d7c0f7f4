"""The chat page, in a real browser, in front of scripted providers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from llm_connector.server import page
from tests.support.answers import delta
from tests.support.anybody import saying
from tests.support.behind import BEHIND, serving
from tests.support.browser import chromium, needs_chromium
from tests.support.wire_server import Stream, WireServer, sse

FILE = Path(page.__file__).with_name("page.html")
CONTENT = FILE.read_text("utf-8")
PATIENCE = 15
CODE = 'Use **this**, not `that`:\n\n```python\nprint("<b>hi</b>")\n```\n\n<img src=x onerror=alert(1)> is text.'


def test_the_page_is_small_and_loads_nothing_from_elsewhere():
    assert len(CONTENT.encode()) < 20_000
    assert not re.findall(
        r"""(?:src|href)\s*=\s*["'](?!data:)|@import|url\(|\bimport\b|https?://(?!www\.w3\.org/2000/svg)""", CONTENT
    )


def test_the_page_makes_no_markup_of_text():
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc", CONTENT
    )
    assert not re.findall(r"<\w+[^>]*\s(?:style|on\w+)\s*=", CONTENT)  # the policy would not let them


class Page:
    """What a person sees and does."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url
        browser.get(url)
        self.until(lambda: self.one("#model").get_attribute("value") or self.one("#door").is_displayed())

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, PATIENCE, 0.02).until(lambda _: condition())

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [found.text for found in self.all(selector)]

    def ask(self, text: str, model: str = "deepseek") -> WebElement:
        """Send a message; the answer, which may still be coming."""
        Select(self.one("#model")).select_by_visible_text(model)
        before = len(self.all("article"))
        self.one("#prompt").send_keys(text, Keys.ENTER)
        self.until(lambda: len(self.all("article")) > before)
        return self.all("article")[-1]

    def answered(self) -> WebElement:
        """The last answer, at its end."""
        self.until(lambda: self.one("#send").is_displayed())
        return self.all("article")[-1]

    def fill(self, selector: str, text: str) -> None:
        self.one("#gear").click()
        self.one(selector).clear()
        self.one(selector).send_keys(text)
        self.one("#gear").click()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def open_gateway() -> Iterator[tuple[str, WireServer]]:
    with serving() as gateway:
        yield gateway


@pytest.fixture
def upstream(open_gateway: tuple[str, WireServer]) -> WireServer:
    open_gateway[1].forget()
    return open_gateway[1]


@pytest.fixture
def chat(browser: Chrome, open_gateway: tuple[str, WireServer]) -> Iterator[Page]:
    """The page, fresh. Whatever it does, the policy forbids nothing of it, and no script fails."""
    yield Page(browser, open_gateway[0])
    logged = [entry["message"] for entry in browser.get_log("browser")]
    assert [message for message in logged if "Failed to load resource" not in message] == []


pytestmark = pytest.mark.xdist_group("browser")


@needs_chromium
def test_an_answer_with_thoughts_code_and_usage(chat: Page, upstream: WireServer):
    upstream.script(saying(CODE, thought="Let me **think**."))
    chat.ask("Show me")
    answer = chat.answered()

    thought = answer.find_element(By.TAG_NAME, "details")
    assert thought.get_attribute("open") is None
    assert re.fullmatch(r"Thought for \d+\.\d s", thought.find_element(By.TAG_NAME, "summary").text)
    assert "Let me" not in answer.text
    thought.find_element(By.TAG_NAME, "summary").click()
    assert "Let me think." in answer.text

    assert answer.find_element(By.TAG_NAME, "pre").find_element(By.TAG_NAME, "code").text == 'print("<b>hi</b>")'
    assert [found.text for found in answer.find_elements(By.CSS_SELECTOR, ".prose code")] == ["that"]
    assert "this" in [found.text for found in answer.find_elements(By.TAG_NAME, "strong")]
    assert "<img src=x onerror=alert(1)> is text." in answer.text
    assert not answer.find_elements(By.CSS_SELECTOR, "img, b")
    foot = answer.find_element(By.CSS_SELECTOR, "footer").text
    assert "12 tokens in" in foot
    assert "7 out" in foot
    assert BEHIND["deepseek"].model in foot


@needs_chromium
def test_what_is_set_reaches_the_model_and_what_is_changed_is_told(chat: Page, upstream: WireServer):
    upstream.script(saying("Yes."), saying("Still yes."))
    chat.fill("#system", "Be brief.")
    chat.fill("#further", '{"temperature": 0.5, "seed": 7}')
    chat.one("#gear").click()
    Select(chat.one("#thinking")).select_by_visible_text("high")
    chat.one("#gear").click()
    chat.ask("Is it?", "gemini")
    answer = chat.answered()
    chat.ask("And now?", "anthropic")
    changed = chat.answered()

    first, second = (request.json for request in upstream.requests)
    assert first["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert (first["generationConfig"]["temperature"], first["generationConfig"]["seed"]) == (0.5, 7)
    assert "thinkingConfig" in first["generationConfig"]
    assert [turn["content"] for turn in second["messages"]] == ["Is it?", "Yes.", "And now?"]
    assert "Adaptations" not in answer.text
    changed.find_element(By.CSS_SELECTOR, "footer summary").click()
    assert "seed dropped" in changed.text


@needs_chromium
def test_a_tool_is_shown_and_its_result_typed(chat: Page, upstream: WireServer):
    upstream.script(saying(tool="get_weather", arguments='{"city": "Oslo"}', thought="I look."), saying("7 degrees."))
    tool = '{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}'
    chat.fill("#further", f'{{"tools": [{tool}]}}')
    chat.ask("Weather in Oslo?")
    answer = chat.answered()

    assert answer.find_element(By.CSS_SELECTOR, ".calls h3").text == "get_weather"
    assert answer.find_element(By.CSS_SELECTOR, ".calls code").text == '{\n  "city": "Oslo"\n}'
    given = chat.browser.switch_to.active_element
    assert given == answer.find_element(By.CSS_SELECTOR, "form input")
    given.send_keys("7", Keys.ENTER)
    chat.until(lambda: len(chat.all("article")) == 2)

    assert "7 degrees." in chat.answered().text
    assert "get_weather: 7" in chat.texts(".mine")
    _, call, result = upstream.requests[-1].json["messages"]
    assert (call["tool_calls"][0]["function"]["name"], call["reasoning_content"]) == ("get_weather", "I look.")
    assert (result["role"], result["content"]) == ("tool", "7")


@needs_chromium
def test_errors_are_told_in_words_and_can_be_tried_again(chat: Page, upstream: WireServer):
    pieces = sse(delta(content="One, "), delta(content="two"), done=False)
    upstream.script(BEHIND["deepseek"].refusals["rate"], Stream(pieces, end="cut"), saying("One, two, three."))
    chat.ask("Count")
    chat.answered()
    assert chat.texts(".error") == ["Too many requests. Try again in 20 s."]

    chat.one("article > button").click()
    chat.until(lambda: any("broke" in text for text in chat.texts(".error")))
    assert "One, two" in chat.answered().text

    chat.one("article > button").click()
    chat.until(lambda: "One, two, three." in chat.answered().text)
    assert (chat.texts(".error"), chat.texts(".mine"), len(chat.all("article"))) == ([], ["Count"], 1)
    assert [len(request.json["messages"]) for request in upstream.requests] == [1, 1, 1]


@needs_chromium
@pytest.mark.parametrize("by", ["button", "key"])
def test_an_answer_is_stopped_and_so_is_the_provider(chat: Page, upstream: WireServer, by: str):
    upstream.script(Stream(sse(delta(content="One, "), done=False), end="hold"), saying("Fine."))
    answer = chat.ask("Count")
    chat.until(lambda: "One," in answer.text)
    assert chat.one("#log").get_attribute("aria-busy") == "true"
    if by == "button":
        chat.one("#stop").click()
    else:
        chat.one("#prompt").send_keys(Keys.ESCAPE)
    chat.answered()

    assert "Stopped." in answer.text
    assert chat.one("#log").get_attribute("aria-busy") == "false"
    assert chat.browser.switch_to.active_element == chat.one("#prompt")
    assert upstream.wait_closed(PATIENCE), "the provider goes on writing"
    chat.ask("Enough")
    assert "Fine." in chat.answered().text
    said = [turn["content"] for turn in upstream.requests[-1].json["messages"]]
    assert said == ["Count", "One, ", "Enough"]


@needs_chromium
def test_settings_that_are_no_json_are_told_before_anything_is_sent(chat: Page, upstream: WireServer):
    chat.fill("#further", "{nonsense")
    chat.ask("Hi")
    assert "not JSON" in chat.answered().text
    assert not upstream.requests


@needs_chromium
def test_a_new_chat_begins_without_the_old_one(chat: Page, upstream: WireServer):
    upstream.script(saying("Yes."), saying("No."))
    chat.ask("First")
    chat.answered()
    chat.one("#anew").click()
    assert chat.texts("article, .mine") == []
    chat.ask("Second")
    chat.answered()
    assert [turn["content"] for turn in upstream.requests[-1].json["messages"]] == ["Second"]


@needs_chromium
def test_enter_sends_and_shift_enter_does_not(chat: Page, upstream: WireServer):
    upstream.script(saying("Yes."))
    chat.one("#prompt").send_keys("Two", Keys.SHIFT + Keys.ENTER)
    chat.one("#prompt").send_keys(Keys.NULL, "lines")
    assert chat.texts("article") == []
    chat.ask("")
    chat.answered()
    assert upstream.requests[0].json["messages"][-1]["content"] == "Two\nlines"


@needs_chromium
def test_a_key_is_asked_for_if_one_is_wanted_and_kept_no_longer_than_the_tab(browser: Chrome):
    with serving(["ollama"], api_keys=("the-key",)) as (url, server):
        server.script(saying("Welcome."))
        chat = Page(browser, url)
        assert chat.one("#asks").text == "This gateway asks for a key."
        for key in ("another", "the-key"):
            chat.until(lambda: chat.one("#door").is_displayed())
            chat.one("#key").send_keys(key, Keys.ENTER)
            chat.until(lambda: "not one of this gateway" in chat.one("#asks").text or chat.all("#model option"))
        chat.ask("Hi", "ollama")
        assert "Welcome." in chat.answered().text
        kept = browser.execute_script("return [Object.values(sessionStorage), localStorage.length, document.cookie]")
        assert kept == [["the-key"], 0, ""]
        browser.execute_script("sessionStorage.clear()")


@needs_chromium
@pytest.mark.parametrize("width", [320, 1200])
def test_it_fits_a_phone_and_a_desk(chat: Page, upstream: WireServer, width: int):
    size = {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": width < 500}
    chat.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    upstream.script(saying("A" * 300 + "\n```\n" + "b" * 300 + "\n```"))
    chat.one("#prompt").send_keys("C" * 200)
    chat.one("#send").click()
    chat.until(lambda: chat.all("article"))
    chat.answered()
    wide, inner = chat.browser.execute_script(
        "return [document.documentElement.scrollWidth, document.getElementById('log').scrollWidth]"
    )
    chat.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
    assert inner <= width


@needs_chromium
def test_every_control_has_a_name(chat: Page):
    chat.one("#gear").click()
    shown = [control for control in chat.all("button, input, select, textarea") if control.is_displayed()]
    names = [control.accessible_name for control in shown]
    assert names == [
        *("Model", "Settings", "New chat", "Your message", "Send"),
        *("System prompt", "Thinking", "Further options, as JSON"),
    ]
    assert chat.one("#log").aria_role == "log"
    assert chat.one("#said").aria_role == "status"


def test_the_page_needs_no_key_and_tells_no_secret(open_gateway: tuple[str, WireServer]):
    answer = httpx.get(open_gateway[0], headers={"accept": "text/html"})
    assert (answer.text, answer.headers["content-type"]) == (CONTENT, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
