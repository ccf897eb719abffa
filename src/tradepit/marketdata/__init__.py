"""Market data: recordings of order-by-order sessions.

- `dbn_source`: Databento DBN files as a stream of events
"""
