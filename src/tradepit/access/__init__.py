"""Keys: who may ask the node for what.

- `access`: `Access`, the door: credentials in, a principal or an exception out
- `principals`: who speaks, and what that allows
- `signature`: the signed message
- `nonces`: which signed requests were used, also after a crash (`docs/adr/0005-...`)
- `keys`: the keys in their file; `sealing`: their secrets, encrypted at rest
- `sessions`: short-lived tickets for streams and pages
- `rates`: token buckets per key and address
- `cli`: `tradepit keys`
"""
