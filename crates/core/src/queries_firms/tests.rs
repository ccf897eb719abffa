use super::*;
use crate::trial::*;
use crate::wire::*;

#[test]
fn a_firm_shows_its_budgets_and_what_is_used_of_them() {
    let mut trial = Trial::new();
    assert!(trial.engine.firm_views().is_empty());
    trial.send(firm(100, 50, 7));
    trial.send(reserve(HALF, 10, 20));
    let view = FirmView {
        account: FIRM,
        account_id: "firm".into(),
        budget_bid: 100 * COIN_UNITS,
        budget_ask: 50 * COIN_UNITS,
        used_bid: 10 * HALF_UNITS,
        used_ask: 20 * HALF_UNITS,
        position_limit: 7 * COIN_UNITS,
        lease_ns: 10 * SECOND,
    };
    assert_eq!(trial.engine.firm_views(), [view]);
}

#[test]
fn makers_show_their_leases_and_instruments() {
    let mut trial = Trial::new();
    trial.send(firm(100, 50, 0));
    trial.send(symbol(COIN, 1));
    trial.send(symbol(HALF, 1));
    assert_eq!(trial.engine.firm_symbols(FIRM), [(COIN, 0), (HALF, 0)]);
    trial.send(heartbeat("a", 3, 0));
    trial.wait(SECOND);
    trial.send(heartbeat("b", 4, 0));
    let views = trial.engine.maker_views(FIRM);
    let shown: Vec<_> = views
        .iter()
        .map(|m| (m.maker, &*m.name, m.epoch, m.lease_until - BEGIN, &*m.instruments))
        .collect();
    assert_eq!(
        shown,
        [(1, "a", 3, 10 * SECOND, &[COIN][..]), (2, "b", 4, 11 * SECOND, &[HALF][..])]
    );
    assert_eq!(trial.engine.firm_symbols(FIRM), [(COIN, 1), (HALF, 2)]);
    assert!(trial.engine.maker_views(CLIENT).is_empty());
}

#[test]
fn an_exposure_shows_what_was_asked_for_what_is_held_and_what_rests() {
    let mut trial = Trial::new();
    trial.send(firm(100, 5, 0));
    let bid = trial.engine.sequence + 1;
    trial.frame(&quoting(quote(FIRM, COIN, (99, 10), (101, 8))));
    trial.send(limit(CLIENT, COIN, Side::Sell, 99, 4));
    let view = ExposureView {
        instrument: COIN,
        status: ReservationStatus::Partial as u8,
        maker: 0,
        expires_at: BEGIN + 30 * SECOND,
        bid: SideView {
            requested: 10,
            granted: 6,
            price: 99,
            quantity: 10,
            order_id: bid,
            leaves: 6,
        },
        ask: SideView {
            requested: 8,
            granted: 5,
            price: 101,
            quantity: 5,
            order_id: bid + 1,
            leaves: 5,
        },
    };
    assert_eq!(trial.engine.exposure_views(FIRM), [view]);
    assert_eq!(trial.engine.exposed_accounts(COIN), [FIRM]);
    assert!(trial.engine.exposed_accounts(HALF).is_empty());
    trial.send(limit(CLIENT, COIN, Side::Sell, 99, 6));
    let bid = trial.engine.exposure_views(FIRM)[0].bid;
    assert_eq!((bid.granted, bid.leaves, bid.quantity), (0, 0, 10));
}

#[test]
fn a_session_shows_when_it_would_lapse() {
    let mut trial = Trial::new();
    let kind = CommandKind::BindSession as u8;
    let bind = BindSession { kind, mode: 1, account: CLIENT, ..Default::default() };
    trial.send(Sent::named(bind, "a"));
    trial.wait(SECOND);
    let view = SessionView {
        session: 1,
        name: "a".into(),
        cancels_on_disconnect: true,
        binding: trial.engine.sequence - 1,
        holder: 1,
        lease_until: BEGIN + 6 * SECOND,
    };
    assert_eq!(trial.engine.session_views(CLIENT), [view]);
    assert!(trial.engine.session_views(OTHER).is_empty());
}

#[test]
fn a_guard_shows_what_counts_in_this_second_and_window() {
    let mut trial = Trial::new();
    assert_eq!(trial.engine.guard_view(CLIENT), GuardView::default());
    trial.send(SetAccountGuard {
        kind: CommandKind::SetAccountGuard as u8,
        account: CLIENT,
        messages_max: 10,
        repeats_max: 10,
        window_ns: 2 * SECOND,
        traded_max: 1_000,
        traded_asset: DOLLAR,
        ..Default::default()
    });
    let limits = SetOrderLimits {
        kind: CommandKind::SetOrderLimits as u8,
        account: CLIENT,
        instrument: HALF,
        quantity_max: 3,
        ..Default::default()
    };
    trial.send(limits);
    trial.send(limit(OTHER, COIN, Side::Sell, 5, 1));
    trial.send(limit(CLIENT, COIN, Side::Buy, 5, 1));
    trial.send(limit(CLIENT, COIN, Side::Buy, 5, 1));
    let counted = |trial: &Trial| {
        let view = trial.engine.guard_view(CLIENT);
        (view.messages, view.repeats, view.traded)
    };
    assert_eq!(counted(&trial), (2, 2, 500));
    trial.wait(SECOND);
    assert_eq!(counted(&trial), (0, 2, 500));
    trial.wait(SECOND);
    assert_eq!(counted(&trial), (0, 0, 0));
    let view = trial.engine.guard_view(CLIENT);
    assert_eq!((view.settings.messages_max, view.order_limits), (10, vec![(HALF, 3, 0)]));
}
