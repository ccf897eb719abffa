//! Definitions and phases: what operators do to the market (rulebook sections 10 and 11).

use crate::book::BookSide;
use crate::engine::{Done, Engine, Instrument, Outcome, Reject, TIME_MAX_NS};
use crate::ledger::Asset;
use crate::trading_session::{TradingSession, gathers, is_settable};
use crate::waiting::Waiting;
use crate::wire::*;

/// Largest order that an instrument may allow, in lots.
const QUANTITY_MAX: i64 = 1 << 40;
/// Largest `lot` and `unit`, in minor units.
const STEP_MAX: i128 = 1_000_000_000_000_000;
const SCALE_MAX: u32 = 18;
const PPM: u32 = 1_000_000;

/// `mantissa * 10^(scale - exponent)`, when it is a whole number within the step bound.
pub(crate) fn whole_step(mantissa: u64, scale: u32, exponent: u64) -> Option<i64> {
    let shift = i64::from(scale) - i64::try_from(exponent).ok()?;
    let mantissa = i128::from(mantissa);
    let step = if shift >= 0 {
        mantissa.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?
    } else {
        let divisor = 10i128.checked_pow(u32::try_from(-shift).ok()?)?;
        if mantissa % divisor != 0 {
            return None;
        }
        mantissa / divisor
    };
    (step > 0 && step <= STEP_MAX).then_some(step as i64)
}

impl Engine {
    /// Commands about the journal itself: no keys, no bounds in time.
    pub(crate) fn run_system(&mut self, kind: CommandKind, record: &[u8]) -> Result<(), Reject> {
        match kind {
            CommandKind::Genesis => self.genesis(&Genesis::from_bytes(record)),
            CommandKind::ActivateRules => {
                let version = ActivateRules::from_bytes(record).rules_version;
                if !(self.rules_version..=RULES_VERSION).contains(&version) {
                    return Err(RejectReason::UnsupportedRules.into());
                }
                if self.rules_version < 2 && version >= 2 {
                    self.orders.forget_sessions();
                }
                self.rules_version = version;
                self.push_rules_activated();
            }
            CommandKind::TimeJump => self.jump(TimeJump::from_bytes(record).to_ns),
            _ => {}
        }
        Ok(())
    }

    fn genesis(&mut self, c: &Genesis) {
        self.rules_version = c.rules_version;
        self.parameters.key_window_ns = c.key_window_ns;
        self.parameters.key_capacity = c.key_capacity;
        self.parameters.accounts_max = c.accounts_max;
        self.parameters.market_id = c.market_id;
        self.push_rules_activated();
    }

    fn push_rules_activated(&mut self) {
        self.output.push(&RulesActivated {
            kind: EventKind::RulesActivated as u8,
            sequence: self.sequence,
            rules_version: self.rules_version,
            market_id: self.parameters.market_id,
            ..Default::default()
        });
    }

    fn jump(&mut self, to_ns: i64) {
        self.moment_at = self.now;
        self.now = self.now.max(to_ns.min(TIME_MAX_NS));
        self.output.push(&TimeJumped {
            kind: EventKind::TimeJumped as u8,
            sequence: self.sequence,
            time_ns: self.now,
            ..Default::default()
        });
        self.sessions.seen(self.incarnation, self.now);
        self.moment();
    }

    pub(crate) fn administer(
        &mut self,
        kind: CommandKind,
        header: &CommandHeader,
        record: &[u8],
        text: Option<&str>,
    ) -> Outcome {
        let text = text.unwrap_or("");
        match kind {
            CommandKind::DefineAsset => self.define_asset(&DefineAsset::from_bytes(record), text),
            CommandKind::DefineInstrument => {
                self.define_instrument(&DefineInstrument::from_bytes(record), text)
            }
            CommandKind::SetInstrumentRules => {
                self.set_instrument_rules(&SetInstrumentRules::from_bytes(record))
            }
            CommandKind::RemoveInstrument => self.remove_instrument(header.instrument),
            CommandKind::SetPhase => self.set_phase(header.instrument, header.mode),
            CommandKind::SetStartingBalance => {
                self.set_starting_balance(&SetStartingBalance::from_bytes(record))
            }
            CommandKind::OpenAccount => self.open_account(header, text),
            CommandKind::SetSchedule => self.set_schedule(&SetSchedule::from_bytes(record)),
            CommandKind::SetInstrumentSafety => {
                self.set_instrument_safety(&SetInstrumentSafety::from_bytes(record))
            }
            _ if !self.ledger.exists(header.account) => Err(RejectReason::UnknownAccount.into()),
            CommandKind::SetAccountState => self.set_account_state(header.account, header.mode),
            CommandKind::SetAccountLimits => self.set_account_limits(
                header.account,
                SetAccountLimits::from_bytes(record).open_orders_max,
            ),
            CommandKind::SetPositionLimit => {
                self.set_position_limit(&SetPositionLimit::from_bytes(record))
            }
            CommandKind::SetCredit => self.set_credit(&SetCredit::from_bytes(record)),
            CommandKind::Deposit => self.deposit(&Deposit::from_bytes(record)),
            CommandKind::Withdraw => self.withdraw(&Withdraw::from_bytes(record)),
            CommandKind::Transfer => self.transfer(&Transfer::from_bytes(record)),
            CommandKind::DefineFirm => self.define_firm(&DefineFirm::from_bytes(record)),
            CommandKind::SetFirmSymbol => self.set_firm_symbol(&SetFirmSymbol::from_bytes(record)),
            CommandKind::SetOrderLimits => {
                self.set_order_limits(&SetOrderLimits::from_bytes(record))
            }
            CommandKind::SetAccountGuard => {
                self.set_account_guard(&SetAccountGuard::from_bytes(record))
            }
            _ => unreachable!("order and system commands are run elsewhere"),
        }
    }

    fn define_asset(&mut self, c: &DefineAsset, code: &str) -> Outcome {
        let is_next = c.asset as usize == self.ledger.assets.len() + 1;
        let is_free = self.ledger.assets.iter().all(|asset| asset.code != code);
        if !is_next || c.scale > SCALE_MAX || !(1..=16).contains(&code.chars().count()) || !is_free
        {
            return Err(RejectReason::InvalidDefinition.into());
        }
        self.ledger.assets.push(Asset { code: code.into(), scale: c.scale, ..Asset::default() });
        self.output.push(&AssetDefined {
            kind: EventKind::AssetDefined as u8,
            flags: record_flag::TEXT,
            sequence: self.sequence,
            asset: c.asset,
            scale: c.scale,
            ..Default::default()
        });
        self.output.push_text(code);
        Ok(Done::default())
    }

    /// (lot, unit) of a definition that is consistent.
    fn steps(&self, c: &DefineInstrument, symbol: &str) -> Option<(i64, i64)> {
        let known = self.ledger.knows_asset(c.base_asset) && self.ledger.knows_asset(c.quote_asset);
        let number_fits = c.instrument != 0 && c.instrument as usize <= self.instruments.len() + 1;
        let symbol_fits = (1..=32).contains(&symbol.chars().count())
            && self.symbols.get(symbol).is_none_or(|&used_by| used_by == c.instrument);
        let valid = known
            && number_fits
            && symbol_fits
            && c.base_asset != c.quote_asset
            && c.reference_price >= 0
            && is_settable(c.mode, self.rules_version);
        if !valid {
            return None;
        }
        let scale = |asset: u32| self.ledger.assets[asset as usize - 1].scale;
        let lot = whole_step(c.lot_mantissa.into(), scale(c.base_asset), c.lot_exponent.into())?;
        let mantissa = u64::from(c.tick_mantissa) * u64::from(c.lot_mantissa);
        let exponent = u64::from(c.tick_exponent) + u64::from(c.lot_exponent);
        let unit = whole_step(mantissa, scale(c.quote_asset), exponent)?;
        Some((lot, unit))
    }

    fn define_instrument(&mut self, c: &DefineInstrument, symbol: &str) -> Outcome {
        let (lot, unit) = self.steps(c, symbol).ok_or(RejectReason::InvalidDefinition)?;
        let index = c.instrument as usize - 1;
        if index < self.instruments.len() {
            self.redefine(index, c, symbol, lot, unit)?;
        } else {
            self.instruments.push(new_instrument(c, symbol, lot, unit));
            self.symbols.insert(symbol.into(), c.instrument);
            self.note_gathering(c.instrument, gathers(c.mode));
        }
        self.definitions_changed();
        self.push_instrument_defined(index);
        Ok(Done::default())
    }

    fn redefine(
        &mut self,
        index: usize,
        c: &DefineInstrument,
        symbol: &str,
        lot: i64,
        unit: i64,
    ) -> Result<(), Reject> {
        let instrument = &self.instruments[index];
        let same = instrument.symbol == symbol
            && instrument.base_asset == c.base_asset
            && instrument.quote_asset == c.quote_asset
            && !instrument.is_removed();
        if !same {
            return Err(RejectReason::InvalidDefinition.into());
        }
        if instrument.orders() != 0 || !self.is_flat(c.instrument) || self.is_exposed(c.instrument)
        {
            return Err(RejectReason::InstrumentInUse.into());
        }
        let instrument = &mut self.instruments[index];
        instrument.tick_mantissa = c.tick_mantissa;
        instrument.tick_exponent = c.tick_exponent;
        instrument.lot_mantissa = c.lot_mantissa;
        instrument.lot_exponent = c.lot_exponent;
        instrument.lot = lot;
        instrument.unit = unit;
        instrument.reference_price = c.reference_price;
        instrument.last_price = 0;
        instrument.definition_version += 1;
        Ok(())
    }

    /// Has no account a position in it?
    fn is_flat(&self, instrument: u32) -> bool {
        (1..=self.ledger.accounts.len() as u32)
            .all(|a| self.ledger.position(a, instrument).net == 0)
    }

    fn push_instrument_defined(&mut self, index: usize) {
        let i = &self.instruments[index];
        self.output.push(&InstrumentDefined {
            kind: EventKind::InstrumentDefined as u8,
            flags: record_flag::TEXT,
            status: i.phase,
            sequence: self.sequence,
            instrument: i.number,
            base_asset: i.base_asset,
            quote_asset: i.quote_asset,
            tick_mantissa: i.tick_mantissa,
            tick_exponent: i.tick_exponent,
            lot_mantissa: i.lot_mantissa,
            lot_exponent: i.lot_exponent,
            definition_version: i.definition_version,
            reference_price: i.reference_price,
            ..Default::default()
        });
        self.output.push_text(&self.instruments[index].symbol);
    }

    /// What starting balances are worth, and where deposits count, may have changed.
    pub(crate) fn definitions_changed(&mut self) {
        self.ledger.grant_is_stale = true;
        self.primary_instruments.clear();
        for instrument in self.instruments.iter().filter(|i| !i.is_removed()) {
            self.primary_instruments.entry(instrument.base_asset).or_insert(instrument.number);
        }
    }

    fn set_instrument_rules(&mut self, c: &SetInstrumentRules) -> Outcome {
        let index = self.known_instrument(c.instrument)?;
        let fees = [c.maker_fee_ppm, c.taker_fee_ppm];
        let valid = 1 <= c.quantity_min
            && c.quantity_min <= c.quantity_max
            && c.quantity_max <= QUANTITY_MAX
            && c.value_max >= 0
            && c.reference_price >= 0
            && fees.iter().all(|fee| fee.unsigned_abs() < PPM)
            && c.maker_fee_ppm + c.taker_fee_ppm >= 0
            && c.collar_ppm <= PPM;
        let instrument = &mut self.instruments[index];
        let schedule = (c.maker_fee_ppm, c.taker_fee_ppm);
        let known = instrument.fee_schedules.iter().position(|&s| s == schedule);
        if !valid || (known.is_none() && instrument.fee_schedules.len() > usize::from(u16::MAX)) {
            return Err(RejectReason::InvalidDefinition.into());
        }
        instrument.fees = known.unwrap_or_else(|| {
            instrument.fee_schedules.push(schedule);
            instrument.fee_schedules.len() - 1
        }) as u16;
        instrument.quantity_min = c.quantity_min;
        instrument.quantity_max = c.quantity_max;
        instrument.value_max = c.value_max;
        instrument.reference_price = c.reference_price;
        instrument.collar_ppm = c.collar_ppm;
        self.ledger.grant_is_stale = true;
        self.output.push(&InstrumentRulesChanged {
            kind: EventKind::InstrumentRulesChanged as u8,
            sequence: self.sequence,
            instrument: c.instrument,
            quantity_min: c.quantity_min,
            quantity_max: c.quantity_max,
            value_max: c.value_max,
            reference_price: c.reference_price,
            collar_ppm: c.collar_ppm,
            maker_fee_ppm: c.maker_fee_ppm,
            taker_fee_ppm: c.taker_fee_ppm,
            ..Default::default()
        });
        Ok(Done::default())
    }

    fn remove_instrument(&mut self, number: u32) -> Outcome {
        let index = self.known_instrument(number)?;
        let instrument = &mut self.instruments[index];
        if instrument.orders() != 0 {
            return Err(RejectReason::InstrumentInUse.into());
        }
        instrument.phase = Phase::Removed as u8;
        self.symbols.remove(&instrument.symbol);
        self.definitions_changed();
        self.output.push(&InstrumentRemoved {
            kind: EventKind::InstrumentRemoved as u8,
            sequence: self.sequence,
            instrument: number,
            ..Default::default()
        });
        self.forget_session(index);
        self.end_instrument(number);
        Ok(Done::default())
    }

    fn set_starting_balance(&mut self, c: &SetStartingBalance) -> Outcome {
        if !self.ledger.knows_asset(c.asset) {
            return Err(RejectReason::UnknownAsset.into());
        }
        if c.amount < 0 {
            return Err(RejectReason::InvalidAmount.into());
        }
        self.ledger.starting_balances.insert(c.asset, c.amount);
        self.ledger.grant_is_stale = true;
        self.output.push(&StartingBalanceSet {
            kind: EventKind::StartingBalanceSet as u8,
            sequence: self.sequence,
            asset: c.asset,
            amount: c.amount,
            ..Default::default()
        });
        Ok(Done::default())
    }
}

fn new_instrument(c: &DefineInstrument, symbol: &str, lot: i64, unit: i64) -> Instrument {
    Instrument {
        number: c.instrument,
        symbol: symbol.into(),
        phase: c.mode,
        base_asset: c.base_asset,
        quote_asset: c.quote_asset,
        tick_mantissa: c.tick_mantissa,
        tick_exponent: c.tick_exponent,
        lot_mantissa: c.lot_mantissa,
        lot_exponent: c.lot_exponent,
        definition_version: 1,
        lot,
        unit,
        quantity_min: 1,
        quantity_max: QUANTITY_MAX,
        value_max: 0,
        reference_price: c.reference_price,
        last_price: 0,
        collar_ppm: 0,
        fee_schedules: vec![(0, 0)],
        fees: 0,
        sides: [BookSide::new(true), BookSide::new(false)],
        waiting: Waiting::default(),
        session: TradingSession::default(),
    }
}
