"""The typed face of the native engine.

- `rows`: named records for the tuples that the native queries return
"""
