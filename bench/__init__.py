"""What the market costs: `python -m bench` runs every benchmark, one after another.

Map: `engine` the engine beside open order books, `python` the door from Python beside bourse,
`replay` a journal from files, `memory` bytes per order and of a node, `restart` a snapshot and
what came after it, `growth` books of 10^3 to 10^7 orders. `binary` builds and runs the Rust
part in `bench/engine`, `machine` says where a run took place, `report` shows it.
"""
