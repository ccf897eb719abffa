use crate::trial::*;
use crate::wire::*;

fn with_firm(budget_bid: i64, budget_ask: i64, position_limit: i64) -> Trial {
    let mut trial = Trial::new();
    trial.send(firm(budget_bid, budget_ask, position_limit));
    trial
}

/// A quote in its frame; the ids that its bid and ask would have, and what came of it.
fn set(trial: &mut Trial, quote: Quote) -> (u64, u64, Vec<String>) {
    let bid = trial.engine.sequence + 1;
    let said = trial.frame(&quoting(quote));
    (bid, bid + 1, said)
}

fn said(trial: &mut Trial, quote: Quote) -> Vec<String> {
    set(trial, quote).2
}

#[test]
fn a_firm_reserves_and_quotes_both_sides_in_one_step() {
    let mut trial = with_firm(100, 100, 0);
    let (bid, ask, said) = set(&mut trial, quote(FIRM, COIN, (99, 10), (101, 12)));
    assert_eq!(
        said,
        [
            "reserved Granted 10/10 12/12 until 30000 maker 0".into(),
            format!("quote 10@99 #{bid} 12@101 #{ask} until 30000 maker 0"),
            format!("accepted {bid} buy 10@99 leaves 10 trades 0 New"),
            format!("accepted {ask} sell 12@101 leaves 12 trades 0 New"),
        ]
    );
    assert_eq!(trial.orders(FIRM), [(bid, 99, 10), (ask, 101, 12)]);
}

#[test]
fn an_account_that_is_no_firm_quotes_without_a_reservation() {
    let mut trial = Trial::new();
    let (bid, _, said) = set(&mut trial, quote(CLIENT, DUST, (99, 10), (0, 0)));
    assert_eq!(
        said,
        [
            format!("quote 10@99 #{bid} 0@0 #0 until 30000 maker 0"),
            format!("accepted {bid} buy 10@99 leaves 10 trades 0 New"),
        ]
    );
    let said = trial.wait(30 * SECOND);
    assert_eq!(said, [format!("expired {bid} time 10"), "released 2/3 0 0 Time".into()]);
}

#[test]
fn a_quote_is_refused_unless_its_id_was_reserved_right_before_it_in_its_frame() {
    let mut trial = with_firm(100, 100, 0);
    let good = quote(FIRM, COIN, (99, 10), (101, 10));
    let refused = ["rejected InvalidCombination"];
    assert_eq!(trial.send(good), refused);
    let [id, it] = quoting(good);
    trial.send(id.clone());
    assert_eq!(trial.send(it.clone()), refused);
    let tick = Tick { kind: CommandKind::Tick as u8, ..Default::default() };
    assert_eq!(trial.frame(&[id.clone(), tick.into(), it.clone()]), refused);
    // Before everything else that could be said about it, and one id is good for one quote.
    let said = trial.frame(&[id, it.clone(), it]);
    assert_eq!(said.last().unwrap(), refused[0]);
    assert_eq!(said.len(), 5);
    trial.send(state(FIRM, AccountState::Suspended));
    assert_eq!(trial.send(good), refused);
}

#[test]
fn a_quote_is_refused_with_the_first_reason_that_holds() {
    let mut trial = with_firm(100, 100, 0);
    trial.send(SetInstrumentRules {
        kind: CommandKind::SetInstrumentRules as u8,
        instrument: COIN,
        quantity_min: 2,
        quantity_max: 50,
        value_max: 500_000,
        reference_price: 100,
        collar_ppm: 100_000,
        ..Default::default()
    });
    trial.send(SetOrderLimits {
        kind: CommandKind::SetOrderLimits as u8,
        account: FIRM,
        instrument: COIN,
        quantity_max: 40,
        value_max: 300_000,
        ..Default::default()
    });
    let good = quote(FIRM, COIN, (99, 10), (101, 10));
    let late = Quote { ttl_ns: 1, ..good };
    let bid = |price, quantity| Quote { bid_price: price, bid_quantity: quantity, ..late };
    let ask = |price, quantity| Quote { ask_price: price, ask_quantity: quantity, ..late };
    let cases = [
        (Quote { instrument: 9, definition_version: 3, ..late }, "UnknownInstrument"),
        (Quote { definition_version: 3, maker: 4, ..late }, "StaleDefinition"),
        (Quote { instrument: DUST, bid_quantity: -1, ..late }, "NotQuotable"),
        (Quote { maker: 4, bid_quantity: -1, ..late }, "NotOwner"),
        (bid(0, -1), "InvalidQuantity"),
        (ask(0, -1), "InvalidQuantity"),
        (Quote { bid_quantity: 0, ask_quantity: 0, ..late }, "InvalidQuantity"),
        (bid(0, 1), "InvalidPrice"),
        (ask(-5, 1), "InvalidPrice"),
        (bid(101, 1), "InvalidCombination"),
        (bid(99, 1), "MinQuantity 1 2"),
        (Quote { ask_quantity: 1, ..bid(99, 51) }, "MaxQuantity 51 50"),
        (bid(99, 41), "AccountMaxQuantity 41 40"),
        (bid(99, 40), "AccountMaxValue 396000 300000"),
        (bid(89, 10), "PriceCollar 89 90"),
        (ask(111, 10), "PriceCollar 111 110"),
        (ask(101, 51), "MaxQuantity 51 50"),
        (late, "InvalidExpiry"),
        (Quote { ttl_ns: 86_400_000_000_001, ..good }, "InvalidExpiry"),
    ];
    for (command, reason) in cases {
        assert_eq!(said(&mut trial, command), [format!("rejected {reason}")], "{command:?}");
    }
    assert_eq!(said(&mut trial, good).len(), 4);
    trial.send(phase(COIN, Phase::Halted));
    let untimely = Quote { maker: 4, ..late };
    assert_eq!(said(&mut trial, untimely), ["rejected NotTrading"]);
    trial.send(state(FIRM, AccountState::Suspended));
    let command = Quote { instrument: 9, ..late };
    assert_eq!(said(&mut trial, command), ["rejected AccountSuspended"]);
}

#[test]
fn too_much_value_is_refused_before_the_accounts_own_bound() {
    let mut trial = with_firm(100, 100, 0);
    trial.send(SetInstrumentRules {
        kind: CommandKind::SetInstrumentRules as u8,
        instrument: COIN,
        quantity_min: 1,
        quantity_max: 50,
        value_max: 99_000,
        ..Default::default()
    });
    let command = quote(FIRM, COIN, (99, 10), (0, 0));
    assert_eq!(said(&mut trial, command).len(), 3);
    let command = quote(FIRM, COIN, (100, 10), (0, 0));
    assert_eq!(said(&mut trial, command), ["rejected MaxValue"]);
}

#[test]
fn a_side_that_stays_the_same_is_kept_and_the_other_replaced() {
    let mut trial = with_firm(100, 100, 0);
    let (bid, ask, _) = set(&mut trial, quote(FIRM, COIN, (99, 10), (101, 10)));
    let (_, newer, said) = set(&mut trial, quote(FIRM, COIN, (99, 10), (102, 10)));
    assert_eq!(
        said,
        [
            "reserved Granted 10/10 10/10 until 30000 maker 0".into(),
            format!("quote 10@99 #{bid} 10@102 #{newer} until 30000 maker 0"),
            format!("cancelled {ask} quote 10"),
            format!("accepted {newer} sell 10@102 leaves 10 trades 0 New"),
        ]
    );
    // Another size at the same price loses the place.
    let (smaller, _, said) = set(&mut trial, quote(FIRM, COIN, (99, 9), (102, 10)));
    assert_eq!(said[2], format!("cancelled {bid} quote 10"));
    assert_eq!(trial.orders(FIRM), [(newer, 102, 10), (smaller, 99, 9)]);
    // What was filled and is quoted again at the size that is left is kept.
    trial.send(limit(CLIENT, COIN, Side::Sell, 99, 4));
    let (_, _, said) = set(&mut trial, quote(FIRM, COIN, (99, 5), (102, 10)));
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(trial.orders(FIRM), [(newer, 102, 10), (smaller, 99, 5)]);
}

#[test]
fn a_side_that_is_no_longer_asked_for_is_cancelled() {
    let mut trial = with_firm(100, 100, 0);
    let (bid, ask, _) = set(&mut trial, quote(FIRM, COIN, (99, 10), (101, 10)));
    let said = said(&mut trial, quote(FIRM, COIN, (99, 10), (0, 0)));
    assert_eq!(said[1], format!("quote 10@99 #{bid} 0@0 #0 until 30000 maker 0"));
    assert_eq!(said[2..], [format!("cancelled {ask} quote 10")]);
}

#[test]
fn both_old_sides_leave_bid_first_before_the_new_ones_come() {
    let mut trial = with_firm(100, 100, 0);
    let (bid, ask, _) = set(&mut trial, quote(FIRM, COIN, (99, 10), (101, 10)));
    // The new bid stands where the old ask stood.
    let (new_bid, new_ask, said) = set(&mut trial, quote(FIRM, COIN, (101, 5), (103, 5)));
    assert_eq!(
        said[2..],
        [
            format!("cancelled {bid} quote 10"),
            format!("cancelled {ask} quote 10"),
            format!("accepted {new_bid} buy 5@101 leaves 5 trades 0 New"),
            format!("accepted {new_ask} sell 5@103 leaves 5 trades 0 New"),
        ]
    );
}

#[test]
fn a_quote_gets_no_more_than_the_budget_leaves_and_frees_its_own_first() {
    let mut trial = with_firm(10, 20, 0);
    let (first, ..) = set(&mut trial, quote(FIRM, COIN, (99, 8), (101, 8)));
    let said_of_half = said(&mut trial, quote(FIRM, HALF, (99, 8), (101, 8)));
    assert_eq!(said_of_half[0], "reserved Partial 4/8 8/8 until 30000 maker 0");
    let (again, _, said) = set(&mut trial, quote(FIRM, COIN, (99, 9), (101, 16)));
    assert_eq!(said[0], "reserved Partial 8/9 16/16 until 30000 maker 0");
    assert_ne!(first, again);
    assert!(said[1].starts_with(&format!("quote 8@99 #{first} 16@101")), "the bid is kept");
}

#[test]
fn a_quote_that_is_denied_replaces_the_old_one_by_nothing_and_locks_nothing() {
    let mut trial = with_firm(10, 10, 0);
    let (bid, ask, _) = set(&mut trial, quote(FIRM, COIN, (99, 8), (101, 8)));
    trial.send(firm(0, 0, 0));
    assert_eq!(
        said(&mut trial, quote(FIRM, COIN, (99, 8), (101, 8))),
        [
            "reserved Denied 0/8 0/8 until 30000 maker 0".into(),
            "quote 0@0 #0 0@0 #0 until 30000 maker 0".into(),
            format!("cancelled {bid} quote 8"),
            format!("cancelled {ask} quote 8"),
        ]
    );
    trial.send(firm(10, 10, 0));
    let again = said(&mut trial, quote(FIRM, COIN, (99, 8), (101, 8)));
    assert_eq!(again[0], "reserved Granted 8/8 8/8 until 30000 maker 0");
    assert_eq!(trial.orders(FIRM).len(), 2);
}

#[test]
fn the_position_limit_clips_each_side_in_whole_lots() {
    let mut trial = with_firm(100, 100, 10);
    // 10 units are 20 lots of half a coin.
    assert_eq!(
        said(&mut trial, quote(FIRM, HALF, (99, 30), (101, 30)))[0],
        "reserved Partial 20/30 20/30 until 30000 maker 0"
    );
    trial.send(limit(CLIENT, HALF, Side::Sell, 99, 5));
    assert_eq!(
        said(&mut trial, quote(FIRM, HALF, (99, 15), (101, 25)))[0],
        "reserved Granted 15/15 25/25 until 30000 maker 0"
    );
    assert_eq!(
        said(&mut trial, quote(FIRM, HALF, (99, 16), (101, 26)))[0],
        "reserved Partial 15/16 25/26 until 30000 maker 0"
    );
    // A limit that is no whole number of lots rounds down; beyond it nothing is left.
    trial.send(DefineFirm { position_limit: 3 * HALF_UNITS - 1, ..firm(100, 100, 0) });
    assert_eq!(
        said(&mut trial, quote(FIRM, HALF, (99, 16), (101, 26)))[0],
        "reserved Partial 0/16 7/26 until 30000 maker 0"
    );
}

#[test]
fn the_accounts_position_limit_counts_a_quote_without_what_it_replaces() {
    let mut trial = Trial::new();
    trial.send(SetPositionLimit {
        kind: CommandKind::SetPositionLimit as u8,
        account: CLIENT,
        instrument: COIN,
        position_max: 10,
        ..Default::default()
    });
    assert_eq!(said(&mut trial, quote(CLIENT, COIN, (99, 10), (101, 10))).len(), 3);
    assert_eq!(said(&mut trial, quote(CLIENT, COIN, (98, 10), (102, 10))).len(), 5);
    let too_much = quote(CLIENT, COIN, (98, 10), (102, 11));
    assert_eq!(said(&mut trial, too_much), ["rejected PositionLimit"]);
    assert_eq!(said(&mut trial, quote(CLIENT, COIN, (98, 10), (102, 9))).len(), 3);
    assert_eq!(trial.send(limit(CLIENT, COIN, Side::Sell, 105, 1)).len(), 1);
    let too_much = quote(CLIENT, COIN, (97, 10), (103, 10));
    assert_eq!(said(&mut trial, too_much), ["rejected PositionLimit"]);
}

#[test]
fn a_quote_needs_funds_for_what_it_adds_only() {
    let mut trial = Trial::new();
    trial.send(SetCredit {
        kind: CommandKind::SetCredit as u8,
        account: CLIENT,
        credit: 100_000,
        ..Default::default()
    });
    // 10 lots at 100 dollars in cents; 1,000 lots of 100 minor units.
    assert_eq!(said(&mut trial, quote(CLIENT, COIN, (100, 10), (101, 1_000))).len(), 3);
    let dearer = quote(CLIENT, COIN, (100, 11), (101, 1_000));
    assert_eq!(said(&mut trial, dearer), ["rejected InsufficientFunds 10000 0"]);
    let more = quote(CLIENT, COIN, (100, 10), (101, 1_001));
    assert_eq!(said(&mut trial, more), ["rejected InsufficientFunds 100 0"]);
    assert_eq!(said(&mut trial, quote(CLIENT, COIN, (50, 20), (101, 999))).len(), 5);
}

#[test]
fn a_side_that_crosses_takes_and_what_it_took_is_freed() {
    let mut trial = with_firm(100, 100, 0);
    let maker = trial.engine.sequence + 1;
    trial.send(limit(CLIENT, COIN, Side::Sell, 99, 4));
    let (bid, ask, said) = set(&mut trial, quote(FIRM, COIN, (100, 10), (101, 10)));
    assert_eq!(
        said[2..],
        [
            format!("accepted {bid} buy 10@100 leaves 6 trades 1 PartiallyFilled"),
            format!("trade 4@99 maker {maker} taker {bid}"),
            format!("accepted {ask} sell 10@101 leaves 10 trades 0 New"),
        ]
    );
    assert_eq!(trial.engine.exposures.get(FIRM, COIN).unwrap().granted, [6, 10]);
    assert_eq!(trial.engine.firms.get(FIRM).unwrap().available(0), 94 * COIN_UNITS);
}

#[test]
fn a_quote_cancels_own_orders_that_it_meets() {
    let mut trial = with_firm(100, 100, 0);
    let own = trial.engine.sequence + 1;
    trial.send(limit(FIRM, COIN, Side::Sell, 99, 4));
    let (_, _, said) = set(&mut trial, quote(FIRM, COIN, (100, 10), (101, 10)));
    assert_eq!(said[3], format!("cancelled {own} selftrade 4"));
}

#[test]
fn a_quote_rests_crossed_where_orders_gather_and_trades_when_the_book_is_uncrossed() {
    let mut trial = with_firm(100, 100, 0);
    trial.send(phase(COIN, Phase::Auction));
    trial.send(limit(CLIENT, COIN, Side::Sell, 95, 4));
    let (bid, _, said) = set(&mut trial, quote(FIRM, COIN, (100, 10), (101, 10)));
    assert_eq!(said[2], format!("accepted {bid} buy 10@100 leaves 10 trades 0 New"));
    trial.send(phase(COIN, Phase::Continuous));
    assert_eq!(trial.engine.exposures.get(FIRM, COIN).unwrap().granted, [6, 10]);
}

#[test]
fn the_second_side_rests_when_the_first_halts_the_instrument() {
    let mut trial = with_firm(100, 100, 0);
    trial.send(limit(CLIENT, COIN, Side::Sell, 100, 1));
    trial.send(limit(OTHER, COIN, Side::Buy, 100, 1));
    trial.send(SetInstrumentSafety {
        kind: CommandKind::SetInstrumentSafety as u8,
        instrument: COIN,
        band_ppm: 50_000,
        protection_ppm: 50_000,
        ..Default::default()
    });
    trial.send(limit(CLIENT, COIN, Side::Buy, 90, 3));
    trial.send(limit(CLIENT, COIN, Side::Sell, 110, 3));
    let (bid, ask, said) = set(&mut trial, quote(FIRM, COIN, (120, 5), (121, 5)));
    assert_eq!(
        said[2..],
        [
            format!("accepted {bid} buy 5@120 leaves 5 trades 0 New"),
            "PhaseChanged".into(),
            format!("accepted {ask} sell 5@121 leaves 5 trades 0 New"),
        ]
    );
    assert_eq!(trial.orders(FIRM), [(bid, 120, 5), (ask, 121, 5)]);
}

#[test]
fn a_quote_ends_exactly_when_it_is_due() {
    let mut trial = with_firm(100, 100, 0);
    let command = Quote { ttl_ns: 2 * SECOND, ..quote(FIRM, COIN, (99, 10), (101, 10)) };
    let (bid, ask, _) = set(&mut trial, command);
    assert!(trial.wait(2 * SECOND - 1).is_empty());
    assert_eq!(
        trial.wait(1),
        [
            format!("expired {bid} time 10"),
            format!("expired {ask} time 10"),
            "released 1/1 10 10 Time".into(),
        ]
    );
    assert!(trial.orders(FIRM).is_empty());
}

#[test]
fn a_newer_quote_lives_by_its_own_time() {
    let mut trial = with_firm(100, 100, 0);
    let command = Quote { ttl_ns: 2 * SECOND, ..quote(FIRM, COIN, (99, 10), (101, 10)) };
    said(&mut trial, command);
    trial.wait(SECOND);
    said(&mut trial, command);
    assert!(trial.wait(SECOND).is_empty());
    assert_eq!(trial.wait(SECOND).len(), 3);
}

#[test]
fn a_refused_quote_changes_nothing() {
    let mut trial = with_firm(100, 100, 0);
    said(&mut trial, quote(FIRM, COIN, (99, 10), (101, 10)));
    let before = *trial.engine.exposures.get(FIRM, COIN).unwrap();
    let orders = trial.orders(FIRM);
    let refused = said(&mut trial, quote(FIRM, COIN, (99, 10), (98, 10)));
    assert_eq!(refused, ["rejected InvalidCombination"]);
    assert_eq!(*trial.engine.exposures.get(FIRM, COIN).unwrap(), before);
    assert_eq!(trial.orders(FIRM), orders);
}

#[test]
fn a_repeated_quote_is_answered_and_not_set_again_also_under_another_makers_name() {
    let mut trial = Trial::new();
    let command = Quote {
        flags: record_flag::KEY,
        key_low: 7,
        key_high: 8,
        ..quote(CLIENT, COIN, (99, 10), (101, 10))
    };
    assert_eq!(said(&mut trial, command).len(), 3);
    assert_eq!(said(&mut trial, command), ["CommandRepeated"]);
    assert_eq!(said(&mut trial, Quote { maker: 3, ..command }), ["CommandRepeated"]);
    let other = Quote { bid_price: 98, ..command };
    assert_eq!(said(&mut trial, other), ["rejected KeyReused"]);
}
