import pytest
from tests.unit.journal.reference import group_of, reference_scan, write_journal

from tradepit.journal.mark import read_mark
from tradepit.journal.port import JournalError
from tradepit.journal.scan import scan_journal
from tradepit.journal.snapshots import Snapshot, write_snapshot
from tradepit.journal.upkeep import NothingToAccept, accept_loss, find_loss


@pytest.fixture
def directory(tmp_path):
    return write_journal(tmp_path, [group_of(number) for number in range(60)])


def accepted(directory):
    loss = find_loss(directory)
    accept_loss(directory, loss)
    mark = read_mark(directory.mark)
    assert mark == loss.mark
    assert mark.generation == 1
    tail = scan_journal(directory)
    assert tail.end.sequence == loss.end.sequence
    write_journal(directory.root, [group_of(100), group_of(101)])
    frames = reference_scan(directory.root)
    assert len(frames) == loss.end.sequence + 2
    assert b"".join(frames[-1].records) == group_of(101).records
    return loss


def test_a_whole_journal_has_nothing_to_accept(directory):
    with pytest.raises(NothingToAccept):
        find_loss(directory)


def test_a_lost_segment_is_accepted_under_a_new_generation(directory):
    last = directory.segments()[-1]
    directory.segment(last).unlink()
    with pytest.raises(JournalError):
        scan_journal(directory)
    assert accepted(directory).end.sequence == last - 1


def test_damage_in_the_middle_is_cut_and_kept_aside(directory):
    second = directory.segments()[1]
    path = directory.segment(second)
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    loss = accepted(directory)
    assert loss.end.segment == second
    kept = directory.root / "lost" / "generation-0"
    assert (kept / path.name).read_bytes() == bytes(data)
    assert len(list(kept.iterdir())) == len(loss.moved)


def test_a_lost_mark_is_accepted_with_everything_that_checks(directory):
    end = scan_journal(directory).end
    directory.mark.unlink()
    assert accepted(directory).end == end


def test_snapshots_of_the_lost_history_go_aside(directory):
    end = scan_journal(directory).end
    path = write_snapshot(directory, Snapshot(0, 0, end, "00" * 16), b"state")
    directory.segment(directory.segments()[-1]).unlink()
    accepted(directory)
    assert not path.exists()
    assert (directory.root / "lost" / "generation-0" / path.name).exists()


def test_accepting_can_be_repeated_when_it_was_interrupted(directory, monkeypatch):
    directory.segment(directory.segments()[-1]).unlink()
    loss = find_loss(directory)
    mark = directory.mark.read_bytes()
    accept_loss(directory, loss)
    directory.mark.write_bytes(mark)
    again = find_loss(directory)
    assert again.end == loss.end
    accepted(directory)


def test_a_later_loss_is_a_later_generation(directory):
    for generation in (1, 2):
        directory.segment(directory.segments()[-1]).unlink()
        loss = find_loss(directory)
        accept_loss(directory, loss)
        assert loss.mark.generation == generation
        write_journal(directory.root, [group_of(number) for number in range(60)])
    directory.mark.unlink()
    assert find_loss(directory).mark.generation == 3
