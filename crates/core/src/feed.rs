//! Live feeds: what the engine's events changed, counted and written for those who watch.
//!
//! `changes` reads events in one pass and tells an `Observer` about orders, levels, trades and
//! reports, in an order in which a book is never crossed. Two observers hear the same: `counts`
//! numbers the messages of every channel, watched or not, and `board` writes those that somebody
//! watches into its `channel`s, candles and statistics with the help of `tape`. A view of the events like the history: no part of the state hash.

pub mod auction;
pub mod board;
pub mod changes;
pub mod channel;
pub mod counts;
pub mod tape;
mod texts;
