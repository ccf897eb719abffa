"""Tools that check the market: none of them calls the code it checks.

Map: `oracle` is the naive engine; `auditor` follows commands and events only; `generator` makes
seeded command streams that reach every rule; `frames` writes and reads journal frames;
`comparison` runs both engines side by side; `shrink` makes a failing stream small. `naive_books`
is a second book builder for order-by-order data, `mbo_streams` makes what both are fed with.

`fixtures` alone is of another kind: pytest fixtures with a market or a node, for everybody's tests.
"""
