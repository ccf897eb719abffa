"""Market data: recordings of order-by-order sessions, and the live channels.

- `records`: messages, effects and best prices as numpy arrays
- `dbn_source`: Databento DBN files as a stream of events
- `feeds`: what each frame of the engine changed for the channels that are watched
"""
