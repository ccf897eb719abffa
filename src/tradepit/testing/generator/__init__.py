"""Seeded random command streams that reach every rule of the rulebook.

Map: `profile` is a seed's settings and opening commands; `view` what the makers of
commands look at; `orders`, `spoilers`, `keyed` and `administration` make commands, `trading`,
`guarding` and `makers` those that version 2 added; `stream` puts them into frames. `wild` makes
commands of any bytes.
"""

from tradepit.testing.generator.stream import Generator, Step

__all__ = ["Generator", "Step"]
