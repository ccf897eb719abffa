"""Values of the market without any input or output.

- `wire`: generated record layouts, enums and reject reasons (from schema/records.toml)
- `decimals`: exact decimal text to whole steps and back
- `commands`: command records of 96 bytes, ready for the journal; `firm_commands`: those of firms
"""
