"""A nonce is good once: within a run, after kill -9, after a power loss, with a clock set back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tradepit.access import nonces
from tradepit.access.nonces import (
    LEASE_MS,
    NonceLog,
    NonceLogUnusable,
    NonceUsed,
    NotYet,
    make_nonce_log,
)

WINDOW = 5_000
NOW = 1_800_000_000_000
SLOTS = 256


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "nonces"
    make_nonce_log(path, SLOTS)
    return path


def opened(path: Path, now: int) -> NonceLog:
    return NonceLog(path, window_ms=WINDOW, now_ms=now, slots=SLOTS)


def reboot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The machine starts anew: what was in its memory only may be gone."""
    boot = tmp_path / f"boot-{name}"
    boot.write_text(name)
    monkeypatch.setattr(nonces, "BOOT_ID", boot)


def test_a_nonce_is_good_once_for_its_key(path: Path) -> None:
    log = opened(path, NOW)
    log.use("a", b"1", NOW, NOW)
    for timestamp in (NOW, NOW + 1, NOW - 4_000, NOW + WINDOW):
        with pytest.raises(NonceUsed):
            log.use("a", b"1", timestamp, NOW)
    log.use("b", b"1", NOW, NOW)
    log.use("a", b"2", NOW, NOW)
    log.close()


def test_a_nonce_is_refused_until_its_timestamp_is_too_old_for_ever(path: Path) -> None:
    log = opened(path, NOW)
    log.use("a", b"1", NOW + WINDOW, NOW)
    for later in range(0, 3 * WINDOW, 250):
        with pytest.raises(NonceUsed):
            log.use("a", b"1", NOW + WINDOW, NOW + later)
    log.close()


def test_a_killed_process_forgets_nothing(path: Path) -> None:
    log = opened(path, NOW)
    for number in range(100):
        log.use("a", b"%d" % number, NOW + number, NOW + number)
    # No close: the process is gone, the kernel is not.
    again = opened(path, NOW + 200)
    for number in range(100):
        with pytest.raises(NonceUsed):
            again.use("a", b"%d" % number, NOW + number, NOW + 200)
    again.use("a", b"new", NOW + 200, NOW + 200)


def test_after_a_power_loss_nothing_is_accepted_up_to_the_horizon(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reboot(monkeypatch, tmp_path, "one")
    log = opened(path, NOW)
    before = path.read_bytes()
    log.use("a", b"1", NOW, NOW)
    synced = path.read_bytes()
    assert synced[:64] != before[:64], "the horizon moves before the first timestamp beyond it"
    log.use("a", b"2", NOW + WINDOW, NOW)
    # The machine kept the header, which was synced, and lost the records, which were not.
    path.write_bytes(synced[:4096] + bytes(len(synced) - 4096))
    reboot(monkeypatch, tmp_path, "two")
    for later in (0, 1_000, WINDOW):
        again = opened(path, NOW + later)
        for nonce, timestamp in ((b"1", NOW), (b"2", NOW + WINDOW)):
            with pytest.raises((NonceUsed, NotYet)):
                again.use("a", nonce, timestamp, NOW + later)
    late = NOW + WINDOW + LEASE_MS + 1
    again.use("a", b"3", late, late)


def test_a_clean_stop_is_trusted_after_a_reboot(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reboot(monkeypatch, tmp_path, "one")
    log = opened(path, NOW)
    log.use("a", b"1", NOW, NOW)
    log.close()
    reboot(monkeypatch, tmp_path, "two")
    again = opened(path, NOW + 1)
    with pytest.raises(NonceUsed):
        again.use("a", b"1", NOW, NOW + 1)
    again.use("a", b"2", NOW + 1, NOW + 1)


@pytest.mark.parametrize("damage", ["gone", "header", "empty"])
def test_a_log_that_cannot_be_trusted_refuses_what_it_could_have_held(
    path: Path, damage: str
) -> None:
    log = opened(path, NOW)
    log.use("a", b"1", NOW + WINDOW, NOW)
    if damage == "gone":
        path.unlink()
    elif damage == "header":
        path.write_bytes(b"x" + path.read_bytes()[1:])
    else:
        path.write_bytes(bytes(len(path.read_bytes())))
    again = opened(path, NOW + 1)
    with pytest.raises(NotYet) as caught:
        again.use("a", b"1", NOW + WINDOW, NOW + 1)
    assert 0 < caught.value.wait_ms <= LEASE_MS + WINDOW + 2
    with pytest.raises(NotYet):
        again.use("a", b"new", NOW + 1, NOW + 1)


def test_a_clock_that_is_set_back_opens_no_door(path: Path) -> None:
    log = opened(path, NOW)
    log.use("a", b"1", NOW, NOW)
    hour = 3_600_000
    log.use("a", b"2", NOW + hour, NOW + hour)
    for reader in (log, opened(path, NOW)):
        with pytest.raises(NotYet):
            reader.use("a", b"1", NOW, NOW)


def test_a_full_ring_refuses_and_goes_on_when_there_is_room(path: Path) -> None:
    log = opened(path, NOW)
    for number in range(SLOTS):
        log.use("a", b"%d" % number, NOW, NOW)
    with pytest.raises(NonceLogUnusable):
        log.use("a", b"more", NOW, NOW)
    later = NOW + WINDOW + 1
    log.use("a", b"more", later, later)


def test_a_failed_sync_is_not_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(path, NOW)

    def fail(_descriptor: int) -> None:
        raise OSError("the disk failed")

    with monkeypatch.context() as broken:
        broken.setattr(nonces.os, "fdatasync", fail)
        with pytest.raises(NonceLogUnusable):
            log.use("a", b"1", NOW, NOW)
    with pytest.raises(NonceLogUnusable):
        log.use("a", b"2", NOW, NOW)


@pytest.mark.parametrize("seed", range(20))
def test_random_lives_never_accept_a_nonce_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Kills, clean stops and power losses that keep, lose or tear what was not synced."""
    random_ = random.Random(seed)
    path = tmp_path / "nonces"
    make_nonce_log(path, SLOTS)
    synced = [path.read_bytes()]
    real = nonces.os.fdatasync

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced[0] = path.read_bytes()

    monkeypatch.setattr(nonces.os, "fdatasync", sync)
    monkeypatch.setattr(nonces.os, "fsync", sync)
    reboot(monkeypatch, tmp_path, "0")
    now, accepted, refused = NOW, set(), 0
    log = opened(path, now)
    sent: list[tuple[bytes, int]] = []
    for step in range(1_500):
        now += random_.choice([0, 1, 3, 40, 400])
        if sent and random_.random() < 0.6:
            nonce, timestamp = random_.choice(sent[-60:])
        else:
            nonce, timestamp = b"%d" % step, now + random_.randrange(1 - WINDOW, WINDOW + 1)
            sent.append((nonce, timestamp))
        if abs(timestamp - now) <= WINDOW:
            try:
                log.use("a", nonce, timestamp, now)
                assert nonce not in accepted, (seed, step)
                accepted.add(nonce)
            except (NonceUsed, NotYet, NonceLogUnusable):
                refused += 1
        fate = random_.random()
        if fate < 0.01:
            log = opened(path, now)
        elif fate < 0.02:
            log.close()
            reboot(monkeypatch, tmp_path, f"clean {step}")
            log = opened(path, now)
        elif fate < 0.03:
            held, kept = path.read_bytes(), random_.choice(["none", "some", "all"])
            lost = bytearray(synced[0])
            for at in range(4096, len(held), 32):
                if kept == "all" or (kept == "some" and random_.random() < 0.5):
                    lost[at : at + 32] = held[at : at + random_.choice([8, 20, 32])].ljust(32, b"?")
            path.write_bytes(bytes(lost))
            reboot(monkeypatch, tmp_path, f"lost {step}")
            log = opened(path, now)
    assert len(accepted) > 50
    assert refused > 50
