use super::*;
use crate::trial::*;

const BUY: Side = Side::Buy;

fn guard(account: u32) -> SetAccountGuard {
    let kind = CommandKind::SetAccountGuard as u8;
    SetAccountGuard { kind, account, window_ns: SECOND, ..Default::default() }
}

fn bounds(quantity_max: i64, value_max: i64) -> SetOrderLimits {
    SetOrderLimits {
        kind: CommandKind::SetOrderLimits as u8,
        account: CLIENT,
        instrument: COIN,
        quantity_max,
        value_max,
        ..Default::default()
    }
}

fn dead_man(timeout_ns: i64) -> SetDeadMan {
    let kind = CommandKind::SetDeadMan as u8;
    SetDeadMan { kind, account: CLIENT, timeout_ns, ..Default::default() }
}

fn replace(order_id: u64, price: i64) -> ReplaceOrder {
    ReplaceOrder {
        kind: CommandKind::ReplaceOrder as u8,
        options: option::PRICE,
        account: CLIENT,
        instrument: COIN,
        order_id,
        price,
        definition_version: 1,
        ..Default::default()
    }
}

fn is_accepted(said: &[String]) -> bool {
    said[0].starts_with("accepted")
}

#[test]
fn the_largest_quantity_passes_and_one_more_is_refused() {
    let mut trial = Trial::new();
    trial.send(bounds(10, 0));
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 10))));
    let said = trial.send(limit(CLIENT, COIN, BUY, 5, 11));
    assert_eq!(said, ["rejected AccountMaxQuantity 11 10"]);
    assert!(is_accepted(&trial.send(limit(CLIENT, HALF, BUY, 5, 11))));
    assert!(is_accepted(&trial.send(limit(OTHER, COIN, BUY, 5, 11))));
    trial.send(bounds(0, 0));
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 11))));
    assert_eq!(trial.engine.ledger.account(CLIENT).guard, None);
}

#[test]
fn the_largest_value_passes_and_one_more_is_refused() {
    let mut trial = Trial::new();
    trial.send(bounds(0, 5_000));
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 10))));
    let said = trial.send(limit(CLIENT, COIN, BUY, 51, 1));
    assert_eq!(said, ["rejected AccountMaxValue 5100 5000"]);
}

#[test]
fn a_value_beyond_64_bits_is_shown_as_the_largest_number() {
    let mut trial = Trial::new();
    trial.send(bounds(0, 1 << 62));
    let engine = &trial.engine;
    let refused = engine.check_account_value(CLIENT, COIN, Some(i64::MAX), 1 << 40).unwrap_err();
    assert_eq!((refused.required, refused.available), (i64::MAX, 1 << 62));
    assert_eq!(engine.check_account_value(CLIENT, COIN, None, 1 << 40), Ok(()));
}

#[test]
fn a_market_order_is_valued_at_its_protection_or_at_the_collars_reference() {
    let mut trial = Trial::new();
    trial.send(bounds(0, 5_000));
    let market = PlaceOrder {
        order_type: OrderType::Market as u8,
        time_in_force: TimeInForce::Ioc as u8,
        ..limit(CLIENT, COIN, BUY, 0, 11)
    };
    assert!(is_accepted(&trial.send(market)), "there is no price to value it at");
    let protected = PlaceOrder { options: option::PRICE, price: 5, ..market };
    assert_eq!(trial.send(protected), ["rejected AccountMaxValue 5500 5000"]);
    trial.send(limit(OTHER, COIN, Side::Sell, 6, 1));
    trial.send(limit(FIRM, COIN, BUY, 6, 1));
    assert_eq!(trial.send(market), ["rejected AccountMaxValue 6600 5000"]);
    assert!(is_accepted(&trial.send(PlaceOrder { price: 4, ..protected })));
}

#[test]
fn bounds_of_orders_are_within_range() {
    let mut trial = Trial::new();
    for command in [bounds(-1, 0), bounds(0, -1), bounds((1 << 62) + 1, 0), bounds(0, i64::MAX)] {
        assert_eq!(trial.send(command), ["rejected InvalidLimit"]);
    }
    assert_eq!(trial.send(bounds(1 << 62, 1 << 62)), ["OrderLimitsChanged"]);
    let elsewhere = SetOrderLimits { instrument: 9, ..bounds(-1, 0) };
    assert_eq!(trial.send(elsewhere), ["rejected UnknownInstrument"]);
    let nobody = SetOrderLimits { account: 9, ..bounds(-1, 0) };
    assert_eq!(trial.send(nobody), ["rejected UnknownAccount"]);
}

#[test]
fn a_guard_that_counts_in_windows_needs_one() {
    const SHORT: i64 = WINDOW_NS_MIN - 1;
    let repeats = SetAccountGuard { repeats_max: 1, ..guard(CLIENT) };
    let traded = SetAccountGuard { traded_max: 1, traded_asset: DOLLAR, ..guard(CLIENT) };
    let mut trial = Trial::new();
    for command in [
        SetAccountGuard { window_ns: SHORT, ..repeats },
        SetAccountGuard { window_ns: DAY_NS + 1, ..repeats },
        SetAccountGuard { window_ns: 0, ..traded },
        SetAccountGuard { traded_asset: 9, ..traded },
        SetAccountGuard { traded_asset: 0, ..traded },
        SetAccountGuard { traded_max: -1, ..traded },
    ] {
        assert_eq!(trial.send(command), ["rejected InvalidLimit"], "{command:?}");
    }
    for command in [
        SetAccountGuard { window_ns: WINDOW_NS_MIN, ..repeats },
        SetAccountGuard { window_ns: DAY_NS, ..traded },
        SetAccountGuard { window_ns: -5, messages_max: 3, traded_asset: 9, ..guard(CLIENT) },
    ] {
        assert_eq!(trial.send(command), ["AccountGuardChanged"], "{command:?}");
    }
}

#[test]
fn messages_of_one_second_are_counted_refused_or_not() {
    let mut trial = Trial::new();
    trial.send(SetAccountGuard { messages_max: 3, ..guard(CLIENT) });
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 1))));
    let id = trial.engine.sequence;
    assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 0)), ["rejected InvalidQuantity"]);
    assert_eq!(trial.send(replace(id, 6)), ["OrderReplaced"]);
    let too_many = ["rejected MessageRate"];
    assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 1)), too_many);
    assert_eq!(trial.send(replace(id, 7)), too_many);
    assert_eq!(trial.frame(&quoting(quote(CLIENT, COIN, (1, 1), (0, 0)))), too_many);
    // Cancels are never counted.
    let kind = CommandKind::CancelOrder as u8;
    let cancel = CancelOrder { kind, account: CLIENT, order_id: id, ..Default::default() };
    assert!(trial.send(cancel)[0].starts_with("cancelled"));
    trial.wait(SECOND - 1);
    assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 1)), too_many);
    trial.wait(1);
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 1))));
}

#[test]
fn what_does_not_reach_the_rate_is_not_counted() {
    let mut trial = Trial::new();
    trial.send(SetAccountGuard { messages_max: 1, ..guard(CLIENT) });
    let unknown = PlaceOrder { session: 5, ..limit(CLIENT, COIN, BUY, 5, 1) };
    assert_eq!(trial.send(unknown), ["rejected UnknownSession"]);
    let late = PlaceOrder { valid_until: 1, ..limit(CLIENT, COIN, BUY, 5, 1) };
    assert_eq!(trial.send(late), ["rejected TooLate"]);
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 1))));
    assert_eq!(trial.send(unknown), ["rejected UnknownSession"]);
    trial.send(state(CLIENT, AccountState::Suspended));
    let said = trial.send(limit(CLIENT, COIN, BUY, 5, 1));
    assert_eq!(said, ["rejected AccountSuspended"]);
}

#[test]
fn quotes_count_as_messages_too() {
    let mut trial = Trial::new();
    trial.send(SetAccountGuard { messages_max: 1, ..guard(CLIENT) });
    assert_eq!(
        trial.frame(&quoting(quote(CLIENT, 9, (1, 1), (0, 0)))),
        ["rejected UnknownInstrument"]
    );
    assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 1)), ["rejected MessageRate"]);
}

#[test]
fn near_identical_orders_beyond_the_bound_leave_the_account_with_cancels_only() {
    let mut trial = Trial::new();
    trial.send(SetAccountGuard { repeats_max: 2, ..guard(CLIENT) });
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5_000, 1))));
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5_005, 1))));
    // A thousandth of 5,005 is a little more than 5; number 3 is one too many.
    let said = trial.send(limit(CLIENT, COIN, BUY, 5_010, 1));
    assert_eq!(said, ["rejected RunawayGuard", "account 2 CancelOnly"]);
    let said = trial.send(limit(CLIENT, COIN, Side::Sell, 9_000, 1));
    assert_eq!(said, ["rejected AccountCancelOnly"]);
    let kind = CommandKind::MassCancel as u8;
    let said = trial.send(MassCancel { kind, account: CLIENT, ..Default::default() });
    assert_eq!(said.last().unwrap(), "mass cancelled 2");
    assert_eq!(trial.send(state(CLIENT, AccountState::Active)), ["account 2 Active"]);
    for _ in 0..2 {
        assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5_010, 1))), "counted anew");
    }
}

#[test]
fn an_order_repeats_the_one_before_only_in_all_that_matters() {
    let base = limit(CLIENT, COIN, BUY, 1_000, 2);
    let others = [
        PlaceOrder { instrument: HALF, ..base },
        PlaceOrder { side: Side::Sell as u8, price: 1_200, ..base },
        PlaceOrder { quantity: 3, ..base },
        PlaceOrder { price: 1_002, ..base },
        PlaceOrder { price: 998, ..base },
    ];
    for other in others {
        let mut trial = Trial::new();
        trial.send(SetAccountGuard { repeats_max: 1, ..guard(CLIENT) });
        assert!(is_accepted(&trial.send(base)));
        assert!(is_accepted(&trial.send(other)), "{other:?}");
        assert!(is_accepted(&trial.send(base)), "the run began anew: {other:?}");
        let near = PlaceOrder { price: 1_001, ..base };
        assert_eq!(trial.send(near)[0], "rejected RunawayGuard");
    }
}

#[test]
fn a_run_ends_with_the_window_in_which_it_began() {
    let mut trial = Trial::new();
    trial.send(SetAccountGuard { repeats_max: 1, ..guard(CLIENT) });
    let order = limit(CLIENT, COIN, BUY, 5, 1);
    assert!(is_accepted(&trial.send(order)));
    trial.wait(SECOND);
    assert!(is_accepted(&trial.send(order)));
    trial.wait(SECOND - 1);
    assert_eq!(trial.send(order)[0], "rejected RunawayGuard");
}

#[test]
fn refused_orders_are_no_part_of_a_run() {
    let mut trial = Trial::new();
    trial.send(SetAccountGuard { repeats_max: 1, ..guard(CLIENT) });
    assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 1))));
    assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 0)), ["rejected InvalidQuantity"]);
    let said = trial.send(limit(CLIENT, COIN, BUY, 5, 1));
    assert_eq!(said[0], "rejected RunawayGuard");
}

#[test]
fn too_much_traded_in_a_window_leaves_both_parties_with_cancels_only_maker_first() {
    let mut trial = Trial::new();
    let traded = SetAccountGuard { traded_max: 1_000, traded_asset: DOLLAR, ..guard(CLIENT) };
    trial.send(traded);
    trial.send(SetAccountGuard { account: OTHER, ..traded });
    trial.send(limit(OTHER, COIN, Side::Sell, 5, 2));
    assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 2)).len(), 2, "1,000 cents are allowed");
    trial.send(limit(OTHER, COIN, Side::Sell, 1, 1));
    let said = trial.send(limit(CLIENT, COIN, BUY, 1, 3));
    assert_eq!(said[2..], ["account 3 CancelOnly", "account 2 CancelOnly"]);
    assert!(said[0].ends_with("leaves 2 trades 1 PartiallyFilled"), "the taker goes on");
}

#[test]
fn trades_of_another_window_or_asset_do_not_count() {
    let mut trial = Trial::new();
    let traded = SetAccountGuard { traded_max: 500, traded_asset: DOLLAR, ..guard(CLIENT) };
    trial.send(traded);
    trial.send(SetAccountGuard { account: FIRM, traded_asset: 2, ..traded });
    for _ in 0..3 {
        trial.send(limit(FIRM, COIN, Side::Sell, 5, 1));
        assert_eq!(trial.send(limit(CLIENT, COIN, BUY, 5, 1)).len(), 2);
        trial.wait(SECOND);
    }
    trial.send(limit(FIRM, COIN, Side::Sell, 5, 2));
    let said = trial.send(limit(CLIENT, COIN, BUY, 5, 2));
    assert_eq!(said[2..], ["account 2 CancelOnly"]);
}

#[test]
fn counting_starts_anew_with_each_state_and_each_guard() {
    let mut trial = Trial::new();
    let counts = SetAccountGuard { messages_max: 1, repeats_max: 9, ..guard(CLIENT) };
    trial.send(counts);
    for command in [state(CLIENT, AccountState::Active).into(), Sent::from(counts)] {
        assert!(is_accepted(&trial.send(limit(CLIENT, COIN, BUY, 5, 1))));
        let said = trial.send(limit(CLIENT, COIN, BUY, 5, 1));
        assert_eq!(said, ["rejected MessageRate"]);
        trial.send(command);
        let counters = trial.engine.ledger.account(CLIENT).guard.as_ref().unwrap().counters;
        assert_eq!(counters, GuardCounters::default());
    }
}

#[test]
fn the_dead_man_cancels_everything_by_id_exactly_when_due_and_is_off_then() {
    let mut trial = Trial::new();
    trial.send(limit(CLIENT, HALF, BUY, 5, 2));
    trial.send(limit(CLIENT, COIN, BUY, 5, 1));
    let last = trial.engine.sequence;
    assert_eq!(trial.send(dead_man(SECOND)), ["dead man 1000"]);
    trial.wait(SECOND / 2);
    assert_eq!(trial.send(dead_man(SECOND)), ["dead man 1500"]);
    assert!(trial.wait(SECOND - 1).is_empty());
    assert_eq!(
        trial.wait(1),
        [
            format!("cancelled {} deadman 2", last - 1),
            format!("cancelled {last} deadman 1"),
            "mass cancelled 2".into(),
        ]
    );
    assert_eq!(trial.engine.ledger.account(CLIENT).guard, None);
    assert!(trial.wait(10 * SECOND).is_empty());
}

#[test]
fn a_dead_man_can_be_switched_off_and_its_time_is_bounded() {
    let mut trial = Trial::new();
    for timeout in [-1, DAY_NS + 1] {
        assert_eq!(trial.send(dead_man(timeout)), ["rejected InvalidLimit"]);
    }
    assert_eq!(trial.send(dead_man(DAY_NS)), ["dead man 86400000"]);
    assert_eq!(trial.send(dead_man(0)), ["dead man 0"]);
    assert!(trial.wait(DAY_NS).is_empty());
}

#[test]
fn only_rules_from_version_2_on_know_cancel_only() {
    let mut trial = Trial::new();
    trial.engine.rules_version = 1;
    let said = trial.send(state(CLIENT, AccountState::CancelOnly));
    assert_eq!(said, ["rejected InvalidCombination"]);
    trial.engine.rules_version = 2;
    let said = trial.send(state(CLIENT, AccountState::CancelOnly));
    assert_eq!(said, ["account 2 CancelOnly"]);
}
