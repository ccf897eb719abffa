"""Replays of recordings: seekable indexes, sessions on a clock of their own, what clients read.

- `cache`: the folder of indexes: built once, kept, the oldest used evicted; `fingerprint`: of what
- `index`: a recording made seekable; `description`: what it says of itself
- `building`: how an index is made; `event_clock`: when each message is due; `in_use`: its lock
- `session`: play, pause, step, seek, speed and loop over an index; pure logic, no input or output
- `rendering`: steps as JSON, whole batches at once
- `export`: every step, or the books at a position, as lines or a zip
"""
