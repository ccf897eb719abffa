"""The external order publisher: crossing orders from outside, at a rate that is kept.

- `crossing`: which order comes next, and at which price; no I/O, no clock
- `tops`: best prices as they are now
- `delivery`: one order, sent until it is answered or ten seconds have passed
- `bootstrap`: quotes where nobody quotes yet, and their end
- `participants`: accounts with room to trade
- `tally`: what came of it
- `publisher`: the schedule that holds it together
- `pages`: control over HTTP
- `tables`: progress and result for a person
"""
