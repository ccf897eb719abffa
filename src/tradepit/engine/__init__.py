"""The typed face of the native engine.

- `rows`: named records for the tuples that the native queries return
- `firm_rows`: the same for firms, makers, exposures, sessions and guards, with calls that name them
"""
