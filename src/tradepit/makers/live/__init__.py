"""A maker process: an ordinary client of the public API, around the quoters of this room.

- `cli`: the command (`__main__`: alone); `starting`: the firm, the pages, the signals
- `settings`: the configuration file
- `node`: what is owned, who hears what
- `heart`: heartbeats, and whether this process slept; `lease`: what is owned until when; `clock`
- `seat`: one symbol: the feed in, quotes out; `others_book`: its book without the firm's orders
- `sender`: a quote on its way, in one command or in steps
- `feed`: the stream of channels; `holdings`: positions by version; `references`: outside prices
- `counts`, `status`, `metrics`: what it says of itself; `pages`: over HTTP
- `faults`: for tests, what goes wrong at named points
"""
