"""What operators see: metrics, structured logs, pages.

- `metrics`: counters that cost an integer addition, read when Prometheus asks
- `logs`: one line of JSON or of text per event
- `own_port`: pages of a process that is no node, for people, programs and Prometheus
"""
