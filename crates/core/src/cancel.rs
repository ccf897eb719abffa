//! Cancels: one order, many, by key.

use crate::engine::{Done, Engine, Outcome};
use crate::keys::KeyEntry;
use crate::orders::NONE;
use crate::wire::*;

impl Engine {
    /// The live order that `account` may touch; 0 = operator, who may touch any.
    #[inline]
    pub(crate) fn own_order(&self, account: u32, order_id: u64) -> Result<u32, RejectReason> {
        let slot = self.orders.find(order_id).ok_or(RejectReason::UnknownOrder)?;
        if account != 0 && self.orders[slot].account != account {
            return Err(RejectReason::UnknownOrder);
        }
        Ok(slot)
    }

    pub(crate) fn cancel_order(&mut self, account: u32, order_id: u64) -> Outcome {
        let slot = self.own_order(account, order_id)?;
        self.close_live(slot, OrderStatus::Cancelled, CloseReason::Requested);
        Ok(Done::default())
    }

    pub(crate) fn mass_cancel(&mut self, header: &CommandHeader) -> Outcome {
        if header.instrument != 0 {
            self.known_instrument(header.instrument)?;
        }
        let slots = self.matching_orders(header.account, header.instrument, header.side);
        self.cancel_all(&slots, CloseReason::MassCancel);
        self.push_mass_cancelled(header.account, header.instrument, header.side, slots.len());
        Ok(Done { resting: NONE, result: slots.len() as u32 })
    }

    /// Live orders by id; 0 = any account, instrument, side.
    pub(crate) fn matching_orders(&self, account: u32, instrument: u32, side: u8) -> Vec<u32> {
        let wanted = |slot: &u32| {
            let order = &self.orders[*slot];
            (instrument == 0 || order.instrument == instrument) && (side == 0 || order.side == side)
        };
        if account != 0 {
            // The account's list is by entry, that is by id.
            return self.account_orders(account).filter(wanted).collect();
        }
        let mut slots: Vec<u32> = self.orders.iter().map(|(slot, _)| slot).filter(wanted).collect();
        slots.sort_unstable_by_key(|&slot| self.orders[slot].id);
        slots
    }

    /// Slots of the account's live orders, oldest first.
    pub fn account_orders(&self, account: u32) -> impl Iterator<Item = u32> {
        let first = self.ledger.account(account).first_order;
        let first = (first != NONE).then_some(first);
        std::iter::successors(first, |&slot| {
            let next = self.orders[slot].account_next;
            (next != NONE).then_some(next)
        })
    }

    pub(crate) fn cancel_all(&mut self, slots: &[u32], reason: CloseReason) {
        for &slot in slots {
            self.close_live(slot, OrderStatus::Cancelled, reason);
        }
    }

    pub(crate) fn push_mass_cancelled(
        &mut self,
        account: u32,
        instrument: u32,
        side: u8,
        count: usize,
    ) {
        self.output.push(&MassCancelled {
            kind: EventKind::MassCancelled as u8,
            side,
            sequence: self.sequence,
            account,
            instrument,
            count: count as u64,
            ..Default::default()
        });
    }

    pub(crate) fn cancel_by_key(
        &mut self,
        header: &CommandHeader,
        command: &CancelByKey,
    ) -> Outcome {
        let (account, low, high) = (header.account, command.target_low, command.target_high);
        let has_key = header.flags & record_flag::KEY != 0;
        if has_key && (low, high) == (header.key_low, header.key_high) {
            // It would leave two entries under one key.
            return Err(RejectReason::InvalidCombination.into());
        }
        let target = match self.keys.find(&self.orders, account, low, high) {
            Some(entry) if entry.is_live() => self.orders.find(entry.sequence),
            Some(_) => None,
            None => {
                let labelled = self.labelled_order(account, low);
                if labelled.is_none() {
                    self.leave_tombstone(account, low, high, usize::from(has_key))?;
                }
                labelled
            }
        };
        if let Some(slot) = target {
            self.close_live(slot, OrderStatus::Cancelled, CloseReason::Requested);
        }
        let count = usize::from(target.is_some());
        self.push_mass_cancelled(account, 0, 0, count);
        Ok(Done { resting: NONE, result: count as u32 })
    }

    /// The account's oldest live order with this label.
    pub(crate) fn labelled_order(&self, account: u32, label: u64) -> Option<u32> {
        let is_it = |&slot: &u32| self.orders.extra(&self.orders[slot]).label == label;
        self.account_orders(account).find(is_it).filter(|_| label != 0)
    }

    fn leave_tombstone(
        &mut self,
        account: u32,
        low: u64,
        high: u64,
        own: usize,
    ) -> Result<(), RejectReason> {
        if (self.keys.len() + own) as u64 >= self.parameters.key_capacity {
            return Err(RejectReason::KeysExhausted);
        }
        let entry = KeyEntry {
            low,
            high,
            sequence: self.sequence,
            account,
            kind: CommandKind::CancelByKey as u8,
            ..KeyEntry::default()
        };
        self.keys.insert_finished(entry, self.now);
        self.output.push(&KeyTombstoned {
            kind: EventKind::KeyTombstoned as u8,
            sequence: self.sequence,
            account,
            target_low: low,
            target_high: high,
            ..Default::default()
        });
        Ok(())
    }
}
