"""A random day in LOBSTER's two files, written on its own: orders in lists, and what is visible."""

from __future__ import annotations

import random
from pathlib import Path

LEVELS = 3
NAME = f"TEST_2024-06-21_34200000_57600000_message_{LEVELS}.csv"
TICK = 100

Order = list[int]  # id, size, price


class LobsterDay:
    """Orders of both sides, best first; some of them rested before the file starts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._sides: dict[int, list[Order]] = {1: [], -1: []}
        self._next_id = 1
        self.messages: list[list[str]] = []
        self.books: list[list[str]] = []
        for _ in range(60):
            self._enter(self._random.choice((1, -1)), self._random.randint(1, 9))
        while len(self.messages) < 800:
            self._act()

    def write(self, folder: Path) -> Path:
        """Write both files; gives the message file's path."""
        path = folder / NAME
        path.write_text("".join(",".join(row) + "\n" for row in self.messages))
        book = folder / NAME.replace("message", "orderbook")
        book.write_text("".join(",".join(row) + "\n" for row in self.books))
        return path

    def _act(self) -> None:
        side = self._random.choice((1, -1))
        choice = self._random.random()
        if choice < 0.40 or len(self._sides[side]) < 14:
            order = self._enter(side, self._random.randint(1, 8))
            self._tell(1, order, order[1], side)
        elif choice < 0.60:
            order = self._random.choice(self._sides[side])
            size = self._random.randint(1, order[1])
            self._tell(3 if size == order[1] else 2, order, size, side)
        elif choice < 0.95:
            order = self._sides[side][0]
            part = self._random.randint(1, order[1])
            self._tell(4, order, self._random.choice((order[1], part)), side)
        else:
            self._write("5", ["0", "7", str(self._sides[side][0][2]), str(side)])

    def _enter(self, side: int, away: int) -> Order:
        other = self._sides[-side]
        middle = other[0][2] if other else 1_000_000
        order = [self._next_id, self._random.randint(1, 5) * 10, middle - side * away * TICK]
        self._next_id += 1
        queue = self._sides[side]
        queue.append(order)
        queue.sort(key=lambda each: -side * each[2])  # stable: later ones stand behind
        return order

    def _tell(self, kind: int, order: Order, size: int, side: int) -> None:
        was_visible = order[2] in self._visible(side)
        if kind != 1:
            order[1] -= size
            if not order[1]:
                self._sides[side].remove(order)
        if was_visible or order[2] in self._visible(side):
            self._write(str(kind), [str(order[0]), str(size), str(order[2]), str(side)])

    def _write(self, kind: str, rest: list[str]) -> None:
        self.messages.append([f"{34200 + len(self.messages) / 100:.9f}", kind, *rest])
        row = []
        for bid, ask in zip(self._levels(1), self._levels(-1), strict=True):
            row += [*ask, *bid]
        self.books.append(row)

    def _visible(self, side: int) -> list[int]:
        prices = list(dict.fromkeys(order[2] for order in self._sides[side]))
        return prices[:LEVELS]

    def _levels(self, side: int) -> list[list[str]]:
        shown = [
            [str(price), str(sum(order[1] for order in self._sides[side] if order[2] == price))]
            for price in self._visible(side)
        ]
        return shown + [[str(-side * 9999999999), "0"]] * (LEVELS - len(shown))
