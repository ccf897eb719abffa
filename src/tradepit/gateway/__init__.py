"""The public interface: HTTP and WebSocket in, commands to the node, answers out.

- `server`: the one port; `protocol`: order entry inside the HTTP protocol; `app`: everything else
- `desk`: every write; `drafts`: one write from body to records and from events to answer, in
  `placing`, `changing`, `administration` (whole ones of it in `account_drafts`,
  `instrument_drafts`); `plain`: orders that the native module reads
- `shapes`: request bodies; `fields`: their single values; `results`: bodies of answers
- `answers`: orders and trades as JSON; `statements`: accounts and instruments; `replies`,
  `wire_http`: an answer, and its bytes
- `problems`: refusals; `rejects`: those of the engine
- `listing`: symbols and decimals; `times`; `access`: who may connect
- `accounts`, `instruments`, `orders`, `market_data`, `operations`: the routes
- `socket`: all WebSockets; `session`: one of them; `channels`: what is told to whom
- `firms/`: firms, quotes, reservations, makers; `recent_answers`: what retries are told
- `openapi`: the description of all this, `described_route` its words; `numbers`: metrics;
  `static/`: pages
- `config`: limits and switches; `ports`: what is needed of the node
"""
