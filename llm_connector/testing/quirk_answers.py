"""Deviations in what an answer says: its thoughts (RS), usage (US), finish reasons (FR) and envelopes (CT)."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from llm_connector.errors import ServerError
from llm_connector.formats.base import Output
from llm_connector.testing.faults import Fault, Play
from llm_connector.testing.quirk_calls import edited, events_of, of, unchanged
from llm_connector.testing.script import Answer, Scripted, Stream
from llm_connector.testing.writing import Written
from llm_connector.wire import Json

__all__ = ["ANSWERS"]

_C = "openai"
_FIELD = "reasoning_content"
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _bodies(edit: Callable[[dict[str, Any]], None]) -> Play:
    """What a function makes of each body."""

    def change(body: Json) -> Json:
        body = copy.deepcopy(body)
        edit(body)
        return body

    return lambda written: written.changed(change).scripted()


def _choices(edit: Callable[[dict[str, Any]], None]) -> Play:
    def change(body: dict[str, Any]) -> None:
        for choice in body.get("choices", ()):
            edit(choice)

    return _bodies(change)


# thoughts


def _renamed(*names: str) -> Play:
    """The thought under other names."""

    def edit(delta: dict[str, Any]) -> None:
        if _FIELD in delta:
            thought = delta.pop(_FIELD)
            delta |= dict.fromkeys(names, thought)

    return edited(edit)


def _detailed(delta: dict[str, Any]) -> None:
    if _FIELD in delta:
        delta["reasoning_details"] = [{"type": "reasoning.text", "text": delta.pop(_FIELD), "index": 0}]


def _listed(delta: dict[str, Any]) -> None:
    parts: list[dict[str, Any]] = []
    if _FIELD in delta:
        parts.append({"type": "thinking", "thinking": [{"type": "text", "text": delta.pop(_FIELD)}]})
    if delta.get("content"):
        parts.append({"type": "text", "text": delta["content"]})
    if parts:
        delta["content"] = parts


def _echoed(delta: dict[str, Any]) -> None:
    if _FIELD in delta and not delta.get("content"):
        delta["content"] = delta[_FIELD]


def _tagged(opener: str, closer: str, *, keep: bool = False) -> Play:
    """The thought inside the text, between tags; `keep`: and in its field too."""

    def play(written: Written) -> Scripted:
        if not written.stream:
            return edited(lambda message: _tag(message, opener, closer, keep))(written)
        bodies = [copy.deepcopy(body) for _, body in written.events]
        deltas = [body["choices"][0]["delta"] for body in bodies]
        thoughts = [delta for delta in deltas if _FIELD in delta]
        for delta in thoughts:
            delta["content"] = delta[_FIELD]
            if not keep:
                del delta[_FIELD]
        if thoughts:
            thoughts[0]["content"] = opener + thoughts[0]["content"]
            thoughts[-1]["content"] += closer
        return events_of(written, bodies).scripted()

    return play


def _tag(message: dict[str, Any], opener: str, closer: str, keep: bool) -> None:
    if _FIELD in message:
        message["content"] = f"{opener}{message[_FIELD]}{closer}{message['content'] or ''}"
        if not keep:
            del message[_FIELD]


def _at_the_border(written: Written) -> Scripted:
    """The last of the thought and the first of the text in one delta."""
    bodies = [copy.deepcopy(body) for _, body in written.events]
    for body, following in itertools.pairwise(bodies):
        delta, text = body["choices"][0]["delta"], following["choices"][0]["delta"]
        if _FIELD in delta and text.get("content"):
            delta["content"] = text.pop("content")
            break
    return events_of(written, bodies).scripted()


def _signed_calls(delta: dict[str, Any]) -> None:
    for call in delta.get("tool_calls", ()):
        if call.get("id"):
            call["extra_content"] = {"google": {"thought_signature": "c2lnbmVk"}}


def _blank_first(written: Written) -> Scripted:
    if not written.stream:
        return edited(lambda message: message.update(content="\n\n" + (message["content"] or "")))(written)
    first = copy.deepcopy(written.events[0][1])
    first["choices"][0]["delta"] = {"content": "\n\n"}
    return replace(written, events=(("", first), *written.events)).scripted()


def _redacted(written: Written) -> Scripted:
    block = {"type": "redacted_thinking", "data": "b3BhcXVl"}
    if not written.stream:
        return replace(written, body={**written.body, "content": [block, *written.body["content"]]}).scripted()
    first, *rest = written.events
    moved = [(name, {**body, "index": body["index"] + 1} if "index" in body else body) for name, body in rest]
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    stop = {"type": "content_block_stop", "index": 0}
    ending = tuple((name, {**body, "index": body["index"] + 1} if "index" in body else body)
                   for name, body in written.ending)  # fmt: skip
    events = (first, ("content_block_start", start), ("content_block_stop", stop), *moved)
    return replace(written, events=events, ending=ending).scripted()


def _only_thoughts(written: Written) -> Scripted:
    """The blocks that are no text."""
    if not written.stream:
        content = [block for block in written.body["content"] if block["type"] != "text"]
        return replace(written, body={**written.body, "content": content}).scripted()
    both = (*written.events, *written.ending)
    texts = {body["index"] for _, body in both if body.get("content_block", {}).get("type") == "text"}

    def kept(events: tuple[Output, ...]) -> tuple[Output, ...]:
        return tuple(event for event in events if event[1].get("index") not in texts)

    return replace(written, events=kept(written.events), ending=kept(written.ending)).scripted()


# usage


def _counted(written: Written) -> Written:
    """The answer with a usage, if it had none."""

    def edit(body: Json) -> Json:
        return {**body, "usage": body.get("usage") or _USAGE}

    if not written.stream:
        return replace(written, body=edit(written.body))
    if any("usage" in body for _, body in written.ending):
        return written
    end = {**written.ending[0][1], "choices": [], "usage": _USAGE}
    return replace(written, ending=(*written.ending, ("", end)))


def _usage_of(written: Written) -> Mapping[str, Any]:
    bodies = [written.body] if not written.stream else [body for _, body in written.ending]
    found: Mapping[str, Any] = next(body["usage"] for body in reversed(bodies) if body.get("usage"))
    return found


def _usage(edit: Callable[[dict[str, Any]], None]) -> Play:
    def change(body: dict[str, Any]) -> None:
        if body.get("usage"):
            edit(body["usage"])

    return lambda written: _bodies(change)(_counted(written))


def _usage_everywhere(written: Written) -> Scripted:
    """Counts that grow with each event."""
    written = _counted(written)
    usage = _usage_of(written)
    events = tuple(
        (name, {**body, "usage": {**usage, "completion_tokens": min(number, usage["completion_tokens"])}})
        for number, (name, body) in enumerate(written.events)
    )
    return replace(written, events=events).scripted()


def _usage_in_choice(written: Written) -> Scripted:
    written = _counted(written)
    usage = _usage_of(written)

    def edit(body: dict[str, Any]) -> None:
        body.pop("usage", None)
        for choice in body["choices"]:
            if choice["finish_reason"]:
                choice["usage"] = usage

    return _bodies(edit)(replace(written, ending=written.ending[:1]))


def _no_usage(body: dict[str, Any]) -> None:
    body["usage"] = None


def _two_reports(written: Written) -> Scripted:
    """What went in with the first event, what came out with the last."""
    if not written.stream:
        return written.scripted()
    events, ending = copy.deepcopy(written.events), copy.deepcopy(written.ending)
    for name, body in ending:
        if name == "message_delta":
            usage = body["usage"]
            events[0][1]["message"]["usage"] = {**usage, "output_tokens": 1}
            body["usage"] = {"output_tokens": usage["output_tokens"]}
    return replace(written, events=events, ending=ending).scripted()


def _hit_and_missed(usage: dict[str, Any]) -> None:
    hit = usage.pop("prompt_tokens_details", None) or {}
    cached = hit.get("cached_tokens", 0)
    usage |= {"prompt_cache_hit_tokens": cached, "prompt_cache_miss_tokens": usage["prompt_tokens"] - cached}


def _without_details(usage: dict[str, Any]) -> None:
    usage |= {"prompt_tokens_details": None, "completion_tokens_details": None}


# finish reasons


def _running(word: str | None) -> Play:
    """What stands for the finish reason while there is none; None leaves the field out."""

    def edit(choice: dict[str, Any]) -> None:
        if choice.get("finish_reason") is None:
            del choice["finish_reason"]
            if word is not None:
                choice["finish_reason"] = word

    return _choices(edit)


def _reason(word: str | None) -> Play:
    def edit(choice: dict[str, Any]) -> None:
        if choice.get("finish_reason"):
            choice["finish_reason"] = word

    return _choices(edit)


def _with_the_last_word(written: Written) -> Scripted:
    if not written.stream or not written.events:
        return written.scripted()
    *events, (name, last) = copy.deepcopy(written.events)
    last["choices"][0]["finish_reason"] = written.ending[0][1]["choices"][0]["finish_reason"]
    return replace(written, events=(*events, (name, last)), ending=written.ending[1:]).scripted()


# envelopes


def _null_choices(written: Written) -> Scripted:
    error = {"message": "Provider returned error", "code": 502}
    body = {"id": None, "choices": None, "error": error, "user_id": "user_1"}
    if not written.stream:
        return replace(written, body=body).scripted()
    return replace(written, events=(("", body),), ending=()).scripted()


def _nested(written: Written) -> Scripted:
    if written.stream:
        return written.scripted()
    return replace(written, body={"id": None, "choices": None, "provider": written.body}).scripted()


def _no_content(message: dict[str, Any]) -> None:
    if message.get("tool_calls"):
        message["content"] = message.get("content") or None


def _roles(delta: dict[str, Any]) -> None:
    delta["role"] = None if delta.get("content") else "assistant"


def _refusing(delta: dict[str, Any]) -> None:
    if delta.get("content"):
        delta["refusal"], delta["content"] = delta["content"], None


def _wrapped(written: Written) -> Scripted:
    """Events inside `Response`, as whole answers are."""
    return written.changed(lambda body: body if "Response" in body else {"Response": body}).scripted()


def _as_text(body: dict[str, Any]) -> None:
    choice = body["output"]["choices"][0]
    body["output"] = {"text": choice["message"]["content"], "finish_reason": choice["finish_reason"]}


def _repeating(written: Written) -> Scripted:
    """Each event says all that has been said."""
    said = {"content": "", _FIELD: ""}

    def change(body: Json) -> Json:
        body = copy.deepcopy(body)
        message = body["output"]["choices"][0]["message"]
        for name in said:
            said[name] += message.get(name) or ""
        message |= said
        return body

    return written.changed(change).scripted() if written.stream else written.scripted()


def _kept_alive(written: Written) -> Scripted:
    """Blank lines ahead of the body."""
    scripted = written.scripted()
    if isinstance(scripted, Answer):
        return Stream([b"\n"] * 20 + [scripted.body], scripted.headers)
    return scripted


def _fenced(written: Written) -> Scripted:
    """The text in a Markdown fence."""
    if not written.stream:
        return edited(lambda message: message.update(content=f"```json\n{message['content']}\n```"))(written)
    bodies = [copy.deepcopy(body) for _, body in written.events]
    texts = [body["choices"][0]["delta"] for body in bodies if body["choices"][0]["delta"].get("content")]
    if texts:
        texts[0]["content"] = "```json\n" + texts[0]["content"]
        texts[-1]["content"] += "\n```"
    return events_of(written, bodies).scripted()


def _error_object(written: Written) -> Scripted:
    body, _ = written.request.format.render_error(ServerError("The server is overloaded.", status=500))
    return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())


ANSWERS: tuple[Fault, ...] = (
    of(_C, "RS-01", "the thought in a field named reasoning", _renamed("reasoning")),
    of(_C, "RS-02", "the thought under the newer of its names", _renamed("reasoning")),
    of(_C, "RS-03", "the same thought in two fields", _renamed("reasoning", _FIELD)),
    of(_C, "RS-04", "the thought as text as well", edited(_echoed)),
    of(_C, "RS-05", "thought and text in one delta", _at_the_border),
    of(_C, "RS-06", "the thought in the text, between tags", _tagged("<think>", "</think>")),
    of(_C, "RS-07", "a tag that is never closed", _tagged("<think>", "")),
    of(_C, "RS-08", "a tag that was never opened", _tagged("", "</think>")),
    of(_C, "RS-09", "tags with other names", _tagged("[THINK]", "[/THINK]")),
    of(_C, "RS-11", "the thought between tags and in a field", _tagged("<think>", "</think>", keep=True)),
    of("anthropic", "RS-15", "a thought that nobody can read", _redacted),
    of(_C, "RS-17", "signed calls", edited(_signed_calls)),
    of(_C, "RS-18", "the thought in reasoning_details alone", edited(_detailed)),
    of(_C, "RS-19", "content is a list of thoughts and texts", edited(_listed)),
    of(_C, "RS-21", "blank lines ahead of everything", _blank_first),
    of("anthropic", "RS-22", "no text at all", _only_thoughts),
    of(_C, "US-01", "the usage in a chunk without choices", lambda written: _counted(written).scripted()),
    of(_C, "US-02", "the usage behind the finish reason", lambda written: _counted(written).scripted()),
    of(_C, "US-03", "a growing usage in every chunk", _usage_everywhere),
    of("anthropic", "US-04", "the usage in two reports", _two_reports),
    of(_C, "US-05", "the usage inside the choice", _usage_in_choice),
    of(_C, "US-06", "usage is null", _bodies(_no_usage)),
    of(_C, "US-07", "cached tokens as hits and misses", _usage(_hit_and_missed)),
    of(_C, "US-08", "details of the usage are null", _usage(_without_details)),
    of("dashscope ollama tencent gemini converse", "US-09", "the usage under its own names", unchanged),
    of(_C, "FR-01", "an empty finish reason while it runs", _running("")),
    of(_C, "FR-02", "the finish reason null as a text", _running("null")),
    of(_C, "FR-03", "no finish reason while it runs", _running(None)),
    of(_C, "FR-04", "no finish reason at all", _reason(None)),
    of(_C, "FR-05", "the last word and the finish reason in one chunk", _with_the_last_word),
    of(_C, "FR-06", "a finish reason of its own", _reason("sensitive")),
    of(_C, "FR-07", "fields that nobody knows", _choices(lambda choice: choice.update(native_finish_reason=None))),
    of(_C, "CT-01", "choices are null, beside an error", _null_choices),
    of(_C, "CT-02", "the answer inside another object", _nested),
    of(_C, "CT-03", "content is null beside calls", edited(_no_content)),
    of(_C, "CT-04", "roles that are null, or repeated", edited(_roles)),
    of(_C, "CT-07", "the text in the field of a refusal", edited(_refusing)),
    of("tencent", "CT-08", "events inside an envelope", _wrapped),
    of("dashscope", "CT-09", "the text without a message", _bodies(_as_text)),
    of("dashscope", "CT-10", "each event repeats the text so far", _repeating),
    of(_C, "CT-11", "blank lines ahead of the body", _kept_alive),
    of("openai tencent", "ER-04", "an error in a whole body under status 200", _error_object),
    of(_C, "SC-11", "the text in a Markdown fence", _fenced),
)
