"""Recordings and markets kept as Parquet files, partitioned by data set, symbol and day.

- `catalog`: which files belong to the store: one manifest for each source that was loaded
- `sampling`: best prices after each event, and the levels of every second
- `staging`: rows of one load, from records to sorted Parquet files
- `loading`: a recording or a journal into the store, once
- `queries`: views over the files, candles, spreads, depth, trades

DuckDB writes and reads the files. It is an extra (`pip install 'tradepit[timeseries]'`), imported
only when somebody asks.
"""
