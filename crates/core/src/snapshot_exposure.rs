//! The part of the state that guards accounts and makes markets: guards, sessions, firms,
//! reservations and quotes. Sums, timers and lists by name are rebuilt when reading.

use crate::engine::Engine;
use crate::exposure::{Exposure, QuoteSide};
use crate::firms::{Firm, Maker};
use crate::frame::Problem;
use crate::guard::{Guard, GuardCounters, GuardSettings, Run};
use crate::moments::Class;
use crate::sessions::Session;
use crate::snapshot::{Read, Sink, Source};

/// Fewest bytes that a guard's bound, a session, a firm and so on take.
const BOUND_BYTES: usize = 20;
const HOLDER_BYTES: usize = 16;
const SESSION_BYTES: usize = 29;
const FIRM_BYTES: usize = 56;
const MAKER_BYTES: usize = 24;
const OWNER_BYTES: usize = 8;
const EXPOSURE_BYTES: usize = 101;

pub(crate) fn write_guard(sink: &mut impl Sink, guard: Option<&Guard>) {
    sink.u8(u8::from(guard.is_some()));
    let Some(guard) = guard else { return };
    sink.u64(guard.order_limits.len() as u64);
    for (&instrument, &(quantity_max, value_max)) in &guard.order_limits {
        sink.u32(instrument);
        sink.i64(quantity_max);
        sink.i64(value_max);
    }
    let GuardSettings { messages_max, repeats_max, window_ns, traded_max, traded_asset } =
        guard.settings;
    sink.u32(messages_max);
    sink.u32(repeats_max);
    sink.i64(window_ns);
    sink.i64(traded_max);
    sink.u32(traded_asset);
    let GuardCounters { second, messages, run, traded_window, traded } = guard.counters;
    sink.i64(second);
    sink.u64(messages);
    sink.i64(traded_window);
    sink.i128(traded);
    sink.u8(u8::from(run.is_some()));
    if let Some(run) = run {
        write_run(sink, &run);
    }
    sink.i64(guard.dead_man_at);
}

fn write_run(sink: &mut impl Sink, run: &Run) {
    sink.u32(run.instrument);
    sink.u8(run.side);
    sink.u8(run.order_type);
    sink.i64(run.quantity);
    sink.i64(run.price);
    sink.i64(run.window);
    sink.u64(run.number);
}

pub(crate) fn read_guard(source: &mut Source<'_>) -> Read<Option<Box<Guard>>> {
    if source.u8()? == 0 {
        return Ok(None);
    }
    let mut guard = Guard::default();
    for _ in 0..source.count(BOUND_BYTES)? {
        guard.order_limits.insert(source.u32()?, (source.i64()?, source.i64()?));
    }
    guard.settings = GuardSettings {
        messages_max: source.u32()?,
        repeats_max: source.u32()?,
        window_ns: source.i64()?,
        traded_max: source.i64()?,
        traded_asset: source.u32()?,
    };
    guard.counters = GuardCounters {
        second: source.i64()?,
        messages: source.u64()?,
        traded_window: source.i64()?,
        traded: source.i128()?,
        run: None,
    };
    if source.u8()? != 0 {
        guard.counters.run = Some(read_run(source)?);
    }
    guard.dead_man_at = source.i64()?;
    Ok(Some(Box::new(guard)))
}

fn read_run(source: &mut Source<'_>) -> Read<Run> {
    Ok(Run {
        instrument: source.u32()?,
        side: source.u8()?,
        order_type: source.u8()?,
        quantity: source.i64()?,
        price: source.i64()?,
        window: source.i64()?,
        number: source.u64()?,
    })
}

impl Engine {
    /// Sessions, firms, reservations and quotes.
    pub(crate) fn write_exposure(&self, sink: &mut impl Sink) {
        self.write_sessions(sink);
        let firms = self.firms.iter();
        sink.u64(firms.len() as u64);
        for (account, firm) in firms {
            sink.u32(account);
            write_firm(sink, firm);
        }
        let exposures = self.exposures.iter();
        sink.u64(exposures.len() as u64);
        for (&(account, instrument), exposure) in exposures {
            sink.u32(account);
            sink.u32(instrument);
            write_exposed(sink, exposure);
        }
    }

    /// What `write_exposure` wrote; instruments, orders and accounts are there already.
    pub(crate) fn read_exposure(&mut self, source: &mut Source<'_>) -> Read<()> {
        self.rewind_dead_men();
        self.read_sessions(source)?;
        for _ in 0..source.count(FIRM_BYTES)? {
            let account = self.read_account_number(source)?;
            let firm = read_firm(source)?;
            for (&number, maker) in &firm.makers {
                self.arm(maker.lease_until, Class::MakerLease, account, number);
            }
            self.firms.insert(account, firm);
        }
        for _ in 0..source.count(EXPOSURE_BYTES)? {
            let (account, instrument) = (self.read_account_number(source)?, source.u32()?);
            let exposure = read_exposed(source)?;
            let index = (instrument as usize).wrapping_sub(1);
            let entry = self.instruments.get(index).ok_or(Problem::Length)?;
            let may_hold = self.firms.get(account).is_some() && entry.units().is_some();
            if exposure.granted != [0; 2] && !may_hold {
                return Err(Problem::Length);
            }
            self.set_exposure(account, instrument, Some(exposure));
        }
        Ok(())
    }

    fn read_account_number(&self, source: &mut Source<'_>) -> Read<u32> {
        let account = source.u32()?;
        if self.ledger.exists(account) { Ok(account) } else { Err(Problem::Length) }
    }

    fn rewind_dead_men(&mut self) {
        for account in 1..=self.ledger.accounts.len() as u32 {
            let guard = self.ledger.account(account).guard.as_ref();
            let due = guard.map_or(0, |guard| guard.dead_man_at);
            if due != 0 {
                self.arm(due, Class::DeadMan, account, 0);
            }
        }
    }

    fn write_sessions(&self, sink: &mut impl Sink) {
        let holders = &self.sessions.holders;
        sink.u32(self.sessions.last_number);
        sink.u64(holders.len() as u64);
        for (&incarnation, holder) in holders {
            sink.u64(incarnation);
            sink.i64(holder.seen_at);
        }
        let sessions = self.sessions.in_order();
        sink.u64(sessions.len() as u64);
        for (number, session) in sessions {
            sink.u32(number);
            sink.u32(session.account);
            sink.text(&session.name);
            sink.u8(u8::from(session.cancels));
            sink.u64(session.binding);
            sink.u64(session.holder);
        }
    }

    fn read_sessions(&mut self, source: &mut Source<'_>) -> Read<()> {
        let last_number = source.u32()?;
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..source.count(HOLDER_BYTES)? {
            seen.insert(source.u64()?, source.i64()?);
        }
        for _ in 0..source.count(SESSION_BYTES)? {
            let number = source.u32()?;
            let session = Session {
                account: self.read_account_number(source)?,
                name: source.text()?.into(),
                cancels: source.u8()? != 0,
                binding: source.u64()?,
                holder: source.u64()?,
            };
            let seen_at = *seen.get(&session.holder).ok_or(Problem::Length)?;
            self.sessions.bind(number, session, seen_at);
        }
        self.sessions.last_number = last_number;
        Ok(())
    }
}

fn write_firm(sink: &mut impl Sink, firm: &Firm) {
    sink.i64(firm.budgets[0]);
    sink.i64(firm.budgets[1]);
    sink.i64(firm.position_limit);
    sink.i64(firm.lease_ns);
    sink.u32(firm.last_maker);
    sink.u64(firm.makers.len() as u64);
    for (&number, maker) in &firm.makers {
        sink.u32(number);
        sink.text(&maker.name);
        sink.u64(maker.epoch);
        sink.i64(maker.lease_until);
    }
    sink.u64(firm.owners.len() as u64);
    for (&instrument, &owner) in &firm.owners {
        sink.u32(instrument);
        sink.u32(owner);
    }
}

fn read_firm(source: &mut Source<'_>) -> Read<Firm> {
    let mut firm = Firm {
        budgets: [source.i64()?, source.i64()?],
        position_limit: source.i64()?,
        lease_ns: source.i64()?,
        last_maker: source.u32()?,
        ..Firm::default()
    };
    for _ in 0..source.count(MAKER_BYTES)? {
        let number = source.u32()?;
        let name = source.text()?.into();
        let maker = Maker { name, epoch: source.u64()?, lease_until: source.i64()? };
        firm.makers.insert(number, maker);
    }
    for _ in 0..source.count(OWNER_BYTES)? {
        firm.owners.insert(source.u32()?, source.u32()?);
    }
    Ok(firm)
}

fn write_exposed(sink: &mut impl Sink, exposure: &Exposure) {
    sink.i64(exposure.expires_at);
    sink.u32(exposure.maker);
    sink.u8(exposure.status);
    for lots in exposure.requested.into_iter().chain(exposure.granted) {
        sink.i64(lots);
    }
    for side in exposure.quote {
        sink.i64(side.price);
        sink.i64(side.quantity);
        sink.u64(side.order_id);
    }
}

fn read_exposed(source: &mut Source<'_>) -> Read<Exposure> {
    let mut exposure = Exposure {
        expires_at: source.i64()?,
        maker: source.u32()?,
        status: source.u8()?,
        requested: [source.i64()?, source.i64()?],
        granted: [source.i64()?, source.i64()?],
        ..Exposure::default()
    };
    for side in &mut exposure.quote {
        *side =
            QuoteSide { price: source.i64()?, quantity: source.i64()?, order_id: source.u64()? };
    }
    Ok(exposure)
}
