"""Replays for clients: sessions on recordings, watched over event streams and WebSockets.

`shapes`: what is asked and answered. `entry`: a replay from the request for it on. `replay`: one on
the event loop: its clock, its messages, who reads them. `replays`: all of them, and requests about
them. `readers`: one stream or WebSocket. `book_texts`: books as JSON. `exporting`: everything as a
file. `keeping`: what outlives the process. `routes`: the HTTP face.
"""
