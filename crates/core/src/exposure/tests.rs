use super::*;
use crate::session::random::Random;
use crate::trial::*;

fn with_firm(budget_bid: i64, budget_ask: i64) -> Trial {
    let mut trial = Trial::new();
    trial.send(firm(budget_bid, budget_ask, 0));
    trial
}

fn last(lines: Vec<String>) -> String {
    lines.last().cloned().unwrap_or_default()
}

#[test]
fn a_reservation_gets_what_the_budgets_leave_over_all_instruments() {
    // Instrument, asked for, what is said of it; a lot of HALF is half a unit.
    let cases = [
        (COIN, (60, 30), "reserved Granted 60/60 30/30 until 30000 maker 0"),
        (HALF, (100, 100), "reserved Partial 80/100 100/100 until 30000 maker 0"),
        (COIN, (0, 0), "reserved Granted 0/0 0/0 until 30000 maker 0"),
        (COIN, (61, 0), "reserved Partial 60/61 0/0 until 30000 maker 0"),
        (COIN, (60, 50), "reserved Granted 60/60 50/50 until 30000 maker 0"),
        (HALF, (200, 200), "reserved Partial 80/200 100/200 until 30000 maker 0"),
        (COIN, (0, 1), "reserved Granted 0/0 1/1 until 30000 maker 0"),
        (HALF, (201, 0), "reserved Partial 200/201 0/0 until 30000 maker 0"),
        (COIN, (1, 100), "reserved Partial 0/1 100/100 until 30000 maker 0"),
        (HALF, (200, 1), "reserved Partial 200/200 0/1 until 30000 maker 0"),
        (COIN, (1, 0), "reserved Partial 0/1 0/0 until 30000 maker 0"),
    ];
    let mut trial = with_firm(100, 100);
    for (instrument, (bid, ask), said) in cases {
        assert_eq!(trial.send(reserve(instrument, bid, ask)), [said]);
    }
}

#[test]
fn a_reservation_is_denied_only_when_both_sides_were_asked_for_and_got_nothing() {
    let asked_and_granted = [
        ([5, 5], [5, 5], ReservationStatus::Granted),
        ([0, 0], [0, 0], ReservationStatus::Granted),
        ([5, 0], [5, 0], ReservationStatus::Granted),
        ([5, 5], [0, 0], ReservationStatus::Denied),
        ([5, 0], [0, 0], ReservationStatus::Partial),
        ([0, 5], [0, 0], ReservationStatus::Partial),
        ([5, 5], [5, 0], ReservationStatus::Partial),
        ([5, 5], [0, 1], ReservationStatus::Partial),
    ];
    for (requested, granted, status) in asked_and_granted {
        assert_eq!(grant_status(requested, granted), status, "{requested:?} {granted:?}");
    }
    let mut trial = with_firm(10, 10);
    trial.send(reserve(COIN, 10, 10));
    let said = "reserved Denied 0/3 0/3 until 30000 maker 0";
    assert_eq!(trial.send(reserve(HALF, 3, 3)), [said]);
}

#[test]
fn a_lowered_budget_takes_nothing_back_and_grants_nothing_until_it_fits() {
    let mut trial = with_firm(100, 100);
    trial.send(reserve(COIN, 80, 80));
    assert_eq!(trial.send(firm(50, 90, 0)), ["FirmChanged"]);
    let said = "reserved Partial 0/10 10/10 until 30000 maker 0";
    assert_eq!(trial.send(reserve(HALF, 10, 10)), [said]);
    let said = "reserved Partial 50/60 80/80 until 30000 maker 0";
    assert_eq!(trial.send(reserve(COIN, 60, 80)), [said]);
}

#[test]
fn a_reservation_is_refused_with_the_first_reason_that_holds() {
    let good = reserve(COIN, 1, 1);
    let dust = Reserve { instrument: DUST, bid_quantity: -1, ..good };
    let bad_ttl = Reserve { ttl_ns: 999_999, ..good };
    let cases = [
        (Reserve { account: CLIENT, instrument: 9, ..good }, "rejected NotAFirm"),
        (Reserve { instrument: 9, definition_version: 0, ..good }, "rejected UnknownInstrument"),
        (Reserve { definition_version: 2, instrument: DUST, ..good }, "rejected StaleDefinition"),
        (dust, "rejected NotQuotable"),
        (Reserve { maker: 1, bid_quantity: -1, ..good }, "rejected NotOwner"),
        (Reserve { bid_quantity: -1, ..bad_ttl }, "rejected InvalidQuantity"),
        (Reserve { ask_quantity: (1 << 40) + 1, ..bad_ttl }, "rejected InvalidQuantity"),
        (bad_ttl, "rejected InvalidExpiry"),
        (Reserve { ttl_ns: DAY_NS + 1, ..good }, "rejected InvalidExpiry"),
        (Reserve { ttl_ns: -1, ..good }, "rejected InvalidExpiry"),
    ];
    let mut trial = with_firm(100, 100);
    let before = trial.engine.exposures.iter().len();
    for (command, said) in cases {
        assert_eq!(trial.send(command), [said]);
    }
    assert_eq!(trial.engine.exposures.iter().len(), before);
    trial.send(state(FIRM, AccountState::CancelOnly));
    let command = Reserve { account: FIRM, instrument: 9, ..good };
    assert_eq!(trial.send(command), ["rejected AccountCancelOnly"]);
}

#[test]
fn bounds_of_quantity_and_time_to_live_are_themselves_allowed() {
    let mut trial = with_firm(100, 100);
    let most = Reserve { ttl_ns: DAY_NS, ..reserve(COIN, 1 << 40, 1 << 40) };
    let said = format!("reserved Partial 100/{0} 100/{0} until 86400000 maker 0", 1i64 << 40);
    assert_eq!(trial.send(most), [said]);
    let least = Reserve { ttl_ns: 1_000_000, ..reserve(COIN, 1, 1) };
    assert_eq!(trial.send(least), ["reserved Granted 1/1 1/1 until 1 maker 0"]);
}

#[test]
fn a_smaller_reservation_lowers_the_quote_and_keeps_its_place() {
    let mut trial = with_firm(100, 100);
    let bid = trial.engine.sequence + 1;
    trial.frame(&quoting(quote(FIRM, COIN, (99, 10), (101, 10))));
    let said = trial.send(Reserve { ttl_ns: 60 * SECOND, ..reserve(COIN, 4, 0) });
    let ask = bid + 1;
    assert_eq!(
        said,
        [
            "reserved Granted 4/4 0/0 until 60000 maker 0".into(),
            format!("reduced {bid} by 6 leaves 4 Exposure"),
            format!("cancelled {ask} exposure 10"),
        ]
    );
    // What is reserved beyond the quote stays reserved.
    trial.send(reserve(COIN, 30, 30));
    assert_eq!(trial.orders(FIRM), [(bid, 99, 4)]);
    let said = last(trial.send(reserve(HALF, 140, 141)));
    assert_eq!(said, "reserved Partial 140/140 140/141 until 30000 maker 0");
}

#[test]
fn the_end_of_a_quote_becomes_that_of_the_reservation_after_it() {
    let mut trial = with_firm(100, 100);
    trial.frame(&quoting(Quote { ttl_ns: SECOND, ..quote(FIRM, COIN, (99, 10), (101, 10)) }));
    trial.send(Reserve { ttl_ns: 3 * SECOND, ..reserve(COIN, 10, 10) });
    assert!(trial.wait(3 * SECOND - 1).is_empty());
    let said = trial.wait(1);
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[2], "released 1/1 10 10 Time");
}

#[test]
fn a_reservation_ends_exactly_when_it_is_due() {
    let mut trial = with_firm(100, 100);
    trial.send(Reserve { ttl_ns: 5 * SECOND, ..reserve(COIN, 7, 3) });
    assert!(trial.wait(5 * SECOND - 1).is_empty());
    assert_eq!(trial.wait(1), ["released 1/1 7 3 Time"]);
    assert!(trial.wait(5 * SECOND).is_empty());
    assert_eq!(trial.engine.firms.get(FIRM).unwrap().used, [0, 0]);
}

#[test]
fn a_release_frees_both_sides_and_is_answered_without_a_reservation_too() {
    let mut trial = with_firm(100, 100);
    trial.send(reserve(COIN, 7, 3));
    assert_eq!(trial.send(release(FIRM, COIN)), ["released 1/1 7 3 Requested"]);
    assert_eq!(trial.send(release(FIRM, COIN)), ["released 1/1 0 0 Requested"]);
    assert_eq!(trial.send(release(CLIENT, COIN)), ["released 2/1 0 0 Requested"]);
    assert_eq!(trial.send(release(FIRM, 9)), ["rejected UnknownInstrument"]);
    let said = trial.send(Release { maker: 1, epoch: 1, ..release(FIRM, COIN) });
    assert_eq!(said, ["rejected NotOwner"]);
}

#[test]
fn a_release_takes_the_quote_along_bid_first_and_shows_what_was_held_before() {
    let mut trial = with_firm(100, 100);
    let bid = trial.engine.sequence + 1;
    trial.frame(&quoting(quote(FIRM, COIN, (99, 10), (101, 8))));
    let said = trial.send(release(FIRM, COIN));
    assert_eq!(
        said,
        [
            format!("cancelled {bid} requested 10"),
            format!("cancelled {} requested 8", bid + 1),
            "released 1/1 10 8 Requested".into(),
        ]
    );
}

#[test]
fn fills_and_cancels_of_a_quote_lower_the_reserved_side() {
    let mut trial = with_firm(10, 10);
    let bid = trial.engine.sequence + 1;
    trial.frame(&quoting(quote(FIRM, COIN, (99, 10), (101, 10))));
    trial.send(limit(CLIENT, COIN, Side::Sell, 99, 4));
    let held = |trial: &Trial| trial.engine.exposures.get(FIRM, COIN).unwrap().granted;
    assert_eq!(held(&trial), [6, 10]);
    let kind = CommandKind::CancelOrder as u8;
    trial.send(CancelOrder { kind, account: FIRM, order_id: bid + 1, ..Default::default() });
    assert_eq!(held(&trial), [6, 0]);
    // Half of the freed budget of each side in lots of HALF.
    let said = trial.send(reserve(HALF, 100, 100));
    assert_eq!(said, ["reserved Partial 8/100 20/100 until 30000 maker 0"]);
    assert_eq!(trial.send(release(FIRM, COIN))[1], "released 1/1 6 0 Requested");
}

#[test]
fn killing_an_account_ends_what_it_has_reserved_before_the_count() {
    let mut trial = with_firm(100, 100);
    let bid = trial.engine.sequence + 1;
    trial.frame(&quoting(quote(FIRM, COIN, (99, 10), (101, 8))));
    trial.send(reserve(HALF, 2, 3));
    assert_eq!(
        trial.send(state(FIRM, AccountState::Killed)),
        [
            "account 1 Killed".into(),
            format!("cancelled {bid} kill 10"),
            format!("cancelled {} kill 8", bid + 1),
            "released 1/1 0 0 Kill".into(),
            "released 1/2 2 3 Kill".into(),
            "mass cancelled 2".into(),
        ]
    );
    assert_eq!(trial.engine.firms.get(FIRM).unwrap().used, [0, 0]);
    assert!(trial.wait(60 * SECOND).is_empty());
}

#[test]
fn an_instrument_with_a_reservation_is_in_use_until_it_ends() {
    let mut trial = with_firm(100, 100);
    trial.send(reserve(COIN, 1, 1));
    assert!(trial.engine.is_exposed(COIN));
    assert!(!trial.engine.is_exposed(HALF));
    trial.send(release(FIRM, COIN));
    assert!(!trial.engine.is_exposed(COIN));
}

#[test]
fn removing_an_instrument_ends_reservations_and_quotes_in_it_by_account() {
    let mut trial = with_firm(100, 100);
    trial.send(symbol(COIN, 1));
    trial.send(heartbeat("a", 1, 0));
    trial.send(Reserve { maker: 1, epoch: 1, ..reserve(COIN, 5, 6) });
    trial.send(DefineFirm { account: OTHER, ..firm(10, 10, 0) });
    trial.send(Reserve { account: OTHER, ..reserve(COIN, 1, 2) });
    let quoted = trial.engine.sequence + 1;
    trial.frame(&quoting(quote(CLIENT, COIN, (99, 1), (0, 0))));
    let remove = RemoveInstrument {
        kind: CommandKind::RemoveInstrument as u8,
        instrument: COIN,
        ..Default::default()
    };
    assert_eq!(trial.send(remove), ["rejected InstrumentInUse"]);
    let kind = CommandKind::CancelOrder as u8;
    trial.send(CancelOrder { kind, account: CLIENT, order_id: quoted, ..Default::default() });
    assert_eq!(
        trial.send(remove),
        [
            "InstrumentRemoved",
            "symbol 1/1 2",
            "released 1/1 5 6 Removed",
            "released 2/1 0 0 Removed",
            "released 3/1 1 2 Removed",
        ]
    );
    assert!(trial.wait(60 * SECOND).iter().all(|line| line.starts_with("maker")));
}

#[test]
fn what_is_granted_never_exceeds_the_budgets_whatever_comes() {
    let seed = 5;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut trial = with_firm(20, 30);
    let mut most = [20 * COIN_UNITS, 30 * COIN_UNITS];
    let (mut grants, mut refusals) = (0, 0);
    for _ in 0..4_000 {
        let said = random_step(&mut trial, &mut random);
        let firm = trial.engine.firms.get(FIRM).expect("a firm");
        for (most, (used, budget)) in most.iter_mut().zip(firm.used.iter().zip(firm.budgets)) {
            // A lowered budget takes nothing back, but nothing is added beyond it.
            *most = budget.max((*most).min(*used));
            assert!(used <= most, "seed {seed}: {used} of {most}");
        }
        grants += said.iter().filter(|line| line.starts_with("reserved")).count();
        refusals += said.iter().filter(|line| line.starts_with("rejected")).count();
    }
    assert!(grants > 1_000 && refusals > 50, "seed {seed}: {grants} grants, {refusals} refusals");
}

/// One random command about quotes; what came of it.
fn random_step(trial: &mut Trial, random: &mut Random) -> Vec<String> {
    let instrument = 1 + random.below(2) as u32;
    let lots = |random: &mut Random| random.below(42) as i64 - 2;
    let price = 90 + random.below(20) as i64;
    let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
    match random.below(16) {
        0..5 => {
            let (bid, ask) = ((price, lots(random)), (price + lots(random), lots(random)));
            let ttl_ns = if random.below(2) == 0 { 0 } else { SECOND };
            trial.frame(&quoting(Quote { ttl_ns, ..quote(FIRM, instrument, bid, ask) }))
        }
        5..8 => trial.send(reserve(instrument, lots(random), lots(random))),
        8 => trial.send(release(FIRM, instrument)),
        9 => {
            let (bid, ask) = (10 + random.below(20) as i64, 10 + random.below(20) as i64);
            trial.send(firm(bid, ask, random.below(3) as i64 * 50))
        }
        10 => trial.wait(random.below(SECOND as u64) as i64),
        11 => {
            let kind = CommandKind::MassCancel as u8;
            let side = side as u8;
            trial.send(MassCancel { kind, side, account: FIRM, instrument, ..Default::default() })
        }
        12 => trial.send(limit(FIRM, instrument, side, price, 3 + lots(random))),
        _ => trial.send(limit(CLIENT, instrument, side, price, 3 + lots(random))),
    }
}
