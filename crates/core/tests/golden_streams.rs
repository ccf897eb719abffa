//! Journals with known events: what the naive engine says about them must not change.
//!
//! Made by `tests/golden/make_streams.py`; `TRADEPIT_STREAMS` names a directory of more.

use std::path::{Path, PathBuf};
use tradepit_core::engine::Engine;
use tradepit_core::frame::Frame;
use tradepit_core::snapshot::Source;
use xxhash_rust::xxh3::Xxh3;

fn streams() -> Vec<PathBuf> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/streams");
    let more = std::env::var_os("TRADEPIT_STREAMS").map(PathBuf::from);
    let mut found = Vec::new();
    for directory in std::iter::once(committed).chain(more) {
        let entries = directory.read_dir().expect("the directory of streams");
        let paths = entries.map(|entry| entry.expect("a directory entry").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "frames")));
    }
    found.sort();
    assert!(!found.is_empty(), "no streams");
    found
}

/// The frames of a stream, one after the other.
fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (frame, after) = rest.split_at(Frame::cut(rest).expect("a whole frame").bytes);
        rest = after;
        Some(frame)
    })
}

fn restored(engine: &Engine) -> Engine {
    let mut bytes = Vec::new();
    engine.write_state(&mut bytes);
    let again = Engine::read_state(&mut Source::new(&bytes)).expect("a snapshot");
    assert_eq!(again.state_hash(), engine.state_hash());
    again
}

/// Hashes of all events and texts; the engine goes through a snapshot after every `restart` frames.
fn digest(path: &Path, restart: usize) -> String {
    let bytes = std::fs::read(path).expect("a stream");
    let (mut events, mut texts) = (Xxh3::new(), Xxh3::new());
    let mut engine = Engine::default();
    for (number, frame) in frames(&bytes).enumerate() {
        engine.apply(frame).expect("a frame that applies");
        events.update(&engine.output.records);
        texts.update(&engine.output.texts);
        if number % restart == restart - 1 {
            engine = restored(&engine);
        }
    }
    format!("{:032x} {:032x}", events.digest128(), texts.digest128())
}

#[test]
fn streams_give_the_events_of_the_naive_engine() {
    for path in streams() {
        let expected =
            std::fs::read_to_string(path.with_extension("expected")).expect("its digest");
        assert_eq!(digest(&path, usize::MAX), expected.trim(), "{}", path.display());
    }
}

#[test]
fn streams_go_on_the_same_after_any_snapshot() {
    for path in streams() {
        let expected =
            std::fs::read_to_string(path.with_extension("expected")).expect("its digest");
        assert_eq!(digest(&path, 7), expected.trim(), "{}", path.display());
    }
}
