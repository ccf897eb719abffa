"""Retries, reused keys, cancels by key and the orders that come after their tombstone."""

from __future__ import annotations

from typing import Any

from tradepit.domain.wire import CancelByKey, CommandKind, RecordFlag
from tradepit.testing.frames import Command, command
from tradepit.testing.generator import orders
from tradepit.testing.generator.view import View

SAME_AFTER_ALL = ("definition_version", "session", "maker")


def resend(view: View) -> Command:
    """The same command again, or another one under its key."""
    if not view.keyed:
        return orders.named(view, orders.place(view))
    sent = view.pick(view.keyed)
    lately = view.pick((view.keyed_administration, view.keyed_of_version_2))
    if lately and view.chance(0.6):
        kind = view.pick(sorted({each.kind for each in lately}))
        sent = [each for each in lately if each.kind == kind][-1]
    fields: Any = sent.fields()
    roll = view.rng.random()
    if roll < 0.2:
        names = [n for n in SAME_AFTER_ALL if n in fields._fields]
        if names:
            name = view.pick(names)
            fields = fields._replace(**{name: getattr(fields, name) + 1})
    elif roll < 0.4:
        fields = different(view, fields)
    elif roll < 0.45 and sent.text is not None:
        return command(fields, sent.text + b"!")
    elif roll < 0.5:
        other = view.with_key(orders.place(view), 1.0)
        fields = other._replace(account=fields.account, key_low=fields.key_low)
        fields = fields._replace(key_high=sent.fields().key_high)
    return command(fields, sent.text)


def different(view: View, fields: Any) -> Any:
    """Change one thing that the fingerprint covers, or the account that is the scope."""
    names = [n for n in ("quantity", "price", "order_id", "amount", "label") if n in fields._fields]
    name = view.pick([*names, "instrument", "side", "mode", "valid_until", "account", "options"])
    return fields._replace(**{name: getattr(fields, name) ^ 1})


def cancel_by_key(view: View) -> Command:
    account, low, high = view.account(), *view.fresh_key()
    roll = view.rng.random()
    known = [c.fields() for c in view.keyed]
    order = view.some_order()
    if roll < 0.4 and known:
        fields = view.pick(known)
        account, low, high = fields.account or account, fields.key_low, fields.key_high
    elif roll < 0.6 and order is not None and order.key is not None:
        account, low, high = order.key
    elif roll < 0.8 and order is not None:
        account, low = order.account, order.label
    else:
        view.awaited_keys.append((account, low, high))
    cancel = CancelByKey(account=account, target_low=low, target_high=high)
    cancel = view.with_key(cancel, view.profile.keyed_share)
    if view.chance(0.03):
        cancel = cancel._replace(flags=cancel.flags | RecordFlag.KEY, key_low=low, key_high=high)
    if view.chance(0.03):
        cancel = cancel._replace(account=view.pick((0, 70)))
    if view.chance(0.03):
        cancel = cancel._replace(valid_until=view.now - 1)
    return command(cancel)


def after_tombstone(view: View) -> Command:
    """An order, or something else, under a key for which a tombstone may lie."""
    if not view.awaited_keys:
        return cancel_by_key(view)
    account, low, high = view.pick(view.awaited_keys)
    roll = view.rng.random()
    if roll < 0.5:
        fields = with_exact_key(orders.place(view), low, high)
        return command(fields._replace(account=account), "late")
    if roll < 0.75:
        fields = view.with_key(orders.place(view), 0.5)
        return command(fields._replace(account=account, label=low), "late by label")
    if roll < 0.9:
        again = CancelByKey(account=account, target_low=low, target_high=high)
        return command(view.with_key(again, 0.5))
    other: Any = orders.cancel(view).fields()
    return command(with_exact_key(other, low, high)._replace(account=account))


def with_exact_key(fields: Any, low: int, high: int) -> Any:
    return fields._replace(flags=fields.flags | RecordFlag.KEY, key_low=low, key_high=high)


def remember(view: View, sent: Command) -> None:
    """Keep a command with a key at hand, so that it can be sent again."""
    if not has_key(sent):
        return
    if sent.kind < CommandKind.PLACE_ORDER:
        view.keyed_administration.append(sent)
    elif sent.kind > CommandKind.CANCEL_BY_KEY:
        view.keyed_of_version_2.append(sent)
    else:
        view.keyed.append(sent)


def has_key(sent: Command) -> bool:
    return bool(sent.record[1] & RecordFlag.KEY)
