"""Where order-by-order data come from, each behind the same small interface.

- `source`: what a source is: a description, and records in bounded chunks
- `dbn`, `lobster`, `itch`: files of others
- `journal`: the market's own journal; `market_records`: its events as records
- `opening`: finds out which of them a path is
"""
