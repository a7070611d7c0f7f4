"""Catch what can go wrong, from the special to the general; temporary failures are retried before you see them."""

import os

from llm_connector import (
    AuthenticationError,
    InsufficientBalanceError,
    LlmClient,
    LlmConnectorError,
    RateLimitError,
    StreamError,
    Timeout,
    TransportError,
)

try:
    client = LlmClient(
        os.environ.get("LLM_CONNECTOR_PROVIDER", "local"),
        model=os.environ.get("LLM_CONNECTOR_MODEL"),
        max_retries=3,  # with growing waits, or as long as the server asks
        timeout=Timeout(connect=5, first_byte=60, idle=30, total=120),  # seconds
    )
    with client.stream("Name a colour.", max_tokens=20) as stream:
        for chunk in stream:
            print(chunk.text, end="", flush=True)
except (AuthenticationError, InsufficientBalanceError) as error:
    print("the account:", error)
except RateLimitError as error:
    print("slow down:", error, "wait", error.retry_after)
except StreamError as error:  # before TransportError: it may be both
    print(f"\ncut off after {error.partial.text if error.partial else ''!r}:", error)
except TransportError as error:  # timeouts too
    print("the network:", error)
except LlmConnectorError as error:  # everything else; also mistakes of yours, found before anything is sent
    print(type(error).__name__, error)
