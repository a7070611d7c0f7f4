"""Requests to connections: which one is taken, which are closed, and how often each is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from llm_connector.transport.assigning import Assignment


@dataclass(eq=False)
class Connection:
    origin: str = "here"
    idle: bool = True
    closed: bool = False
    expired: bool = False
    asked: int = 0

    def can_handle_request(self, origin):
        return origin == self.origin

    def is_available(self):
        return self.idle

    def is_idle(self):
        return self.idle

    def is_closed(self):
        return self.closed

    def has_expired(self):
        self.asked += 1
        return self.expired


@dataclass
class Request:
    origin: str = "here"
    connection: Connection | None = None

    @property
    def request(self):
        return SimpleNamespace(url=SimpleNamespace(origin=self.origin))

    def is_queued(self):
        return self.connection is None

    def assign_to_connection(self, connection):
        self.connection = connection


@dataclass
class Pool:
    _connections: list[Connection] = field(default_factory=list)
    _requests: list[Request] = field(default_factory=list)
    _max_connections: int = 10
    _max_keepalive_connections: int = 5

    def create_connection(self, origin):
        return Connection(origin, idle=False)


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr("llm_connector.transport.assigning.time", SimpleNamespace(monotonic=lambda: now.value))
    return now


def test_a_free_connection_is_taken_and_only_it_is_looked_at(clock):
    idle = [Connection() for _ in range(300)]
    pool = Pool(list(idle), [], 1000, 1000)
    assign = Assignment(pool)
    assign()
    for _ in range(10):
        pool._requests = [Request()]
        assert assign() == []
        assert pool._requests[0].connection is idle[0]
    assert sum(connection.asked for connection in idle) == 300 + 10
    clock.value += 1
    assign()
    assert sum(connection.asked for connection in idle) == 600 + 10, "once a second each"


def test_a_connection_that_the_server_closed_is_not_taken(clock):
    stale, fresh = Connection(), Connection()
    pool = Pool([stale, fresh])
    assign = Assignment(pool)
    assign()
    stale.expired = True
    pool._requests = [request := Request()]
    assert assign() == [stale]
    assert (request.connection, pool._connections) == (fresh, [fresh])


def test_a_new_one_is_made_where_none_is_free(clock):
    pool = Pool([Connection(idle=False), Connection("elsewhere"), Connection(closed=True)], [Request()])
    assert Assignment(pool)() == []
    assert len(pool._connections) == 3, "the closed one is gone"
    assert pool._requests[0].connection is pool._connections[-1]


def test_where_there_are_as_many_as_may_be_an_idle_one_gives_way_or_the_request_waits(clock):
    elsewhere = Connection("elsewhere")
    pool = Pool([*(Connection(idle=False) for _ in range(9)), elsewhere], [first := Request(), second := Request()])
    assert Assignment(pool)() == [elsewhere]
    assert first.connection is pool._connections[-1]
    assert second.connection is None
    assert len(pool._connections) == 10


def test_no_more_idle_connections_are_kept_than_may_be(clock):
    pool = Pool([Connection() for _ in range(8)])
    assert len(Assignment(pool)()) == 3
    assert len(pool._connections) == 5


def test_a_connection_that_was_given_away_is_not_closed_under_its_request(clock):
    given = Connection()
    request = Request(connection=given)
    pool = Pool([given, *(Connection() for _ in range(8))], [request])
    assert given not in Assignment(pool)(), "to keep fewer idle ones"
    elsewhere = Request("elsewhere")
    pool = Pool([given, *(Connection(idle=False) for _ in range(9))], [request, elsewhere])
    assert (Assignment(pool)(), elsewhere.connection) == ([], None), "to make room for another"


def test_what_waits_is_used_before_anything_is_opened(clock):
    pool = Pool([waiting := Connection()], [first := Request(), second := Request()])
    Assignment(pool)()
    assert first.connection is second.connection is waiting, "the first to write has it, the other asks again"
    waiting.idle = False
    pool._requests.append(third := Request())
    Assignment(pool)()
    assert third.connection not in (None, waiting)
