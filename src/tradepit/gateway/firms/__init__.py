"""Firms at the interface: budgets, quotes, reservations, positions, makers and what they make.

`shapes`: bodies. `drafts`, `quoting`: a kind of write each, from body to records and from events to
answer. `operations`: the same in batches and on sockets. `statements`: what is read. `results`:
bodies of answers. `routes`, `quote_routes`: the HTTP face; `described`: in the OpenAPI document.
"""
