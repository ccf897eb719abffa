//! Firms, makers, exposures, sessions and guards as Python tuples; the fields are listed in
//! `_native.pyi`.

use tradepit_core::engine::Engine;
use tradepit_core::queries_firms::SideView;

/// account, account_id, budget_bid, budget_ask, used_bid, used_ask, position_limit, lease_ns
pub type FirmRow = (u32, String, i64, i64, i64, i64, i64, i64);
/// maker, name, epoch, lease_until, instruments
pub type MakerRow = (u32, String, u64, i64, Vec<u32>);
/// requested, granted, price, quantity, order_id, leaves
pub type SideRow = (i64, i64, i64, i64, u64, i64);
/// instrument, status, maker, expires_at, bid, ask
pub type ExposureRow = (u32, u8, u32, i64, SideRow, SideRow);
/// session, name, cancels_on_disconnect, binding, holder, lease_until
pub type SessionRow = (u32, String, bool, u64, u64, i64);
/// messages_max, repeats_max, window_ns, traded_max, traded_asset, messages, repeats, traded,
/// dead_man_at
pub type GuardRow = (u32, u32, i64, i64, u32, u64, u64, i128, i64);

pub fn firms(engine: &Engine) -> Vec<FirmRow> {
    let firms = engine.firm_views().into_iter();
    firms
        .map(|f| {
            (
                f.account,
                f.account_id,
                f.budget_bid,
                f.budget_ask,
                f.used_bid,
                f.used_ask,
                f.position_limit,
                f.lease_ns,
            )
        })
        .collect()
}

pub fn makers(engine: &Engine, account: u32) -> Vec<MakerRow> {
    let makers = engine.maker_views(account).into_iter();
    makers.map(|m| (m.maker, m.name, m.epoch, m.lease_until, m.instruments)).collect()
}

fn side_row(side: &SideView) -> SideRow {
    let SideView { requested, granted, price, quantity, order_id, leaves } = *side;
    (requested, granted, price, quantity, order_id, leaves)
}

pub fn exposures(engine: &Engine, account: u32) -> Vec<ExposureRow> {
    let exposures = engine.exposure_views(account).into_iter();
    exposures
        .map(|e| {
            let (bid, ask) = (side_row(&e.bid), side_row(&e.ask));
            (e.instrument, e.status, e.maker, e.expires_at, bid, ask)
        })
        .collect()
}

pub fn sessions(engine: &Engine, account: u32) -> Vec<SessionRow> {
    let sessions = engine.session_views(account).into_iter();
    sessions
        .map(|s| (s.session, s.name, s.cancels_on_disconnect, s.binding, s.holder, s.lease_until))
        .collect()
}

pub fn guard(engine: &Engine, account: u32) -> GuardRow {
    let guard = engine.guard_view(account);
    let s = guard.settings;
    (
        s.messages_max,
        s.repeats_max,
        s.window_ns,
        s.traded_max,
        s.traded_asset,
        guard.messages,
        guard.repeats,
        guard.traded,
        guard.dead_man_at,
    )
}
