"""Makers that quote around a price from elsewhere: another instrument, or a recorded session."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.end_to_end.maker_process import (
    FIRM,
    SYMBOLS,
    StartMaker,
    ask,
    quoted_by,
    wait_until,
)
from tests.end_to_end.node_process import NodeProcess

from tradepit.client import Client

QUOTED, REFERENCE = SYMBOLS[0], SYMBOLS[1]


def settings(folder: Path, text: str) -> str:
    path = folder / "around.toml"
    path.write_text("[strategy]\nparameters = { quantity = 5 }\n" + text)
    return str(path)


def middle(node: NodeProcess) -> Decimal:
    """The middle of the quote; zero while there is none."""
    if QUOTED not in quoted_by(node):
        return Decimal(0)
    quote = ask(node, f"/quotes/{QUOTED}?client_id={FIRM}")
    return (Decimal(quote["bid_price"]) + Decimal(quote["ask_price"])) / 2


def rest(client: Client, bid: str, ask_price: str) -> None:
    """Let somebody rest on both sides of the reference, instead of what rested before."""
    client.mass_cancel(client_id="other", instrument=REFERENCE)
    for side, price in (("buy", bid), ("sell", ask_price)):
        client.place(
            client_id="other",
            instrument=REFERENCE,
            side="buy" if side == "buy" else "sell",
            price=price,
            quantity=5,
        )


def test_a_quote_follows_another_instrument_and_ends_without_it(
    share_node: NodeProcess, start_maker: StartMaker, tmp_path: Path
) -> None:
    with Client(share_node.url) as client:
        for symbol in SYMBOLS[1:]:
            client.remove_firm_symbol(symbol, firm=FIRM)
        client.open_account(id="other")
        rest(client, "109.00", "111.00")
        text = f'[symbols.{QUOTED}]\nreference = "{REFERENCE}"\n'
        text += "[symbols.S00.strategy]\nreference = { age_max_s = 1.5 }\n"
        maker = start_maker("mm-0", "--config", settings(tmp_path, text))
        wait_until(lambda: middle(share_node) == 110, "it quotes around the reference")
        rest(client, "119.00", "121.00")
        wait_until(lambda: middle(share_node) == 120, "it follows the reference")
        assert Decimal(maker.page("/status")["references"][REFERENCE]) == 120
        client.mass_cancel(client_id="other", instrument=REFERENCE)
        wait_until(lambda: middle(share_node) == 0, "no price, no quote")


def test_a_quote_follows_a_recorded_session(
    share_node: NodeProcess, start_maker: StartMaker, tmp_path: Path
) -> None:
    with Client(share_node.url) as client:
        for symbol in SYMBOLS[1:]:
            client.remove_firm_symbol(symbol, firm=FIRM)
        client.open_account(id="other")
        for bid, ask_price in (("129.00", "131.00"), ("139.00", "141.00"), ("149.00", "151.00")):
            rest(client, bid, ask_price)
        replay = client.create_replay("market", speed=1, state="paused")
        wait_until(lambda: client.replay(replay.id).state != "indexing", "it is indexed")
        end = client.replay(replay.id).messages
        reference = f'{{ replay = "{replay.id}", instrument = "{REFERENCE}" }}'
        text = f"[symbols.{QUOTED}]\nreference = {reference}\n"
        text += "[symbols.S00.strategy]\nreference = { age_max_s = 60.0 }\n"
        start_maker("mm-0", "--config", settings(tmp_path, text))
        seen = []
        for step in range(end):
            client.change_replay(replay.id, step=1)
            book = client.replay_book(replay.id, instrument=REFERENCE).books
            if book and book[0].bids and book[0].asks:
                price = (book[0].bids[0].price + book[0].asks[0].price) / 2
                if price not in seen:
                    seen.append(price)
                    wait_until(lambda price=price: middle(share_node) == price, f"at {step}")
        assert seen == [130, 140, 150]
