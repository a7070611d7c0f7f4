"""What the library costs, next to raw httpx and the official SDKs, over a loopback server.

`python -m benchmarks` prints the tables; `--write` also puts them into `docs/performance.md`.
From the bottom up: `payloads` (bytes a provider would send), `server` (sends them), `contestants` and `sdks` (who
asks), `measures` (what is timed), `worker` (one contestant in a process of its own), `runner` (rounds), `rows` (what is
compared, and the targets), `report` (Markdown).
"""
