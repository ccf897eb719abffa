//! Sessions of accounts, held by the node whose connection they are (section 16).
//!
//! A lease is not renewed session by session: the market time that its holder's last frame reached
//! stands once for all that the holder has.

use crate::engine::{Done, Engine, Outcome};
use crate::moments::{Class, Timer};
use crate::wire::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How long a session outlives the last frame of its holder.
pub const LEASE_NS: i64 = 5_000_000_000;
/// Sessions of one account.
const SESSIONS_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 64;

/// Is this a name of a session or a maker?
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| (0x21..=0x7e).contains(&b))
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub account: u32,
    pub name: Box<str>,
    /// Its orders are cancelled when it ends.
    pub cancels: bool,
    /// Sequence of the BIND_SESSION that holds.
    pub binding: u64,
    /// Incarnation of the node whose connection it is.
    pub holder: u64,
}

/// A writer of frames that holds sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holder {
    /// Market time that its last frame reached.
    pub seen_at: i64,
    /// (account, session).
    sessions: BTreeSet<(u32, u32)>,
}

#[derive(Default)]
pub struct Sessions {
    /// The number given last.
    pub(crate) last_number: u32,
    by_number: HashMap<u32, Session>,
    /// By account, then name.
    numbers: BTreeMap<u32, BTreeMap<Box<str>, u32>>,
    pub(crate) holders: BTreeMap<u64, Holder>,
}

impl Sessions {
    /// A frame of this writer reached this market time: its sessions live on.
    #[inline(always)]
    pub fn seen(&mut self, incarnation: u64, now: i64) {
        if let Some(holder) = self.holders.get_mut(&incarnation) {
            holder.seen_at = now;
        }
    }

    /// Is this a live session of the account?
    pub fn is_live(&self, account: u32, session: u32) -> bool {
        self.by_number.get(&session).is_some_and(|session| session.account == account)
    }

    /// An account's sessions by name.
    pub fn of_account(&self, account: u32) -> impl Iterator<Item = (u32, &Session)> {
        let numbers = self.numbers.get(&account).into_iter().flat_map(BTreeMap::values);
        numbers.map(|number| (*number, &self.by_number[number]))
    }

    /// Market time that the last frame of a holder of sessions reached.
    pub(crate) fn seen_at(&self, holder: u64) -> i64 {
        self.holders[&holder].seen_at
    }

    /// All sessions by number.
    pub(crate) fn in_order(&self) -> Vec<(u32, &Session)> {
        let mut all: Vec<_> = self.by_number.iter().map(|(&number, s)| (number, s)).collect();
        all.sort_unstable_by_key(|&(number, _)| number);
        all
    }

    /// The session whose lease ends next, if no further frame comes.
    pub(crate) fn first_due(&self) -> Option<Timer> {
        let due = |holder: &Holder| {
            let &(account, session) = holder.sessions.first().expect("a holder holds sessions");
            (holder.seen_at + LEASE_NS, Class::Session, account, session)
        };
        self.holders.values().map(due).min()
    }

    /// The number for a session of this name: its own, or the next one.
    fn number_for(&self, account: u32, name: &str) -> Result<u32, RejectReason> {
        let names = self.numbers.get(&account);
        if let Some(&number) = names.and_then(|names| names.get(name)) {
            return Ok(number);
        }
        let has_room = names.is_none_or(|names| names.len() < SESSIONS_MAX);
        self.last_number.checked_add(1).filter(|_| has_room).ok_or(RejectReason::TooManySessions)
    }

    /// Bind a session, new or known; its holder was seen at this market time.
    pub(crate) fn bind(&mut self, number: u32, session: Session, seen_at: i64) {
        self.remove(number);
        let account = session.account;
        self.last_number = self.last_number.max(number);
        self.numbers.entry(account).or_default().insert(session.name.clone(), number);
        let holder = self.holders.entry(session.holder).or_default();
        holder.seen_at = seen_at;
        holder.sessions.insert((account, number));
        self.by_number.insert(number, session);
    }

    fn remove(&mut self, number: u32) -> Option<Session> {
        let session = self.by_number.remove(&number)?;
        let names = self.numbers.get_mut(&session.account).expect("its account has sessions");
        names.remove(&session.name);
        if names.is_empty() {
            self.numbers.remove(&session.account);
        }
        let holder = self.holders.get_mut(&session.holder).expect("it has a holder");
        holder.sessions.remove(&(session.account, number));
        if holder.sessions.is_empty() {
            self.holders.remove(&session.holder);
        }
        Some(session)
    }
}

impl Engine {
    pub(crate) fn bind_session(&mut self, account: u32, mode: u8, name: &str) -> Outcome {
        if !is_name(name) {
            return Err(RejectReason::InvalidName.into());
        }
        if mode > 1 {
            return Err(RejectReason::InvalidCombination.into());
        }
        let number = self.sessions.number_for(account, name)?;
        let (binding, holder) = (self.sequence, self.incarnation);
        let session = Session { account, name: name.into(), cancels: mode == 1, binding, holder };
        self.sessions.bind(number, session, self.now);
        self.next_due = self.next_due.min(self.now + LEASE_NS);
        self.output.push(&SessionBound {
            kind: EventKind::SessionBound as u8,
            flags: record_flag::TEXT,
            status: mode,
            sequence: self.sequence,
            account,
            session: number,
            binding,
            ..Default::default()
        });
        self.output.push_text(name);
        Ok(Done::default())
    }

    pub(crate) fn end_session(&mut self, account: u32, c: &EndSession) -> Outcome {
        let session = self.sessions.by_number.get(&c.session);
        if session.is_none_or(|s| s.account != account || s.binding != c.binding) {
            return Err(RejectReason::UnknownSession.into());
        }
        self.finish_session(c.session, EndReason::Requested);
        Ok(Done::default())
    }

    /// A lease is over.
    pub(crate) fn session_lapses(&mut self, session: u32) {
        self.finish_session(session, EndReason::Lapsed);
    }

    fn finish_session(&mut self, number: u32, reason: EndReason) {
        let session = self.sessions.remove(number).expect("a live session");
        let mut slots = Vec::new();
        if session.cancels {
            slots = self.matching_orders(session.account, 0, 0);
            slots.retain(|&slot| self.orders[slot].session == number);
            self.cancel_all(&slots, CloseReason::Disconnect);
        }
        self.output.push(&SessionEnded {
            kind: EventKind::SessionEnded as u8,
            status: reason as u8,
            sequence: self.sequence,
            account: session.account,
            session: number,
            count: slots.len() as u64,
            ..Default::default()
        });
    }
}

#[cfg(test)]
mod tests;
