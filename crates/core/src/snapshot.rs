//! The engine's logical state as bytes: canonical, so that its hash is the state hash.
//!
//! What can be derived (indexes, levels, sums, lists) is rebuilt when reading.

use crate::account::{Account, Balance, Position};
use crate::book::BookSide;
use crate::engine::{Engine, Instrument, Parameters, side_index};
use crate::frame::Problem;
use crate::keys::KeyEntry;
use crate::ledger::{Asset, Grant};
use crate::orders::{Extra, NONE, Order, Orders};
use crate::snapshot_exposure::{read_guard, write_guard};
use crate::snapshot_instruments::{read_instrument, write_instrument};

/// Where canonical bytes go: a buffer or a hash.
pub trait Sink {
    fn bytes(&mut self, bytes: &[u8]);
    fn u8(&mut self, v: u8) {
        self.bytes(&[v]);
    }
    fn u32(&mut self, v: u32) {
        self.bytes(&v.to_le_bytes());
    }
    fn u64(&mut self, v: u64) {
        self.bytes(&v.to_le_bytes());
    }
    fn i32(&mut self, v: i32) {
        self.bytes(&v.to_le_bytes());
    }
    fn i64(&mut self, v: i64) {
        self.bytes(&v.to_le_bytes());
    }
    fn i128(&mut self, v: i128) {
        self.bytes(&v.to_le_bytes());
    }
    fn text(&mut self, v: &str) {
        self.u32(v.len() as u32);
        self.bytes(v.as_bytes());
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Gathers small writes for the hash function.
struct HashSink {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

const HASH_BUFFER_BYTES: usize = 1 << 16;

impl Sink for HashSink {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > HASH_BUFFER_BYTES {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(bytes);
    }
}

/// Reads what a `Sink` wrote; short or malformed bytes are a `Problem`.
pub struct Source<'a> {
    rest: &'a [u8],
}

pub type Read<T> = Result<T, Problem>;

macro_rules! read_integers {
    ($($name:ident),*) => {
        $(pub fn $name(&mut self) -> Read<$name> {
            Ok($name::from_le_bytes(self.array()?))
        })*
    };
}

impl<'a> Source<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn bytes(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Problem::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("N bytes"))
    }

    read_integers!(u8, u16, u32, u64, i32, i64, i128);

    pub fn text(&mut self) -> Read<&'a str> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Problem::Text)
    }

    /// A count of things of which each takes at least `bytes` bytes; bounds what is allocated.
    pub fn count(&mut self, bytes: usize) -> Read<usize> {
        let count = self.u64()? as usize;
        if count.checked_mul(bytes).is_none_or(|needed| needed > self.rest.len()) {
            return Err(Problem::Length);
        }
        Ok(count)
    }

    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Engine {
    /// 32 hex digits over the logical state.
    pub fn state_hash(&self) -> String {
        let mut sink = HashSink {
            hasher: blake3::Hasher::new(),
            buffer: Vec::with_capacity(HASH_BUFFER_BYTES),
        };
        self.write_state(&mut sink);
        sink.hasher.update(&sink.buffer);
        sink.hasher.finalize().to_hex()[..32].to_string()
    }

    /// Write the whole logical state.
    pub fn write_state(&self, sink: &mut impl Sink) {
        sink.u64(self.sequence);
        sink.i64(self.now);
        sink.u32(self.rules_version);
        sink.i64(self.parameters.key_window_ns);
        sink.u64(self.parameters.key_capacity);
        sink.u64(self.parameters.accounts_max);
        sink.u64(self.parameters.market_id);
        sink.u64(self.trades);
        sink.u64(self.incarnations.len() as u64);
        for &(incarnation, frame_number) in &self.incarnations {
            sink.u64(incarnation);
            sink.u64(frame_number);
        }
        self.write_ledger(sink);
        sink.u64(self.instruments.len() as u64);
        for instrument in &self.instruments {
            write_instrument(sink, instrument);
            for side in &instrument.sides {
                self.write_side(sink, side);
            }
            self.write_waiting(sink, instrument);
        }
        sink.u64(self.keys.finished_count() as u64);
        for entry in self.keys.finished() {
            write_key(sink, entry);
        }
        self.write_exposure(sink);
    }

    fn write_ledger(&self, sink: &mut impl Sink) {
        let ledger = &self.ledger;
        sink.u64(ledger.assets.len() as u64);
        for asset in &ledger.assets {
            sink.text(&asset.code);
            sink.u32(asset.scale);
            sink.i128(asset.deposits);
            sink.i128(asset.withdrawals);
            sink.i128(asset.fees);
        }
        sink.u64(ledger.starting_balances.len() as u64);
        for (&asset, &amount) in &ledger.starting_balances {
            sink.u32(asset);
            sink.i64(amount);
        }
        sink.u8(u8::from(ledger.grant_is_stale));
        sink.u64(ledger.grants.len() as u64);
        for grant in &ledger.grants {
            write_grant(sink, grant);
        }
        sink.u64(ledger.accounts.len() as u64);
        for (account, (id, name)) in ledger.accounts.iter().zip(&ledger.names) {
            sink.text(id);
            sink.text(name);
            write_account(sink, account);
        }
    }

    fn write_side(&self, sink: &mut impl Sink, side: &BookSide) {
        sink.u64(side.orders as u64);
        for level in side.levels() {
            let mut slot = level.head;
            while slot != NONE {
                self.write_order(sink, &self.orders[slot]);
                slot = self.orders[slot].next;
            }
        }
    }

    /// Waiting orders by id, then the queue of the triggered ones.
    fn write_waiting(&self, sink: &mut impl Sink, instrument: &Instrument) {
        let is_live = |id: &&u64| self.orders.find(**id).is_some();
        let queue: Vec<u64> = instrument.waiting.queue.iter().filter(is_live).copied().collect();
        let mut ids: Vec<u64> = instrument.waiting.untriggered().chain(queue.clone()).collect();
        ids.sort_unstable();
        sink.u64(ids.len() as u64);
        for id in ids {
            let slot = self.orders.find(id).expect("waiting orders are live");
            sink.u8(self.orders[slot].side);
            self.write_order(sink, &self.orders[slot]);
        }
        sink.u64(queue.len() as u64);
        for id in queue {
            sink.u64(id);
        }
    }

    fn write_order(&self, sink: &mut impl Sink, order: &Order) {
        sink.u64(order.id);
        sink.i64(order.price);
        sink.i64(order.leaves);
        sink.i64(order.quantity);
        sink.i128(order.filled_value);
        let extra = self.orders.extra(order);
        sink.i64(extra.expires_at);
        sink.i64(order.created_at);
        sink.u64(extra.label);
        sink.u32(order.account);
        sink.u32(order.session);
        sink.u32(u32::from(order.fees));
        let shape =
            [order.order_type, order.time_in_force, order.self_trade_prevention, order.options];
        sink.bytes(&shape);
        sink.u8(order.marks);
        let has_more = order.marks != 0 || extra.stop_price != 0;
        sink.u8(u8::from(has_more));
        if has_more {
            sink.i64(extra.display);
            sink.i64(extra.visible);
            sink.i64(extra.stop_price);
        }
        sink.text(extra.text.as_deref().unwrap_or(""));
        sink.u8(u8::from(extra.text.is_some()));
        sink.u8(u8::from(order.has_key()));
        if order.has_key() {
            write_key(sink, &KeyEntry::of_order(order));
        }
    }

    /// The engine whose state these bytes are, and the bytes after it.
    pub fn read_state(source: &mut Source<'_>) -> Read<Self> {
        let mut engine = Self { sequence: source.u64()?, now: source.i64()?, ..Self::default() };
        engine.rules_version = source.u32()?;
        engine.parameters = Parameters {
            key_window_ns: source.i64()?,
            key_capacity: source.u64()?,
            accounts_max: source.u64()?,
            market_id: source.u64()?,
        };
        engine.trades = source.u64()?;
        for _ in 0..source.count(16)? {
            let entry = (source.u64()?, source.u64()?);
            engine.incarnations.push_back(entry);
        }
        engine.read_ledger(source)?;
        let stale = engine.ledger.grant_is_stale;
        for number in 1..=source.count(64)? as u32 {
            let mut instrument = read_instrument(source, number)?;
            if !instrument.is_removed() {
                engine.symbols.insert(instrument.symbol.clone(), number);
            }
            instrument.sides = [BookSide::new(true), BookSide::new(false)];
            engine.instruments.push(instrument);
            for side in [1, 2] {
                engine.read_side(source, number, side)?;
            }
            engine.read_waiting(source, number)?;
            engine.resume_session(number as usize - 1);
        }
        engine.relist_orders();
        engine.definitions_changed();
        engine.ledger.grant_is_stale = stale;
        for _ in 0..source.count(50)? {
            let entry = read_key(source)?;
            engine.keys.insert_finished(entry, entry.finished_at);
        }
        engine.read_exposure(source)?;
        Ok(engine)
    }

    fn read_ledger(&mut self, source: &mut Source<'_>) -> Read<()> {
        for _ in 0..source.count(8)? {
            self.ledger.assets.push(Asset {
                code: source.text()?.into(),
                scale: source.u32()?,
                deposits: source.i128()?,
                withdrawals: source.i128()?,
                fees: source.i128()?,
            });
        }
        for _ in 0..source.count(12)? {
            let (asset, amount) = (source.u32()?, source.i64()?);
            self.ledger.starting_balances.insert(asset, amount);
        }
        self.ledger.grant_is_stale = source.u8()? != 0;
        for _ in 0..source.count(16)? {
            self.ledger.grants.push(read_grant(source)?);
        }
        for _ in 0..source.count(16)? {
            let (id, name) = (source.text()?, source.text()?);
            let account = read_account(source)?;
            self.ledger.add_account(id, name, account);
        }
        Ok(())
    }

    fn read_side(&mut self, source: &mut Source<'_>, instrument: u32, side: u8) -> Read<()> {
        let count = source.count(64)?;
        if self.orders.is_empty() && count > 0 {
            self.orders = Orders::with_capacity(count);
        }
        for _ in 0..count {
            let slot = self.read_live(source, instrument, side)?;
            let book_side = &mut self.instruments[instrument as usize - 1].sides[side_index(side)];
            book_side.push(&mut self.orders, slot);
            if self.orders[slot].options & crate::wire::option::REDUCE_ONLY != 0 {
                self.note_reduce_only(slot, self.orders[slot].leaves, 1);
            }
        }
        Ok(())
    }

    /// Read a live order into the slab, with its key and expiry.
    fn read_live(&mut self, source: &mut Source<'_>, instrument: u32, side: u8) -> Read<u32> {
        let (order, extra) = read_order(source, instrument, side)?;
        if !self.ledger.exists(order.account) || order.leaves <= 0 {
            return Err(Problem::Length);
        }
        let (id, expires_at) = (order.id, extra.expires_at);
        let slot = self.orders.insert(&order, extra);
        if self.orders[slot].has_key() {
            self.keys.insert_live(&self.orders[slot], slot);
        }
        if expires_at != 0 {
            self.expiries.insert((expires_at, id));
        }
        Ok(slot)
    }

    fn read_waiting(&mut self, source: &mut Source<'_>, instrument: u32) -> Read<()> {
        for _ in 0..source.count(64)? {
            let side = source.u8()?;
            if !(1..=2).contains(&side) {
                return Err(Problem::Length);
            }
            let slot = self.read_live(source, instrument, side)?;
            self.orders[slot].level = NONE;
            self.wait_again(slot);
        }
        for _ in 0..source.count(8)? {
            let id = source.u64()?;
            if self.orders.find(id).is_none() {
                return Err(Problem::Length);
            }
            self.instruments[instrument as usize - 1].waiting.queue.push_back(id);
            self.pending.insert(instrument);
        }
        Ok(())
    }

    /// Rebuild the accounts' lists: by entry, that is by id.
    fn relist_orders(&mut self) {
        let mut slots: Vec<(u64, u32)> = self.orders.iter().map(|(slot, o)| (o.id, slot)).collect();
        slots.sort_unstable();
        for (_, slot) in slots {
            let account = self.ledger.account_mut(self.orders[slot].account);
            let previous = std::mem::replace(&mut account.last_order, slot);
            account.open_orders += 1;
            if previous == NONE {
                account.first_order = slot;
            } else {
                self.orders[previous].account_next = slot;
            }
            self.orders[slot].account_previous = previous;
            self.orders[slot].account_next = NONE;
        }
    }
}

fn read_order(source: &mut Source<'_>, instrument: u32, side: u8) -> Read<(Order, Extra)> {
    let mut extra = Extra::default();
    let mut order = Order { id: source.u64()?, price: source.i64()?, ..Order::default() };
    (order.instrument, order.side) = (instrument, side);
    order.leaves = source.i64()?;
    order.quantity = source.i64()?;
    order.filled_value = source.i128()?;
    extra.expires_at = source.i64()?;
    order.created_at = source.i64()?;
    extra.label = source.u64()?;
    order.account = source.u32()?;
    order.session = source.u32()?;
    order.fees = source.u32()? as u16;
    order.order_type = source.u8()?;
    order.time_in_force = source.u8()?;
    order.self_trade_prevention = source.u8()?;
    order.options = source.u8()?;
    order.marks = source.u8()?;
    if source.u8()? != 0 {
        extra.display = source.i64()?;
        extra.visible = source.i64()?;
        extra.stop_price = source.i64()?;
    }
    let text = source.text()?;
    extra.text = (source.u8()? != 0).then(|| text.into());
    if source.u8()? != 0 {
        let key = read_key(source)?;
        (order.key_low, order.key_high, order.key_fingerprint) =
            (key.low, key.high, key.fingerprint);
    }
    Ok((order, extra))
}

fn write_key(sink: &mut impl Sink, entry: &KeyEntry) {
    sink.u64(entry.low);
    sink.u64(entry.high);
    sink.u64(entry.fingerprint);
    sink.u64(entry.sequence);
    sink.i64(entry.finished_at);
    sink.u32(entry.account);
    sink.u32(entry.result);
    sink.u32(u32::from(entry.reason));
    sink.u8(entry.kind);
}

fn read_key(source: &mut Source<'_>) -> Read<KeyEntry> {
    Ok(KeyEntry {
        low: source.u64()?,
        high: source.u64()?,
        fingerprint: source.u64()?,
        sequence: source.u64()?,
        finished_at: source.i64()?,
        account: source.u32()?,
        result: source.u32()?,
        reason: source.u32()? as u16,
        kind: source.u8()?,
    })
}

fn write_grant(sink: &mut impl Sink, grant: &Grant) {
    sink.u64(grant.balances.len() as u64);
    for &(asset, amount) in &grant.balances {
        sink.u32(asset);
        sink.i64(amount);
    }
    sink.u64(grant.positions.len() as u64);
    for &(instrument, lots, cost) in &grant.positions {
        sink.u32(instrument);
        sink.i64(lots);
        sink.i128(cost);
    }
}

fn read_grant(source: &mut Source<'_>) -> Read<Grant> {
    let mut grant = Grant::default();
    for _ in 0..source.count(12)? {
        grant.balances.push((source.u32()?, source.i64()?));
    }
    for _ in 0..source.count(28)? {
        grant.positions.push((source.u32()?, source.i64()?, source.i128()?));
    }
    Ok(grant)
}

fn write_account(sink: &mut impl Sink, account: &Account) {
    sink.u32(account.open_orders_max);
    sink.u32(account.grant);
    sink.u8(account.account_type);
    sink.u8(account.state);
    sink.i64(account.credit);
    sink.u32(account.credits().count() as u32);
    for (asset, credit) in account.credits() {
        sink.u32(asset);
        sink.i64(credit);
    }
    sink.u32(account.balances().count() as u32);
    for balance in account.balances() {
        sink.u32(balance.asset);
        sink.i64(balance.total);
        sink.i64(balance.held);
    }
    sink.u32(account.positions().count() as u32);
    for position in account.positions() {
        sink.u32(position.instrument);
        sink.i64(position.net);
        sink.i128(position.cost);
        sink.i128(position.realised);
        sink.u64(position.version);
        sink.i64(position.open_buy);
        sink.i64(position.open_sell);
        sink.i64(position.limit);
    }
    write_guard(sink, account.guard.as_deref());
}

fn read_account(source: &mut Source<'_>) -> Read<Account> {
    let open_orders_max = source.u32()?;
    let grant = source.u32()?;
    let mut account = Account::new(source.u8()?, source.u8()?, grant);
    account.open_orders_max = open_orders_max;
    account.credit = source.i64()?;
    for _ in 0..source.u32()? {
        account.set_credit(source.u32()?, source.i64()?);
    }
    for _ in 0..source.u32()? {
        let balance = Balance { asset: source.u32()?, total: source.i64()?, held: source.i64()? };
        account.add_balance(balance);
    }
    for _ in 0..source.u32()? {
        account.add_position(Position {
            instrument: source.u32()?,
            net: source.i64()?,
            cost: source.i128()?,
            realised: source.i128()?,
            version: source.u64()?,
            open_buy: source.i64()?,
            open_sell: source.i64()?,
            limit: source.i64()?,
            reduce_only: 0,
        });
    }
    account.guard = read_guard(source)?;
    Ok(account)
}
