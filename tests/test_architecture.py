"""The rules of docs/architecture.md that a reader of the imports and names can check."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_connector.auth import Credentials
from llm_connector.client.clients import LlmClient
from llm_connector.providers import PROVIDERS, Endpoint
from llm_connector.transport import TransportSettings
from llm_connector.wire import HttpRequest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "llm_connector"

# Each may import those before it, and nothing after it. `wire` stands before `types`, which take `Timeout` and the
# JSON decoder from it: that is all the difference to the order in which the design was first written down.
ORDER = (
    *("lazy", "limits", "errors", "schema", "wire", "framing", "event_stream", "auth", "signatures", "model_facts"),
    *("types", "protocols", "formats", "providers"),
    *(
        "retry",
        "refusals",
        "media_fetching",
        "ollama",
        "decoding",
        "sending",
        "operations",
        "management",
        "observing",
        "telemetry",
    ),
    *("transport", "local_embeddings", "local_server", "local", "client", "server", "cli", "testing", "integrations"),
)
# A module that starts processes stands above the row that needs it, so the row's `prepare` hook names it in a string.
NAMED_NOT_IMPORTED = {("providers/embedded.py", "llm_connector.local")}
SPEAKS_HTTPX = {"transport", "testing", "server"}
AWAITS = {"transport", "client", "server", "testing", "integrations"}
PRINTS = {"cli"}
LOGS = {"observing"}
NAMES_NO_PROVIDER = {"wire", "framing", "types", "protocols", "formats"}

LONGEST_FILE, LONGEST_FUNCTION = 400, 50
LONGER_FILES: set[str] = set()
LONGER_FUNCTIONS: set[str] = set()

TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def place(path: Path, node: ast.AST | None = None) -> str:
    """A file of the package as failures name it, with the line of `node`."""
    name = path.relative_to(PACKAGE).as_posix()
    return f"{name}:{node.lineno}" if isinstance(node, ast.stmt | ast.expr | ast.pattern) else name


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in TREES}


def layer_of(module: str) -> str:
    """The first word below the package; an empty string for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imports_of(tree: ast.Module, *, at_import: bool = False) -> Iterator[str]:
    """Modules imported at run time, with `from package import module` resolved. `at_import`: not inside functions."""
    for node in run_time_nodes(tree, at_import=at_import):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in NAMES else str(node.module)


def run_time_nodes(tree: ast.AST, *, at_import: bool = False) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        yield from run_time_nodes(node, at_import=at_import)


def strings_in(node: ast.AST) -> set[str]:
    return {item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)}


def documentation_of(tree: ast.Module) -> set[int]:
    """The ids of the nodes that are documentation: docstrings, and the strings below fields and aliases."""
    statements = (node for node in ast.walk(tree) if isinstance(node, ast.Expr))
    return {id(node.value) for node in statements if isinstance(node.value, ast.Constant)}


def test_imports_point_one_way():
    upward = [
        f"{place(path)}: {own} imports {module}"
        for path, tree in TREES.items()
        if (own := layer_of(name_of(path)))
        for module in imports_of(tree)
        if module.partition(".")[0] == "llm_connector"
        and not (layer_of(module) and ORDER.index(layer_of(module)) <= ORDER.index(own))
    ]
    assert not upward


def test_every_module_has_its_place_in_the_order():
    layers = {layer_of(name) for name in NAMES} - {""}
    assert layers <= set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_pages_give_the_order_that_is_tested(page):
    drawing = re.search(r"```text\n(errors →.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert drawing, f"{page} has no drawing that begins with errors →"
    named = re.findall(r"\w+", drawing[1])
    assert named == sorted(named, key=ORDER.index)
    assert {"errors", "types", "protocols", "providers", "operations", "transport", "client"} <= set(named)


def test_modules_do_not_import_each_other_in_circles():
    graph = {name_of(path): {*imports_of(TREES[path], at_import=True)} & NAMES for path in TREES}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_package_itself_imports_nothing():
    assert set(imports_of(TREES[PACKAGE / "__init__.py"])) == {"__future__", "importlib", "typing"}


def test_modules_named_in_strings_are_known():
    found = set()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                named = {text for text in strings_in(node) if text.startswith("llm_connector")}
                found |= {(place(path), text) for text in named}
    assert found == NAMED_NOT_IMPORTED


def test_httpx_is_imported_by_those_who_send():
    sends = {"aiohttp", "anyio", "asyncio", "http", "httpcore", "httpx", "httpx_aiohttp", "requests", "urllib3"}
    found = [
        f"{place(path)}: {module}"
        for path, tree in TREES.items()
        if layer_of(name_of(path)) not in SPEAKS_HTTPX
        for module in imports_of(tree)
        if module.partition(".")[0] in sends
    ]
    assert not found


def test_coroutines_are_written_where_something_waits():
    found = [
        f"{place(path, node)}: {node.name}"
        for path, tree in TREES.items()
        if layer_of(name_of(path)) not in AWAITS
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert not found


def test_wire_formats_name_no_provider():
    found = [
        f"{place(path, node)}: {node.value!r}"
        for path, tree in TREES.items()
        if layer_of(name_of(path)) in NAMES_NO_PROVIDER
        for documentation in [documentation_of(tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in PROVIDERS and id(node) not in documentation
    ]
    assert not found, "make it a field of the row's protocol"


def test_no_condition_asks_for_a_provider():
    found = [
        f"{place(path, asked)}: {ast.unparse(asked)}"
        for path, tree in TREES.items()
        for asked in conditions_in(tree)
        if strings_in(asked) & PROVIDERS.keys()
    ]
    assert not found, "a provider is a row, not a case"


def conditions_in(tree: ast.Module) -> Iterator[ast.expr | ast.pattern]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if ast.unparse(node.func).rpartition(".")[2] in ("startswith", "endswith"):
                yield node
        elif isinstance(node, ast.Compare | ast.MatchValue):
            yield node


def test_files_fit_on_a_few_screens():
    lengths = {place(path): len(path.read_text("utf-8").splitlines()) for path in TREES}
    assert {name for name, lines in lengths.items() if lines > LONGEST_FILE} == LONGER_FILES


def test_functions_fit_on_a_screen():
    lengths = {
        f"{place(path)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == LONGER_FUNCTIONS


def test_modules_say_what_they_are_for():
    first_lines = {place(path): (ast.get_docstring(tree) or "").partition("\n")[0] for path, tree in TREES.items()}
    assert not [name for name, line in first_lines.items() if len(line.split()) < 2]


def test_exported_names_exist_and_are_in_order():
    for path, tree in TREES.items():
        names = exported(tree)
        if names is None:
            alone = path.name == "__main__.py" or runs_alone(tree) or not set(top_level_names(tree))
            assert alone, f"{place(path)} has no __all__"
            continue
        assert names == sorted(set(names), key=lambda name: (not name.isupper(), name[0].islower(), name)), place(path)
        assert set(names) <= set(top_level_names(tree)), place(path)


def test_packages_export_all_that_they_import():
    for path, tree in TREES.items():
        collected = {alias.asname or alias.name for node in statements_of(tree) for alias in aliases_of(node)}
        if path.name == "__init__.py" and collected:
            assert collected == set(exported(tree) or ()), place(path)


def exported(tree: ast.Module) -> list[str] | None:
    """What `__all__` lists."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def runs_alone(tree: ast.Module) -> bool:
    """Whether it is a program, started with `python -m`."""
    return any("__name__" in ast.unparse(node.test) for node in tree.body if isinstance(node, ast.If))


def aliases_of(node: ast.stmt) -> list[ast.alias]:
    own = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llm_connector")
    return node.names if own and isinstance(node, ast.ImportFrom) else []


def statements_of(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module; one with a `__getattr__` has what type checkers see as well."""
    lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    for node in tree.body:
        twofold = isinstance(node, ast.If) and (lazy or node.orelse)
        yield from node.body if isinstance(node, ast.If) and twofold else (node,)


def top_level_names(tree: ast.Module) -> Iterator[str]:
    for node in statements_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def test_nothing_is_printed_or_logged():
    loggers = {"logging", "loguru", "structlog", "syslog"}
    printers = {"breakpoint", "pprint", "print", "traceback.print_exc", "traceback.print_exception", "warnings.warn"}
    for path, tree in TREES.items():
        assert layer_of(name_of(path)) in LOGS or not loggers & set(imports_of(tree)), place(path)
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert layer_of(name_of(path)) in PRINTS or not called & printers, place(path)


SECRET = "sk-secret-0123456789"


@pytest.mark.parametrize(
    "holder",
    [
        Credentials(SECRET, {"secret_key": SECRET}),
        Endpoint(PROVIDERS["openai"], "http://127.0.0.1", SECRET, {"x-token": SECRET}, {"secret_key": SECRET}),
        TransportSettings("openai", proxy=f"http://user:{SECRET}@127.0.0.1"),
        HttpRequest("POST", f"http://127.0.0.1/?key={SECRET}", {"authorization": f"Bearer {SECRET}"}, SECRET.encode()),
        LlmClient("openai", api_key=SECRET, headers={"x-token": SECRET}, proxy=f"http://u:{SECRET}@127.0.0.1"),
        *(Endpoint(row, "http://127.0.0.1", SECRET).request("chat", {"a": SECRET}) for row in PROVIDERS.values()),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_secrets_are_not_shown(holder):
    assert SECRET not in f"{holder!r} {holder}"
