//! The state as bytes: saved, loaded, and a fingerprint that knows nothing of its layout.

use super::book::Book;
use super::books::{Books, hash};
use super::queue::{Home, NONE, Order};
use super::record::Side;
use super::report::{ACTION_COUNTS, Counts, CrossedPhase, PROBLEM_COUNTS};

const MAGIC: [u8; 8] = *b"TPBOOKS\x01";
const CHECKSUM_BYTES: usize = 4;
/// Id, size, whether it is indexed.
const ORDER_BYTES: usize = 8 + 4 + 1;

/// These bytes are no saved state, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl Books {
    /// The whole state: orders in queue order, counts, reports.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024 + self.live_orders() * (ORDER_BYTES + 4));
        out.extend_from_slice(&MAGIC);
        out.push(u8::from(self.add_unknown_modifies));
        put(&mut out, self.live_orders() as u64);
        put(&mut out, self.counts.records);
        put(&mut out, self.counts.events);
        self.counts.actions.iter().for_each(|&count| put(&mut out, count));
        self.counts.problems.iter().for_each(|&count| put(&mut out, count));
        put(&mut out, self.books.len() as u64);
        for book in &self.books {
            put_name(&mut out, book);
            let phases = [book.in_event, book.in_snapshot, book.has_traded];
            out.extend(phases.map(u8::from));
            self.put_orders(&mut out, book);
            put_report(&mut out, book);
        }
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// A fingerprint of what rests, of its order, and of where in its events each book is: equal
    /// if, and only if, the same records will do the same from here on. So a snapshot that goes on
    /// counts where something rests, which the first record of another one would clear. Counts and
    /// reports are no part of it, nor is whether a trade has been seen, which only they ask.
    pub fn digest(&self) -> [u8; 16] {
        let mut books: Vec<_> = self.books.iter().collect();
        books.sort_unstable_by_key(|book| (book.publisher, book.instrument));
        let mut out = Vec::new();
        let mut hasher = blake3::Hasher::new();
        for book in books {
            out.clear();
            put_name(&mut out, book);
            let is_empty = Side::BOTH.iter().all(|&side| book.side(side).len() == 0);
            out.extend([book.in_event, book.in_snapshot && !is_empty].map(u8::from));
            self.put_orders(&mut out, book);
            hasher.update(&out);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        digest
    }

    /// What rests in one book, best level first, first in the queue first.
    fn put_orders(&self, out: &mut Vec<u8>, book: &Book) {
        for side in Side::BOTH {
            out.extend_from_slice(&(book.side(side).len() as u32).to_le_bytes());
            for slot in book.side(side).iter() {
                let level = self.queues.level(slot);
                out.extend_from_slice(&level.price.to_le_bytes());
                out.extend_from_slice(&level.orders.to_le_bytes());
                for order in self.queues.queue(slot).map(|order| self.queues.order(order)) {
                    out.extend_from_slice(&order.id.to_le_bytes());
                    out.extend_from_slice(&order.size.to_le_bytes());
                    out.push(u8::from(order.is_indexed));
                }
            }
        }
    }

    /// The state that was saved.
    pub fn load(bytes: &[u8]) -> Result<Self, Damaged> {
        let body = checked(bytes)?;
        let mut reader = Reader(body);
        let add_unknown_modifies = reader.flag()?;
        let live = reader.number()?;
        if live > (body.len() / ORDER_BYTES) as u64 {
            return Err(Damaged);
        }
        let mut books = Self::with_capacity(add_unknown_modifies, live as usize);
        books.counts = reader.counts()?;
        for _ in 0..reader.number()? {
            books.read_book(&mut reader)?;
        }
        let is_whole = reader.0.is_empty() && books.live_orders() as u64 == live;
        if is_whole { Ok(books) } else { Err(Damaged) }
    }

    fn read_book(&mut self, reader: &mut Reader<'_>) -> Result<(), Damaged> {
        let publisher = u16::from_le_bytes(reader.take()?);
        let instrument = u32::from_le_bytes(reader.take()?);
        if self.find_book(publisher, instrument).is_some() {
            return Err(Damaged);
        }
        let at = self.push_book(Book::new(publisher, instrument));
        let book = &mut self.books[at as usize];
        (book.in_event, book.in_snapshot) = (reader.flag()?, reader.flag()?);
        book.has_traded = reader.flag()?;
        for side in Side::BOTH {
            self.read_side(at, side, reader)?;
        }
        let book = &mut self.books[at as usize];
        book.events = reader.number()?;
        for phase in &mut book.crossed {
            *phase = reader.phase()?;
        }
        Ok(())
    }

    fn read_side(&mut self, at: u32, side: Side, reader: &mut Reader<'_>) -> Result<(), Damaged> {
        let book_key = self.books[at as usize].key();
        let levels = u32::from_le_bytes(reader.take()?);
        let mut slots = Vec::new();
        for _ in 0..levels {
            let price = i64::from_le_bytes(reader.take()?);
            let home = Home::new(at, side);
            if self.queues.find_level(home, price).is_some() {
                return Err(Damaged);
            }
            let level = self.queues.new_level(home, price);
            slots.push((price, level));
            for _ in 0..u32::from_le_bytes(reader.take()?) {
                let order = reader.order(at)?;
                let slot = self.queues.new_order(order);
                if order.is_indexed {
                    self.index.insert(hash(book_key, order.id), slot);
                }
                self.queues.append(slot, level);
            }
        }
        // Best first; the best belongs last.
        slots.reverse();
        let is_sound = slots.iter().all(|&(_, slot)| self.queues.level(slot).orders > 0);
        let prices = self.books[at as usize].side_mut(side);
        if is_sound && prices.fill(side, &slots) { Ok(()) } else { Err(Damaged) }
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_name(out: &mut Vec<u8>, book: &Book) {
    out.extend_from_slice(&book.publisher.to_le_bytes());
    out.extend_from_slice(&book.instrument.to_le_bytes());
}

fn put_report(out: &mut Vec<u8>, book: &Book) {
    put(out, book.events);
    for phase in book.crossed {
        put(out, phase.events);
        put(out, phase.first_ns);
        put(out, phase.last_ns);
    }
}

/// What lies between the magic and the checksum, when both are right.
fn checked(bytes: &[u8]) -> Result<&[u8], Damaged> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Damaged)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(Damaged);
    }
    body.strip_prefix(&MAGIC).ok_or(Damaged)
}

/// Bytes not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn flag(&mut self) -> Result<bool, Damaged> {
        Ok(self.take::<1>()?[0] != 0)
    }

    fn counts(&mut self) -> Result<Counts, Damaged> {
        let mut counts = Counts { records: self.number()?, ..Counts::default() };
        counts.events = self.number()?;
        for place in 0..ACTION_COUNTS {
            counts.actions[place] = self.number()?;
        }
        for place in 0..PROBLEM_COUNTS {
            counts.problems[place] = self.number()?;
        }
        Ok(counts)
    }

    fn phase(&mut self) -> Result<CrossedPhase, Damaged> {
        let (events, first_ns) = (self.number()?, self.number()?);
        Ok(CrossedPhase { events, first_ns, last_ns: self.number()? })
    }

    fn order(&mut self, book: u32) -> Result<Order, Damaged> {
        let (id, size) = (self.number()?, u32::from_le_bytes(self.take()?));
        let is_indexed = self.flag()?;
        let (level, previous, next) = (NONE, NONE, NONE);
        Ok(Order { id, size, level, previous, next, book, is_indexed })
    }
}
