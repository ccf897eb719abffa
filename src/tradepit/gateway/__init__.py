"""The public interface: HTTP and WebSocket in, commands to the node, answers out.

- `server`: the one port; `protocol`: order entry inside the HTTP protocol; `app`: everything else
- `desk`: every write; `drafts`: one write from body to records and from events to answer
- `shapes`: request bodies; `answers`: orders and trades as JSON; `problems`: refusals
- `listing`: symbols and decimals; `times`; `access`: who may connect
- `accounts`, `instruments`, `orders`, `market_data`, `operations`: the routes
- `socket`: order entry and channels over WebSocket
- `openapi`, `docs_page`: the description of all this
- `config`: limits and switches; `ports`: what is needed of the node
"""
