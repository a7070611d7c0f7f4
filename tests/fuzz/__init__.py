"""Bytes of any kind against everything that reads them.

`targets` says what is read, `laws` and `incoming` what must hold, `mutations` how inputs are changed, `seeds` where
they begin. `test_fuzz` runs all of it for a moment with Hypothesis, and every input in `found` for ever after;
`python -m tests.fuzz` runs one target for as long as is asked, guided by coverage.
"""
