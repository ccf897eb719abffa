"""Order flow: participants that keep a market busy, all of them ordinary clients of its API.

- `recorded`: sends a recorded order-by-order session into a market and compares the outcome
  - `recorded_source`: what happens, as the flow hears of it; `replay_source`: a replay of a node
    as its clock; `replayed_events`: messages of a replay as events; `recorded_survey`
  - `recorded_policy`: recorded events in, operations out; hears of its trades, corrects
  - `recorded_book`: the recording as the policy sees it
  - `recorded_truth`, `comparison`: what the recording says, held against what the market did
  - `answered_book`: the market as its answers tell it
  - `price_time_book`: a naive price-time book, to foresee what operations will do
  - `market_port`, `operations`: what the flow asks of a market, and hears back
  - `api_market`, `local_market`: the market behind the public API; one in memory
- `generated_orders`: live order flow around a random-walk price
- `external`: the external order publisher, crossing orders at a rate that is kept
- `generated_session`: small recorded sessions made from a seed
- `cli`: the commands
"""
