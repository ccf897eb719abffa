"""The journal: every command in order, durable before anything of it is visible.

- `port`: what the node needs of a journal, and how a journal says no
- `frame`: commands to frame bytes
- `disk`: the few system calls that durability hangs on, in one place
- `layout`: names and places inside a data directory
- `mark`: the commit mark, second witness of the tail
- `scan`: reading a journal back, deciding between torn tail, lost tail and damage
- `segments`: preallocated segment files, rotation and the reserve for a full disk
- `file`: the file adapter of the port, one durable group at a time
- `snapshots`: engine state after one sequence, as a file
- `lock`: one node per data directory
- `backup`, `upkeep`: copies of a running journal; an operator's recorded decisions
"""
