import random
from typing import Any

import pytest

from tradepit.node.outcome import Outcome, Overloaded
from tradepit.node.queue import CommandQueue, Limits, Submission

LIMITS = Limits(node_max=100, urgent_extra=20, account_max=30, frame_max=40)


def submission(
    number: int, *, account: int | str = "a", size: int = 1, urgent: bool = False
) -> Submission:
    return Submission(number.to_bytes(96, "little"), b"", size, None, account, urgent)


def numbers(taken: list[Submission]) -> list[int]:
    return [int.from_bytes(part, "little") for each in taken for part in each.parts]


def ignore(items: list[Any], outcome: Outcome) -> None:
    """Nobody waits."""


def gather(queue: CommandQueue, number: int, *, account: int | str = "a") -> None:
    queue.gather(number.to_bytes(96, "little"), number, ignore, account)


def queue_of(*submissions: Submission) -> CommandQueue:
    queue = CommandQueue(LIMITS)
    for each in submissions:
        queue.add(each)
    return queue


def test_commands_leave_in_the_order_in_which_they_came():
    queue = queue_of(*(submission(number, account=f"a{number % 3}") for number in range(20)))
    assert numbers(queue.take(10_000)) == list(range(20))
    assert queue.waiting == 0
    assert queue.in_flight == 20


def test_urgent_commands_overtake_those_of_other_accounts():
    queue = queue_of(submission(1), submission(2, account="b", urgent=True))
    assert numbers(queue.take(10_000)) == [2, 1]


def test_urgent_commands_never_overtake_earlier_ones_of_their_account():
    queue = queue_of(
        submission(1),
        submission(2, account="b"),
        submission(3, urgent=True),
        submission(4, account="c", urgent=True),
    )
    assert numbers(queue.take(10_000)) == [4, 1, 2, 3]


def test_an_account_keeps_its_order_in_any_mixture():
    rng = random.Random(7)
    for _ in range(200):
        queue = CommandQueue(Limits())
        sent = []
        for number in range(60):
            account = rng.randrange(4)
            if rng.random() < 0.5:
                gather(queue, number, account=account)
            else:
                queue.add(submission(number, account=account, urgent=rng.random() < 0.8))
            sent.append((account, number))
        taken = []
        while queue.waiting:
            taken += queue.take(rng.choice([96, 500, 5000]))
            if not taken:
                taken += queue.take(60 * 96)
        accounts = [account for each in taken for account in each.accounts]
        got = list(zip(accounts, numbers(taken), strict=True))
        assert sorted(got) == sorted(sent)
        for account in range(4):
            mine = [number for who, number in got if who == account]
            assert mine == sorted(mine)


def test_a_frame_takes_at_most_its_commands_and_bytes():
    queue = queue_of(*(submission(number, account=number, size=15) for number in range(4)))
    assert numbers(queue.take(10_000)) == [0, 1]
    assert numbers(queue.take(96)) == [2]
    assert queue.waiting == 15


def test_what_does_not_fit_stays_in_its_place():
    queue = queue_of(
        submission(1, account="b", size=10, urgent=True),
        submission(2, account=0, size=35),
        submission(3),
    )
    assert numbers(queue.take(10_000)) == [1]
    queue.add(submission(4, account="d", urgent=True))
    assert numbers(queue.take(10_000)) == [4, 2, 3]


def test_the_node_is_bounded_and_urgent_commands_have_room_above():
    queue = queue_of(*(submission(number, account=number) for number in range(100)))
    with pytest.raises(Overloaded) as caught:
        queue.add(submission(101, account="x"))
    assert caught.value.scope == "node"
    for number in range(20):
        queue.add(submission(200 + number, account="x", urgent=True))
    with pytest.raises(Overloaded):
        queue.add(submission(300, account="x", urgent=True))
    assert queue.in_flight == 120


def test_one_account_is_bounded_but_not_its_cancels_and_not_the_operator():
    queue = queue_of(*(submission(number) for number in range(30)))
    with pytest.raises(Overloaded) as caught:
        queue.add(submission(31))
    assert caught.value.scope == "account"
    queue.add(submission(32, urgent=True))
    for number in range(40):
        queue.add(submission(number, account=0))


def test_finished_commands_make_room():
    queue = queue_of(*(submission(number) for number in range(30)))
    taken = queue.take(10_000)
    queue.finish(taken[0])
    queue.add(submission(31))
    for each in taken[1:]:
        queue.finish(each)
    assert queue.in_flight == 1


def test_commands_that_are_gathered_share_a_submission_until_another_comes_between():
    queue = CommandQueue(LIMITS)
    for number in range(3):
        gather(queue, number, account=f"a{number}")
    queue.add(submission(3, account="b"))
    gather(queue, 4)
    gather(queue, 5)
    taken = queue.take(10_000)
    assert numbers(taken) == list(range(6))
    assert [each.commands for each in taken] == [3, 1, 2]


def test_a_gathering_fits_a_frame():
    queue = CommandQueue(LIMITS)
    for number in range(50):
        gather(queue, number, account=number)
    assert numbers(queue.take(10_000)) == list(range(40))
    assert numbers(queue.take(10_000)) == list(range(40, 50))


def test_gathered_commands_count_for_their_accounts():
    queue = CommandQueue(LIMITS)
    for number in range(30):
        gather(queue, number)
    gather(queue, 30, account="b")
    with pytest.raises(Overloaded):
        gather(queue, 31)
    queue.add(submission(32, urgent=True))
    (gathered, cancel) = queue.take(10_000)
    assert numbers([gathered, cancel]) == [*range(31), 32]
    queue.finish(gathered)
    for number in range(29):
        gather(queue, number)
    assert queue.in_flight == 30


def test_taking_what_is_not_urgent_leaves_what_is_in_order():
    queue = queue_of(
        submission(1), submission(2, urgent=True), submission(3, account="b", urgent=True)
    )
    assert numbers(queue.take_normal()) == [1]
    assert numbers(queue.take(10_000)) == [3, 2]
    assert queue.waiting == 0
