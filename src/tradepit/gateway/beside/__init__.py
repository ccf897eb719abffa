"""The feed process: feeds and replays beside the node, so that they never compete with order entry.

The node takes every connection. One that asks for a stream is handed over, as a file descriptor
with what was read from it, to the feed process (`serving`), which has a replica of its own and is a
gateway itself. Requests about replays are asked there and answered by the node. While the feed
process is not there, the node serves streams itself.

`link`: messages and descriptors between two processes. `messages`: what is said. `door`: the node's
side. `serving`: the feed process.
"""
