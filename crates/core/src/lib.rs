//! Tradepit's engine: a pure function of the journal. Frames in, events out.
//!
//! No clock, no randomness, no environment, no file, no socket. Behaviour: `docs/rules.md`;
//! records: `schema/records.toml`. Map: `frame` cuts and checks journal bytes, `engine` holds the
//! state and runs commands (`keyed`, `place`, `matching`, `replace`, `cancel`, `admin`,
//! `accounts`), `book` orders prices, `ledger`
//! holds money and positions, `keys` the idempotency keys, `snapshot` writes and reads the state,
//! `history` is a bounded view of the events for reads, `feed` one for live channels, `json` writes orders for people,
//! `answers` puts them into messages, `plain` reads ordinary ones from them. `guard` bounds what accounts
//! do, `sessions` are their connections; `firms` have budgets and makers, which `assignment` gives
//! instruments to; `exposure` keeps what they reserve and `quoting` what they quote; `moments` is what
//! time brings. `mbo` is no part of the
//! engine: it rebuilds other venues' books from their order-by-order data; `session` generates such
//! data.

pub mod account;
pub mod answers;
pub mod assignment;
pub mod book;
pub mod engine;
pub mod event;
pub mod exposure;
pub mod feed;
pub mod firms;
pub mod frame;
pub mod guard;
pub mod history;
pub mod index;
pub mod json;
pub mod keys;
pub mod ledger;
pub mod mbo;
pub mod moments;
pub mod orders;
pub mod plain;
pub mod queries;
pub mod queries_firms;
pub mod session;
pub mod sessions;
pub mod snapshot;
pub mod trading_session;
pub mod waiting;
#[rustfmt::skip]
pub mod wire;

mod accounts;
mod admin;
mod ahead;
mod auction;
mod cancel;
mod feasibility;
mod iceberg;
mod keyed;
mod matching;
mod numbers;
mod place;
mod quoting;
mod replace;
mod snapshot_exposure;
mod snapshot_instruments;
#[cfg(test)]
mod trial;
