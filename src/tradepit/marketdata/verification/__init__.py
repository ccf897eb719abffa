"""Rebuilding the books of a recording and holding them against what is known to be true.

- `rebuilding`: applies a recording; end state, mistakes by kind, crossed states by phase
- `price_levels`: LOBSTER, row by row, by level
- `queues`: LOBSTER, row by row, order by order through the native books
- `depth_rows`: the depth rows of the same session
- `naive_twin`: the naive books beside the native ones
"""
