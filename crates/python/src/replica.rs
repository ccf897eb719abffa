//! `Replica`: an engine and its bounded history, fed by frames.

use crate::tuples::{FillRow, PositionRow, fill_row, order_tuple, position_row, trade_tuple};
use crate::{Applied, EnginePanicked, FrameError, as_slice, firms, phases};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tradepit_core::answers;
use tradepit_core::engine::{ApplyError, Engine};
use tradepit_core::feed::counts::Counts;
use tradepit_core::frame::Problem;
use tradepit_core::history::{History, OrderView};
use tradepit_core::json::Renderer;
use tradepit_core::plain;
use tradepit_core::queries::is_open;
use tradepit_core::snapshot::{Sink, Source};
use tradepit_core::wire::{OrderStatus, Wire};

/// From this many bytes on the GIL is released; below, giving it up costs more than it frees.
const DETACH_BYTES_MIN: usize = 64 << 10;
const SNAPSHOT_MAGIC: u64 = 0x3450_414e_5350_5454; // "TTPSNAP4"

#[pyclass(module = "tradepit._native")]
pub struct Replica {
    pub(crate) engine: Engine,
    pub(crate) history: History,
    pub(crate) counts: Counts,
}

fn frame_error(error: ApplyError) -> PyErr {
    let text = match error {
        ApplyError::Malformed { offset, problem } => format!("{} at byte {offset}", problem.name()),
        ApplyError::SequenceGap { expected, found } => {
            format!("expected sequence {expected}, found {found}")
        }
        ApplyError::UnsupportedRules { version } => {
            format!("rules version {version} is not known here")
        }
    };
    FrameError::new_err(text)
}

/// The bytes before the checksum that ends a snapshot.
fn check_sum(bytes: &[u8]) -> Result<&[u8], Problem> {
    let (body, sum) = bytes.split_last_chunk().ok_or(Problem::Short)?;
    if crc32fast::hash(body) == u32::from_le_bytes(*sum) { Ok(body) } else { Err(Problem::Crc) }
}

fn snapshot_error(problem: Problem) -> PyErr {
    PyValueError::new_err(format!("not a snapshot: {}", problem.name()))
}

impl Replica {
    /// Apply frames and take their events into the history; a panic becomes an error.
    fn run(&mut self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        let mut work = || {
            let result = self.engine.apply(bytes);
            // Frames before a bad one were applied: their events count.
            self.history.absorb(&self.engine.output);
            self.counts.absorb(&self.engine.output);
            result
        };
        let run =
            |work: &mut dyn FnMut() -> Result<(), ApplyError>| catch_unwind(AssertUnwindSafe(work));
        let caught = if bytes.len() < DETACH_BYTES_MIN {
            run(&mut work)
        } else {
            py.detach(|| catch_unwind(AssertUnwindSafe(&mut work)))
        };
        match caught {
            Ok(result) => result.map_err(frame_error),
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                    .unwrap_or_else(|| "unknown panic".into());
                Err(EnginePanicked::new_err((text, self.engine.sequence)))
            }
        }
    }

    fn view(&self, order_id: u64) -> Option<OrderView> {
        self.history.order(order_id).cloned().or_else(|| self.engine.live_order(order_id))
    }

    fn check_account(&self, account: u32) -> PyResult<()> {
        if self.engine.ledger.exists(account) {
            return Ok(());
        }
        Err(PyValueError::new_err("no such account"))
    }
}

#[pymethods]
impl Replica {
    #[new]
    #[pyo3(signature = (*, history_orders = 200_000, history_trades = 250_000))]
    fn new(history_orders: usize, history_trades: usize) -> Self {
        let history = History::new(history_orders, history_trades);
        Self { engine: Engine::default(), history, counts: Counts::default() }
    }

    #[staticmethod]
    #[pyo3(signature = (snapshot, *, history_orders = 200_000, history_trades = 250_000))]
    fn restore(
        py: Python<'_>,
        snapshot: PyBuffer<u8>,
        history_orders: usize,
        history_trades: usize,
    ) -> PyResult<Self> {
        // SAFETY: see `as_slice`.
        let bytes = unsafe { as_slice(&snapshot)? };
        py.detach(|| {
            let mut source = Source::new(check_sum(bytes)?);
            if source.u64()? != SNAPSHOT_MAGIC {
                return Err(Problem::Magic);
            }
            let engine = Engine::read_state(&mut source)?;
            let history = History::read(&mut source, history_orders, history_trades)?;
            let counts = Counts::read(&mut source)?;
            if source.rest().is_empty() {
                Ok(Self { engine, history, counts })
            } else {
                Err(Problem::Length)
            }
        })
        .map_err(snapshot_error)
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| {
            let mut sink = Vec::with_capacity(64 << 20);
            sink.u64(SNAPSHOT_MAGIC);
            self.engine.write_state(&mut sink);
            self.history.write(&mut sink);
            self.counts.write(&mut sink);
            sink.u32(crc32fast::hash(&sink));
            sink
        });
        PyBytes::new(py, &bytes)
    }

    fn state_hash(&self, py: Python<'_>) -> String {
        py.detach(|| self.engine.state_hash())
    }

    fn quarantine(&mut self, sequence: u64) {
        self.engine.quarantined.insert(sequence);
    }

    fn inject_panic(&mut self, sequence: u64) {
        self.engine.panic_at = sequence;
    }

    fn apply(&mut self, py: Python<'_>, frames: PyBuffer<u8>) -> PyResult<Applied> {
        // SAFETY: see `as_slice`.
        let bytes = unsafe { as_slice(&frames)? };
        let before = self.engine.sequence;
        self.run(py, bytes)?;
        let output = &self.engine.output;
        let ends: &[u32] = &output.ends;
        // SAFETY: plain integers, viewed as bytes.
        let ends =
            unsafe { std::slice::from_raw_parts(ends.as_ptr().cast::<u8>(), size_of_val(ends)) };
        Ok(Applied {
            events: PyBytes::new(py, &output.records).unbind(),
            texts: PyBytes::new(py, &output.texts).unbind(),
            ends: PyBytes::new(py, ends).unbind(),
            first_sequence: if self.engine.sequence > before { before + 1 } else { 0 },
        })
    }

    fn replay(&mut self, py: Python<'_>, frames: PyBuffer<u8>) -> PyResult<u64> {
        // SAFETY: see `as_slice`.
        let bytes = unsafe { as_slice(&frames)? };
        let before = self.engine.sequence;
        self.run(py, bytes)?;
        Ok(self.engine.sequence - before)
    }

    #[getter]
    fn sequence(&self) -> u64 {
        self.engine.sequence
    }

    #[getter]
    fn market_time_ns(&self) -> i64 {
        self.engine.now
    }

    #[getter]
    fn next_due_ns(&self) -> i64 {
        self.engine.next_due().unwrap_or(0)
    }

    /// Market time at which something happens by itself, if anything will.
    #[getter]
    fn wakes_at_ns(&self) -> Option<i64> {
        self.engine.wakes_at()
    }

    fn feed_counts(&self, instrument: u32) -> (u64, u64, u64) {
        let counts = self.counts.instrument(instrument);
        (counts.trades, counts.orders, counts.levels)
    }

    fn report_count(&self, account: u32) -> u64 {
        self.counts.reports(account)
    }

    #[getter]
    fn rules_version(&self) -> u32 {
        self.engine.rules_version
    }

    fn genesis(&self) -> (i64, u64, u64, u64) {
        let p = &self.engine.parameters;
        (p.key_window_ns, p.key_capacity, p.accounts_max, p.market_id)
    }

    fn key_statistics(&self) -> (usize, i64) {
        (self.engine.keys.len(), self.engine.keys.oldest_finished_at().unwrap_or(0))
    }

    fn history_floor(&self) -> (u64, u64) {
        self.history.floor()
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        let levels: usize = self
            .engine
            .instruments
            .iter()
            .map(|i| i.sides[0].level_count + i.sides[1].level_count)
            .sum();
        let (history_orders, history_trades) = self.history.counts();
        counts.set_item("accounts", self.engine.ledger.accounts.len())?;
        counts.set_item("live_orders", self.engine.orders.len())?;
        counts.set_item("keys", self.engine.keys.len())?;
        counts.set_item("trades", self.engine.trades)?;
        counts.set_item("levels", levels)?;
        counts.set_item("history_orders", history_orders)?;
        counts.set_item("history_trades", history_trades)?;
        Ok(counts)
    }

    fn assets(&self) -> Vec<(u32, String, u32)> {
        let assets = self.engine.ledger.assets.iter().enumerate();
        assets.map(|(i, asset)| (i as u32 + 1, asset.code.clone(), asset.scale)).collect()
    }

    fn instruments<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let tuple = |i: &tradepit_core::engine::Instrument| {
            let (maker, taker) = i.fee_schedules[i.fees as usize];
            let head = (
                i.number,
                &i.symbol,
                i.phase,
                i.base_asset,
                i.quote_asset,
                i.tick_mantissa,
                i.tick_exponent,
                i.lot_mantissa,
                i.lot_exponent,
                i.definition_version,
            )
                .into_pyobject(py)?;
            let tail = (
                i.quantity_min,
                i.quantity_max,
                i.value_max,
                i.reference_price,
                i.collar_ppm,
                maker,
                taker,
                i.last_price,
                i.unit,
            )
                .into_pyobject(py)?;
            head.as_sequence().concat(tail.as_sequence())?.to_tuple()
        };
        self.engine.instruments.iter().map(tuple).collect()
    }

    fn starting_balances(&self) -> Vec<(u32, i64)> {
        self.engine
            .ledger
            .starting_balances
            .iter()
            .map(|(&asset, &amount)| (asset, amount))
            .collect()
    }

    fn asset_totals(&self, asset: u32) -> PyResult<(i128, i128, i128, i128)> {
        if !self.engine.ledger.knows_asset(asset) {
            return Err(PyValueError::new_err("no such asset"));
        }
        Ok(self.engine.asset_totals(asset))
    }

    fn account_number(&self, id: &str) -> u32 {
        self.engine.ledger.number_of(id).unwrap_or(0)
    }

    fn account(&self, account: u32) -> Option<(String, String, u8, u8, u32, u32)> {
        if !self.engine.ledger.exists(account) {
            return None;
        }
        let (id, name) = &self.engine.ledger.names[account as usize - 1];
        let a = self.engine.ledger.account(account);
        Some((
            id.to_string(),
            name.to_string(),
            a.account_type,
            a.state,
            a.open_orders,
            a.open_orders_max,
        ))
    }

    fn account_id(&self, account: u32) -> PyResult<&str> {
        self.check_account(account)?;
        Ok(&self.engine.ledger.names[account as usize - 1].0)
    }

    fn balances(&self, account: u32) -> PyResult<Vec<(u32, i64, i64, i64)>> {
        self.check_account(account)?;
        let entry = self.engine.ledger.account(account);
        let balances = self.engine.balances(account).into_iter();
        Ok(balances.map(|b| (b.asset, b.total, b.held, entry.credit_in(b.asset))).collect())
    }

    fn positions(&self, account: u32) -> PyResult<Vec<PositionRow>> {
        self.check_account(account)?;
        Ok(self.engine.positions(account).iter().map(position_row).collect())
    }

    fn firms(&self) -> Vec<firms::FirmRow> {
        firms::firms(&self.engine)
    }

    fn makers(&self, account: u32) -> PyResult<Vec<firms::MakerRow>> {
        self.check_account(account)?;
        Ok(firms::makers(&self.engine, account))
    }

    fn firm_symbols(&self, account: u32) -> PyResult<Vec<(u32, u32)>> {
        self.check_account(account)?;
        Ok(self.engine.firm_symbols(account))
    }

    fn exposures(&self, account: u32) -> PyResult<Vec<firms::ExposureRow>> {
        self.check_account(account)?;
        Ok(firms::exposures(&self.engine, account))
    }

    fn exposed_accounts(&self, instrument: u32) -> Vec<u32> {
        self.engine.exposed_accounts(instrument)
    }

    fn sessions(&self, account: u32) -> PyResult<Vec<firms::SessionRow>> {
        self.check_account(account)?;
        Ok(firms::sessions(&self.engine, account))
    }

    fn guard(&self, account: u32) -> PyResult<firms::GuardRow> {
        self.check_account(account)?;
        Ok(firms::guard(&self.engine, account))
    }

    fn order_limits(&self, account: u32) -> PyResult<Vec<(u32, i64, i64)>> {
        self.check_account(account)?;
        Ok(self.engine.guard_view(account).order_limits)
    }

    fn trading_sessions(&self) -> Vec<phases::TradingSessionRow> {
        phases::trading_sessions(&self.engine)
    }

    fn crossing(&self, instrument: u32) -> Option<(i64, i64, i64)> {
        phases::crossing(&self.engine, instrument)
    }

    fn top(&self, instrument: u32) -> (i64, i128, i64, i128) {
        let Some(i) = self.engine.instruments.get((instrument as usize).wrapping_sub(1)) else {
            return (0, 0, 0, 0);
        };
        let best = |side: usize| {
            i.sides[side].best().map_or((0, 0), |level| (level.price, level.quantity))
        };
        let ((bid, bid_quantity), (ask, ask_quantity)) = (best(0), best(1));
        (bid, bid_quantity, ask, ask_quantity)
    }

    fn depth(&self, instrument: u32, side: u8, levels: usize) -> Vec<(i64, i128, u32)> {
        self.engine.depth(instrument, side, levels)
    }

    fn queue(&self, instrument: u32, side: u8, limit: usize) -> Vec<(u64, i64, i64, u32)> {
        self.engine.queue(instrument, side, limit)
    }

    fn queue_ahead(&self, order_id: u64) -> Option<(i128, u64)> {
        self.engine.queue_ahead(order_id)
    }

    fn order<'py>(&self, py: Python<'py>, order_id: u64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.view(order_id).map(|order| order_tuple(py, &order)).transpose()
    }

    fn order_at<'py>(
        &self,
        py: Python<'py>,
        order_id: u64,
        sequence: u64,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.history.order_at(order_id, sequence).map(|order| order_tuple(py, &order)).transpose()
    }

    /// The order's JSON: as it stood right after a sequence, or as it stands now (0).
    fn order_json<'py>(
        &self,
        py: Python<'py>,
        order_id: u64,
        sequence: u64,
    ) -> Option<Bound<'py, PyBytes>> {
        let renderer = Renderer { engine: &self.engine, history: &self.history };
        let json = match sequence {
            0 => renderer.order(order_id),
            _ => renderer.order_at(order_id, sequence),
        };
        json.map(|json| PyBytes::new(py, &json))
    }

    /// An ordinary order request: its record, its account's id, where key and body begin.
    fn plain_request<'py>(
        &self,
        py: Python<'py>,
        data: &'py [u8],
        host: &[u8],
    ) -> Option<(Bound<'py, PyBytes>, &'py str, usize, usize)> {
        let found = plain::request(&self.engine, data, host)?;
        let record = PyBytes::new(py, found.order.record.as_bytes());
        Some((record, found.order.client_id, found.key_start, found.body_start))
    }

    /// An ordinary socket message that places an order: its record, its account's id, its own id.
    fn plain_message<'py>(
        &self,
        py: Python<'py>,
        data: &'py [u8],
    ) -> Option<(Bound<'py, PyBytes>, &'py str, Bound<'py, PyBytes>)> {
        let found = plain::message(&self.engine, data)?;
        let record = PyBytes::new(py, found.order.record.as_bytes());
        Some((record, found.order.client_id, PyBytes::new(py, found.id)))
    }

    /// An ordinary batch: its records, how many, its account's id.
    fn plain_batch<'py>(
        &self,
        py: Python<'py>,
        body: &'py [u8],
        key: Option<&[u8]>,
        operations_max: usize,
    ) -> Option<(Bound<'py, PyBytes>, usize, &'py str)> {
        let found = plain::batch(&self.engine, body, key, operations_max)?;
        Some((PyBytes::new(py, &found.records), found.count, found.client_id))
    }

    /// The answer to an ordinary batch.
    fn batch_json<'py>(
        &self,
        py: Python<'py>,
        events: &[u8],
        first_sequence: u64,
        count: u64,
    ) -> Option<Bound<'py, PyBytes>> {
        let renderer = Renderer { engine: &self.engine, history: &self.history };
        renderer.batch(events, first_sequence, count).map(|json| PyBytes::new(py, &json))
    }

    /// Answers to ordinary requests, each a whole HTTP message; None where no order was placed.
    fn placed_messages<'py>(
        &self,
        py: Python<'py>,
        events: &[u8],
        first_sequence: u64,
        count: u64,
    ) -> Vec<Option<Bound<'py, PyBytes>>> {
        let renderer = Renderer { engine: &self.engine, history: &self.history };
        let orders = renderer.placed(events, first_sequence, count).zip(first_sequence..);
        let message = |(order, sequence): (Option<Vec<u8>>, u64)| {
            order.map(|order| PyBytes::new(py, &answers::message(sequence, &order)))
        };
        orders.map(message).collect()
    }

    /// Answers to ordinary socket messages with these ids, each a whole frame; None as above.
    fn placed_frames<'py>(
        &self,
        py: Python<'py>,
        events: &[u8],
        first_sequence: u64,
        ids: Vec<Bound<'py, PyBytes>>,
    ) -> Vec<Option<Bound<'py, PyBytes>>> {
        let renderer = Renderer { engine: &self.engine, history: &self.history };
        let orders = renderer.placed(events, first_sequence, ids.len() as u64);
        let frame = |((order, sequence), id): ((Option<Vec<u8>>, u64), &Bound<'py, PyBytes>)| {
            order.map(|order| PyBytes::new(py, &answers::frame(id.as_bytes(), sequence, &order)))
        };
        orders.zip(first_sequence..).zip(&ids).map(frame).collect()
    }

    fn order_by_client_id(&self, account: u32, client_order_id: &str) -> u64 {
        if !self.engine.ledger.exists(account) {
            return 0;
        }
        let from_engine = self.engine.order_of_client_id(account, client_order_id);
        let in_history = || {
            let mut orders = self.history.orders(account, 0);
            orders
                .find(|order| order.text.as_deref() == Some(client_order_id))
                .map(|order| order.id)
        };
        from_engine.or_else(in_history).unwrap_or(0)
    }

    fn orders<'py>(
        &self,
        py: Python<'py>,
        account: u32,
        instrument: u32,
        statuses: u32,
        before_order_id: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let wanted = |o: &OrderView| {
            (instrument == 0 || o.instrument == instrument)
                && (statuses == 0 || statuses >> o.status & 1 == 1)
        };
        let mut found: Vec<OrderView> = Vec::new();
        let mut oldest = before_order_id;
        for order in self.history.orders(account, before_order_id) {
            if found.len() == limit {
                break;
            }
            oldest = order.id;
            if wanted(order) {
                found.push(order.clone());
            }
        }
        // Older than the history, and still open.
        let open = (1u32 << OrderStatus::New as u8) | (1 << OrderStatus::PartiallyFilled as u8);
        let account_is_known = account == 0 || self.engine.ledger.exists(account);
        if found.len() < limit && account_is_known && (statuses == 0 || statuses & open != 0) {
            let older = |id: &u64| oldest == 0 || *id < oldest;
            for id in self.engine.live_order_ids(account).into_iter().filter(older) {
                if found.len() == limit {
                    break;
                }
                if self.history.order(id).is_none()
                    && let Some(order) = self.engine.live_order(id).filter(&wanted)
                {
                    found.push(order);
                }
            }
        }
        found.iter().map(|order| order_tuple(py, order)).collect()
    }

    fn fills(&self, order_id: u64, limit: usize) -> Vec<FillRow> {
        let mut fills: Vec<_> = self.history.fills(order_id).map(fill_row).collect();
        fills.reverse();
        fills.truncate(limit);
        fills
    }

    fn trades<'py>(
        &self,
        py: Python<'py>,
        instrument: u32,
        account: u32,
        before_trade_id: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let trades = self.history.trades(instrument, account, before_trade_id).take(limit);
        trades.map(|trade| trade_tuple(py, trade)).collect()
    }

    /// Is the order still open?
    fn is_open(&self, order_id: u64) -> bool {
        self.view(order_id).is_some_and(|order| is_open(order.status))
    }
}
