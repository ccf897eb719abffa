//! `FeedBoard`: the channels that somebody watches, written from events in one call per frame.

use crate::as_slice;
use crate::replica::Replica;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tradepit_core::account::Position;
use tradepit_core::feed::board::{Board, Fill, Kind, Opening, Report};
use tradepit_core::feed::channel::{Channel, Message, as_events, as_frames};
use tradepit_core::feed::tape::{Remembered, Statistics, Tick};
use tradepit_core::history::TradeView;
use tradepit_core::wire::EventHeader;
use tradepit_core::wire::Wire;

const NS: i64 = 1_000_000_000;

/// place, account, kind, order id, sequence, event
type ReportRow<'py> = (u64, u32, u8, u64, u64, Bound<'py, PyBytes>);
/// place, account, instrument, net, cost, realised, version; trade id, lots, price, time
type FillRow = (u64, u32, u32, i64, i128, i128, u64, u64, i64, i64, i64);

#[pyclass(module = "tradepit._native")]
#[derive(Default)]
pub struct FeedBoard {
    board: Board,
}

fn kind_of(name: &str, interval_s: u32) -> PyResult<Kind> {
    Ok(match name {
        "trades" => Kind::Trades,
        "prints" => Kind::Prints,
        "bbo" => Kind::Bbo,
        "book" => Kind::Book,
        "conflated_book" => Kind::ConflatedBook,
        "conflated_bbo" => Kind::ConflatedBbo,
        "orders" => Kind::Orders,
        "execution" => Kind::Execution,
        "positions" => Kind::Positions,
        "candles" if interval_s > 0 => Kind::Candles { length_ns: i64::from(interval_s) * NS },
        "statistics" => Kind::Statistics,
        "auction" => Kind::Auction,
        _ => return Err(PyValueError::new_err("no such kind of channel")),
    })
}

fn report_row<'py>(py: Python<'py>, report: &Report) -> ReportRow<'py> {
    let header = EventHeader::from_bytes(&report.event);
    let event = PyBytes::new(py, &report.event);
    (report.place, report.account, header.kind, report.order_id, header.sequence, event)
}

fn fill_row(fill: &Fill) -> FillRow {
    let Fill { place, account, position, trade_id, lots, price, time_ns } = *fill;
    let Position { instrument, net, cost, realised, version, .. } = position;
    (place, account, instrument, net, cost, realised, version, trade_id, lots, price, time_ns)
}

/// What the history remembers of the trades that a channel is made of.
fn remembered(replica: &Replica, kind: Kind, instrument: u32, untold: &[u8]) -> Remembered {
    let now_ns = replica.engine.now;
    let begin_ns = match kind {
        Kind::Candles { length_ns } => now_ns - now_ns.rem_euclid(length_ns),
        Kind::Statistics => Statistics::begin_ns(now_ns),
        _ => i64::MAX,
    };
    if !untold.is_empty() || begin_ns == i64::MAX {
        return Remembered { ticks: Vec::new(), since_ns: i64::MIN };
    }
    let counts = replica.counts.instrument(instrument);
    let most = counts.trades - counts.trades_before;
    let (trades, since_ns) = replica.history.trades_since(instrument, begin_ns, most);
    let tick = |t: &&TradeView| Tick { time_ns: t.time_ns, price: t.price, quantity: t.quantity };
    Remembered { ticks: trades.iter().map(tick).collect(), since_ns }
}

impl FeedBoard {
    fn check(&self, number: u32) -> PyResult<&Channel> {
        self.board.channel(number).ok_or_else(|| PyKeyError::new_err("the channel is not open"))
    }

    fn check_mut(&mut self, number: u32) -> PyResult<&mut Channel> {
        let closed = || PyKeyError::new_err("the channel is not open");
        self.board.channel_mut(number).ok_or_else(closed)
    }
}

#[pymethods]
impl FeedBoard {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    #[pyo3(signature = (
        replica, kind, *, instrument, account, head, window_max, interval_s = 0, untold = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "they are named where it is called")]
    fn open(
        &mut self,
        replica: &Replica,
        kind: &str,
        instrument: u32,
        account: u32,
        head: &str,
        window_max: usize,
        interval_s: u32,
        untold: Option<PyBuffer<u8>>,
    ) -> PyResult<u32> {
        let kind = kind_of(kind, interval_s)?;
        if account != 0 && !replica.engine.ledger.exists(account) {
            return Err(PyValueError::new_err("no such account"));
        }
        let untold = match &untold {
            // SAFETY: see `as_slice`.
            Some(events) => unsafe { as_slice(events)? },
            None => &[],
        };
        let remembered = remembered(replica, kind, instrument, untold);
        let opening = Opening { kind, instrument, account, head, window_max, remembered, untold };
        Ok(self.board.open(&replica.engine, &replica.counts, &opening))
    }

    fn close(&mut self, number: u32) {
        self.board.close(number);
    }

    /// Write what events changed; reports, fills and moved accounts are written elsewhere.
    #[allow(clippy::type_complexity, reason = "one record of the stub")]
    fn on_events<'py>(
        &mut self,
        py: Python<'py>,
        replica: &Replica,
        events: PyBuffer<u8>,
    ) -> PyResult<(bool, Vec<ReportRow<'py>>, Vec<FillRow>, Vec<u32>)> {
        // SAFETY: see `as_slice`.
        let found = self.board.on_events(&replica.engine, unsafe { as_slice(&events)? });
        let reports = found.reports.iter().map(|report| report_row(py, report)).collect();
        let fills = found.fills.iter().map(fill_row).collect();
        Ok((found.is_change, reports, fills, found.moved))
    }

    #[pyo3(signature = (number, data, *, place))]
    fn push(&mut self, number: u32, data: &str, place: u64) -> PyResult<u64> {
        self.check(number)?;
        Ok(self.board.push(number, place, data))
    }

    fn conflate(&mut self, replica: &Replica, number: u32) -> PyResult<()> {
        self.check(number)?;
        self.board.conflate(&replica.engine, number);
        Ok(())
    }

    /// Write the candles that have grown.
    fn write_candles(&mut self, replica: &Replica) {
        self.board.write_candles(&replica.engine);
    }

    fn snapshot<'py>(
        &self,
        py: Python<'py>,
        replica: &Replica,
        number: u32,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.check(number)?;
        Ok(PyBytes::new(py, &self.board.snapshot(&replica.engine, number)))
    }

    fn last(&self, number: u32) -> PyResult<u64> {
        Ok(self.check(number)?.last())
    }

    /// Channels with messages that are not sent, each with how many.
    fn pending(&self) -> Vec<(u32, usize)> {
        self.board.pending()
    }

    fn unsent_frames<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &as_frames(self.check(number)?.unsent())))
    }

    fn unsent_events<'py>(
        &self,
        py: Python<'py>,
        numbers: Vec<u32>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut messages: Vec<&Message> = Vec::new();
        for number in numbers {
            messages.extend(self.check(number)?.unsent());
        }
        Ok(PyBytes::new(py, &as_events(messages.into_iter())))
    }

    fn sent(&mut self, number: u32) -> PyResult<()> {
        self.check_mut(number)?.sent();
        Ok(())
    }

    fn forget(&mut self, number: u32, place: u64) -> PyResult<()> {
        self.check_mut(number)?.forget(place);
        Ok(())
    }

    fn frames_since<'py>(
        &self,
        py: Python<'py>,
        number: u32,
        seq: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let messages = self.check(number)?.since(seq);
        Ok(messages.map(|messages| PyBytes::new(py, &as_frames(messages))))
    }

    fn remembers(&self, number: u32, place: u64) -> PyResult<bool> {
        Ok(self.check(number)?.since_place(place).is_some())
    }

    fn events_since<'py>(
        &self,
        py: Python<'py>,
        numbers: Vec<u32>,
        place: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut messages: Vec<&Message> = Vec::new();
        for number in numbers {
            let since = self.check(number)?.since_place(place);
            messages.extend(since.into_iter().flatten());
        }
        Ok(PyBytes::new(py, &as_events(messages.into_iter())))
    }
}
