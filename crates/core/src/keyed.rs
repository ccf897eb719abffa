//! Idempotency around a command (rulebook section 3): once per key, the same answer ever after.

use crate::engine::{Done, Engine, Outcome, Record, Reject, named_order};
use crate::keys::KeyEntry;
use crate::orders::NONE;
use crate::wire::*;

impl Engine {
    /// Key rules around a command (rulebook section 3).
    #[inline(always)]
    pub(crate) fn run_keyed(
        &mut self,
        header: &CommandHeader,
        record: &Record,
        text: Option<&str>,
    ) -> Result<(), Reject> {
        let kind = CommandKind::from_number(header.kind);
        if (self.rules_version == 0) != (kind == Some(CommandKind::Genesis)) {
            return Err(RejectReason::NoGenesis.into());
        }
        let kind = kind.ok_or(RejectReason::UnknownCommand)?;
        if kind <= CommandKind::Quarantine {
            return self.run_system(kind, record);
        }
        if kind > CommandKind::CancelByKey {
            if self.rules_version < 2 {
                return Err(RejectReason::UnknownCommand.into());
            }
            if kind == CommandKind::ReserveOrderId {
                self.reserved_id = self.sequence;
                return Ok(());
            }
        }
        let is_order_command = is_order_command(header.kind);
        let scope = if is_order_command { header.account } else { 0 };
        if is_order_command && !self.is_speaker(kind, scope) {
            return Err(RejectReason::UnknownAccount.into());
        }
        if header.flags & record_flag::KEY == 0 {
            self.check_label(kind, scope, record)?;
            return self.run_timely(kind, header, record, text).map(|_| ());
        }
        if let Some(entry) = self.keys.find(&self.orders, scope, header.key_low, header.key_high) {
            return self.meet_key(&entry, kind, header, record, text);
        }
        self.check_label(kind, scope, record)?;
        if self.keys.len() as u64 >= self.parameters.key_capacity {
            return Err(RejectReason::KeysExhausted.into());
        }
        let outcome = self.run_timely(kind, header, record, text);
        self.record_key(scope, header, record, text, &outcome);
        outcome.map(|_| ())
    }

    #[inline(always)]
    fn is_speaker(&self, kind: CommandKind, account: u32) -> bool {
        let may_be_operator = matches!(
            kind,
            CommandKind::CancelOrder | CommandKind::ReplaceOrder | CommandKind::MassCancel
        );
        self.ledger.exists(account) || (account == 0 && may_be_operator)
    }

    /// A label that was cancelled before its order came refuses the order.
    #[inline(always)]
    fn check_label(&self, kind: CommandKind, scope: u32, record: &Record) -> Result<(), Reject> {
        if kind == CommandKind::PlaceOrder {
            let label = PlaceOrder::from_bytes(record).label;
            if label != 0 && self.keys.find_tombstone(&self.orders, scope, label).is_some() {
                return Err(RejectReason::CancelledBeforeArrival.into());
            }
        }
        Ok(())
    }

    #[cold]
    fn meet_key(
        &mut self,
        entry: &KeyEntry,
        kind: CommandKind,
        header: &CommandHeader,
        record: &Record,
        text: Option<&str>,
    ) -> Result<(), Reject> {
        if entry.is_tombstone() {
            return Err(match kind {
                CommandKind::PlaceOrder => RejectReason::CancelledBeforeArrival.into(),
                _ => RejectReason::KeyReused.into(),
            });
        }
        if entry.fingerprint != fingerprint(record, text) {
            return Err(RejectReason::KeyReused.into());
        }
        let placed = kind == CommandKind::PlaceOrder && entry.reason == 0;
        let order_id = if placed { entry.sequence } else { named_order(header.kind, record) };
        self.output.push(&CommandRepeated {
            kind: EventKind::CommandRepeated as u8,
            status: header.kind,
            sequence: self.sequence,
            account: header.account,
            instrument: header.instrument,
            reason: u32::from(entry.reason),
            original_sequence: entry.sequence,
            order_id,
            original_result: i64::from(entry.result),
            ..Default::default()
        });
        Ok(())
    }

    #[inline(always)]
    fn record_key(
        &mut self,
        scope: u32,
        header: &CommandHeader,
        record: &Record,
        text: Option<&str>,
        outcome: &Outcome,
    ) {
        let (reason, done) = match outcome {
            Ok(done) => (0, *done),
            Err(reject) if reject.reason == RejectReason::StaleDefinition => return,
            // Nothing is recorded for a tombstone that found no room.
            Err(reject) if reject.reason == RejectReason::KeysExhausted => return,
            Err(reject) => (reject.reason as u16, Done::default()),
        };
        let fingerprint = fingerprint(record, text);
        let slot = done.resting;
        if slot != NONE {
            let order = &mut self.orders[slot];
            order.key_low = header.key_low;
            order.key_high = header.key_high;
            order.key_fingerprint = fingerprint;
            self.keys.insert_live(order, slot);
            return;
        }
        let entry = KeyEntry {
            low: header.key_low,
            high: header.key_high,
            fingerprint,
            sequence: self.sequence,
            finished_at: self.now,
            account: scope,
            result: done.result,
            reason,
            kind: header.kind,
        };
        self.keys.insert_finished(entry, self.now);
    }
}

/// Does the key of a command of this kind belong to its account, not to the operator?
#[inline(always)]
const fn is_order_command(kind: u8) -> bool {
    kind >= CommandKind::PlaceOrder as u8 && kind < CommandKind::DefineFirm as u8
}

/// Hash of what a command asks for: equal for the same command sent again, never 0.
///
/// Part of the state, so the algorithm is fixed for this rules version: a multiply-fold over the
/// record's twelve words, without the words and fields that section 3 of the rulebook leaves out.
#[inline]
fn fingerprint(record: &Record, text: Option<&str>) -> u64 {
    const SEED: u64 = 0xa076_1d64_78bd_642f;
    const STEP: u64 = 0xe703_7ed1_a0b4_28db;
    const ACCOUNT: u64 = 0xffff_ffff;
    let (words, _) = record.as_chunks::<8>();
    let word = |i: usize| u64::from_le_bytes(words[i]);
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(STEP) + u128::from(word);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let kind = record[0];
    let is_order_command = is_order_command(kind);
    let mut hash = fold(SEED, word(0) & !0xff00);
    hash = fold(hash, if is_order_command { word(1) & !ACCOUNT } else { word(1) });
    hash = fold(hash, word(4).rotate_left(17));
    for i in 5..12 {
        let skipped = (kind == CommandKind::PlaceOrder as u8 && i == 10)
            || (kind == CommandKind::ReplaceOrder as u8 && i == 8)
            || (kind == CommandKind::Quote as u8 && i == 10)
            || (kind == CommandKind::Reserve as u8 && i == 8);
        if !skipped {
            hash = fold(hash, word(i).wrapping_add(i as u64));
        }
    }
    if let Some(text) = text
        && !text.is_empty()
    {
        hash = fold(hash, xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
    }
    hash.max(1)
}
