"""Market data: recordings of order-by-order sessions, and the live channels.

- `records`: messages, effects and best prices as numpy arrays
- `sources`: where messages come from: DBN, LOBSTER, ITCH, the market's own journal
- `books`: books from messages, order by order
- `dbn_reader`: DBN files read natively, as arrays or straight into books
- `recorded_events`: a recording as a stream of events, one value per record
- `dbn_writer`: writes DBN files; `recorder`: conversions, and the live market
- `generated`: sessions of any length from a seed
- `replays`: recordings made seekable, and sessions that play them on a clock
- `survey`, `verification`: what a recording has, and whether it is right
- `findings`, `cli`: what the commands `data` and `record` tell
- `feeds`: what each frame of the engine changed for the channels that are watched
"""
