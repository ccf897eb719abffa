"""SQL read models: everything that happened, queryable, rebuilt from the journal.

`tables` says what there is, `database` opens it, `migrations` makes it.
"""
