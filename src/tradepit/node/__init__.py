"""The node: commands in, durable and applied, outcomes and events out.

- `outcome`: what becomes of a submission, and the refusals before one is made
- `queue`: commands that wait for the next frame; who goes first, how many fit
- `node`: group commit, apply, answers, market time, the stop rules
- `recovery`: snapshot and journal to a replica, also of a journal that panics the engine
- `definitions`: genesis, and a changed configuration as commands
- `snapshotter`: snapshots by a process beside the node
"""
