//! Read-only questions to the engine, in terms that the door can hand over.

use crate::account::{Balance, Position};
use crate::engine::{Engine, side_index};
use crate::history::{OrderView, Special};
use crate::matching::status_of;
use crate::orders::NONE;
use crate::wire::OrderStatus;

impl Engine {
    /// (price, quantity, orders) of the best levels of a side.
    pub fn depth(&self, instrument: u32, side: u8, levels: usize) -> Vec<(i64, i128, u32)> {
        let Some(instrument) = self.instruments.get((instrument as usize).wrapping_sub(1)) else {
            return Vec::new();
        };
        let side = &instrument.sides[side_index(side)];
        side.levels()
            .take(levels)
            .map(|level| (level.price, level.quantity, level.orders))
            .collect()
    }

    /// (order id, price, lots that it shows, account) in priority order.
    pub fn queue(&self, instrument: u32, side: u8, limit: usize) -> Vec<(u64, i64, i64, u32)> {
        let Some(instrument) = self.instruments.get((instrument as usize).wrapping_sub(1)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for level in instrument.sides[side_index(side)].levels() {
            let mut slot = level.head;
            while slot != NONE {
                if found.len() == limit {
                    return found;
                }
                let order = &self.orders[slot];
                found.push((order.id, order.price, self.orders.visible(slot), order.account));
                slot = order.next;
            }
        }
        found
    }

    /// Quantity that is shown and orders before a resting order at its price; `None` for one that
    /// waits.
    pub fn queue_ahead(&self, order_id: u64) -> Option<(i128, u64)> {
        let slot = self.orders.find(order_id)?;
        let order = &self.orders[slot];
        if order.waits() {
            return None;
        }
        let side = &self.instruments[order.instrument as usize - 1].sides[side_index(order.side)];
        Some(side.ahead(&self.orders, slot))
    }

    /// A live order, as far as the engine itself knows it.
    pub fn live_order(&self, order_id: u64) -> Option<OrderView> {
        let slot = self.orders.find(order_id)?;
        let order = &self.orders[slot];
        let extra = self.orders.extra(order);
        let special = (extra.display | extra.stop_price != 0).then(|| {
            Box::new(Special {
                display_quantity: extra.display,
                stop_price: extra.stop_price,
                first_stop_price: extra.stop_price,
                first_options: order.options,
            })
        });
        Some(OrderView {
            id: order.id,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.self_trade_prevention,
            options: order.options,
            status: status_of(order) as u8,
            price: order.price,
            quantity: order.quantity,
            leaves: order.leaves,
            filled: order.filled(),
            filled_value: order.filled_value,
            expires_at: extra.expires_at,
            created_at: order.created_at,
            updated_at: order.created_at,
            first_quantity: order.quantity,
            text: extra.text.clone(),
            special,
            ..OrderView::default()
        })
    }

    /// Where the stop of a waiting order is now; `None` for an order that does not wait.
    pub fn current_stop(&self, order_id: u64) -> Option<i64> {
        let order = &self.orders[self.orders.find(order_id)?];
        order.waits().then(|| self.orders.extra(order).stop_price)
    }

    /// Ids of live orders, newest first.
    pub fn live_order_ids(&self, account: u32) -> Vec<u64> {
        let mut ids: Vec<u64> = match account {
            0 => self.orders.iter().map(|(_, order)| order.id).collect(),
            _ => self.account_orders(account).map(|slot| self.orders[slot].id).collect(),
        };
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids
    }

    /// The order that came with this key or label, if it still rests or its key is remembered.
    pub fn order_of_client_id(&self, account: u32, client_order_id: &str) -> Option<u64> {
        let hash = xxhash_rust::xxh3::xxh3_128(client_order_id.as_bytes());
        let (low, high) = (hash as u64, (hash >> 64) as u64);
        if let Some(entry) = self.keys.find(&self.orders, account, low, high) {
            let placed =
                entry.kind == crate::wire::CommandKind::PlaceOrder as u8 && entry.reason == 0;
            return placed.then_some(entry.sequence);
        }
        self.labelled_order(account, low).map(|slot| self.orders[slot].id)
    }

    /// Balances that were touched or given at the start, by asset.
    pub fn balances(&self, account: u32) -> Vec<Balance> {
        let entry = self.ledger.account(account);
        let mut assets: Vec<u32> = entry.balances().map(|b| b.asset).collect();
        if entry.grant != NONE {
            assets.extend(
                self.ledger.grants[entry.grant as usize].balances.iter().map(|(asset, _)| *asset),
            );
        }
        assets.sort_unstable();
        assets.dedup();
        assets.into_iter().map(|asset| self.ledger.balance(account, asset)).collect()
    }

    /// Positions that were touched or given at the start, by instrument.
    pub fn positions(&self, account: u32) -> Vec<Position> {
        let entry = self.ledger.account(account);
        let mut instruments: Vec<u32> = entry.positions().map(|p| p.instrument).collect();
        if entry.grant != NONE {
            instruments.extend(
                self.ledger.grants[entry.grant as usize].positions.iter().map(|(i, ..)| *i),
            );
        }
        instruments.sort_unstable();
        instruments.dedup();
        instruments
            .into_iter()
            .map(|instrument| self.ledger.position(account, instrument))
            .collect()
    }

    /// Deposits, withdrawals, sum of all balances (counted now), fees.
    pub fn asset_totals(&self, asset: u32) -> (i128, i128, i128, i128) {
        let a = &self.ledger.assets[asset as usize - 1];
        let accounts = 1..=self.ledger.accounts.len() as u32;
        let sum =
            accounts.map(|account| i128::from(self.ledger.balance(account, asset).total)).sum();
        (a.deposits, a.withdrawals, sum, a.fees)
    }
}

/// Is an order of this status still open?
pub const fn is_open(status: u8) -> bool {
    status == OrderStatus::New as u8 || status == OrderStatus::PartiallyFilled as u8
}
