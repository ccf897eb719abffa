"""What operators see: metrics and structured logs.

- `metrics`: counters that cost an integer addition, read when Prometheus asks
- `logs`: one line of JSON or of text per event
"""
