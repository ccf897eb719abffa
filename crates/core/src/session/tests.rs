use super::ladder;
use super::venue::Venue;
use super::{Session, Settings};
use crate::mbo::{Books, RECORD_BYTES, Record, Side};

const SETTINGS: Settings = Settings {
    seed: 7,
    instruments: 2,
    orders: 600,
    pre_open_orders: 40,
    iceberg_ppm: 50_000,
    start_ns: 1_700_000_000_000_000_000,
    gap_ns: 1_000_000,
};

fn taken(settings: Settings, chunks: &[usize]) -> Vec<u8> {
    let mut session = Session::new(settings);
    chunks.iter().flat_map(|records| session.take(*records)).collect()
}

fn records(bytes: &[u8]) -> &[[u8; RECORD_BYTES]] {
    let (records, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    records
}

#[test]
fn same_settings_give_the_same_bytes_however_they_are_taken() {
    let whole = taken(SETTINGS, &[40_000]);
    let mut parts = taken(SETTINGS, &[1, 7_000, 32_000]);
    parts.truncate(whole.len());
    assert!(whole.starts_with(&parts));
    assert!(parts.len() > 30_000 * RECORD_BYTES);
    assert_ne!(whole, taken(Settings { seed: 8, ..SETTINGS }, &[40_000]));
}

#[test]
fn rebuilt_books_are_the_venues_own_and_no_record_is_wrong() {
    for seed in 0..8 {
        let mut session = Session::new(Settings { seed, ..SETTINGS });
        let mut books = Books::new(true);
        for _ in 0..20 {
            let bytes = session.take(3_000);
            let applied = books.apply(records(&bytes));
            assert_eq!(applied.mistakes, 0, "seed {seed}");
            for venue in &session.venues {
                venue.assert_equals(&books, seed);
            }
        }
    }
}

#[test]
fn books_are_crossed_before_the_open_and_never_after() {
    let bytes = taken(SETTINGS, &[200_000]);
    let mut books = Books::new(true);
    books.apply(records(&bytes));
    for number in 1..=SETTINGS.instruments {
        let [before, after] = books.crossed(1, number);
        assert!(before.events > 10);
        assert_eq!(after.events, 0);
    }
}

#[test]
fn size_of_the_books_and_the_place_of_the_market_stay_bounded() {
    let mut session = Session::new(Settings { instruments: 1, ..SETTINGS });
    for _ in 0..100 {
        session.take(20_000);
        let count =
            session.venues[0].resting(Side::Bid).len() + session.venues[0].resting(Side::Ask).len();
        assert!((200..2_000).contains(&count), "{count} orders");
    }
}

#[test]
fn every_kind_of_record_occurs_in_about_the_mix_of_a_real_session() {
    let bytes = taken(Settings { orders: 10_000, ..SETTINGS }, &[400_000]);
    let mut counts = [0usize; 256];
    for record in &records(&bytes)[30_000..] {
        counts[usize::from(Record(record).action())] += 1;
    }
    let total: usize = counts.iter().sum();
    for (action, least, most) in
        [(b'A', 30, 42), (b'C', 26, 38), (b'M', 14, 25), (b'T', 3, 8), (b'F', 5, 14)]
    {
        let share = 100 * counts[usize::from(action)] / total;
        assert!((least..most).contains(&share), "{} {share} %", char::from(action));
    }
}

impl Venue {
    /// Order ids and sizes of a side, best first, in queue order.
    fn resting(&self, side: Side) -> Vec<(u64, u32)> {
        let side = if side == Side::Bid { ladder::Side::Bid } else { ladder::Side::Ask };
        let orders = self.ladder.in_order(side).into_iter().map(|slot| self.ladder.order(slot));
        orders.map(|order| (order.id, order.shown)).collect()
    }

    fn assert_equals(&self, books: &Books, seed: u64) {
        for side in [Side::Bid, Side::Ask] {
            let mut found = Vec::new();
            for (price, _, _) in books.levels(1, self.number, side, usize::MAX) {
                let level = books.level(1, self.number, side, price).expect("a listed level");
                found.extend(level.orders);
            }
            assert_eq!(found, self.resting(side), "seed {seed}");
        }
    }
}
