//! Books from order-by-order market data: many instruments and publishers, queue order kept.
//!
//! No I/O: records of 56 bytes go in (`record`), what they did comes out (`effect`), questions are
//! answered in between (`queries`). `books` applies records; `book` is one instrument of one
//! publisher, its prices kept by `prices`; `queue` holds orders and levels; `report` counts;
//! `state` saves, loads and fingerprints; `render` writes what was applied as JSON (`text`,
//! `symbols`).
//!
//! A record is wrong or right, never fatal: what is wrong is counted by kind. The book is what the
//! venue shows only between events; see `Best::in_event`.

mod book;
mod books;
mod capture;
mod changes;
mod effect;
mod prices;
mod queries;
mod queue;
mod record;
mod render;
mod report;
mod state;
mod symbols;
mod text;

pub use book::Best;
pub use books::{Applied, Books};
pub use capture::{BBO_BYTES, BboRow};
pub use effect::{EFFECT_BYTES, Effect, Kind};
pub use queries::{LevelView, OrderView};
pub use record::{RECORD_BYTES, Record, Side};
pub use render::{Steps, Style};
pub use report::{ACTIONS, CrossedPhase, Problem};
pub use state::Damaged;
pub use symbols::Symbols;
