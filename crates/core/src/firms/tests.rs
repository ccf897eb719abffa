use crate::trial::*;
use crate::wire::*;

fn with_firm() -> Trial {
    let mut trial = Trial::new();
    trial.send(firm(100, 100, 0));
    trial
}

#[test]
fn bounds_of_a_firm_are_within_range() {
    let good = firm(0, 0, 0);
    let most = 1i64 << 62;
    let cases = [
        (DefineFirm { budget_bid: most, budget_ask: most, position_limit: most, ..good }, true),
        (DefineFirm { lease_ns: SECOND / 10, ..good }, true),
        (DefineFirm { lease_ns: 3_600 * SECOND, ..good }, true),
        (DefineFirm { budget_bid: -1, ..good }, false),
        (DefineFirm { budget_ask: most + 1, ..good }, false),
        (DefineFirm { position_limit: -1, ..good }, false),
        (DefineFirm { lease_ns: SECOND / 10 - 1, ..good }, false),
        (DefineFirm { lease_ns: 3_600 * SECOND + 1, ..good }, false),
    ];
    let mut trial = Trial::new();
    for (command, allowed) in cases {
        let said = if allowed { "FirmChanged" } else { "rejected InvalidLimit" };
        assert_eq!(trial.send(command), [said], "{command:?}");
    }
    let nobody = DefineFirm { account: 9, budget_bid: -1, ..good };
    assert_eq!(trial.send(nobody), ["rejected UnknownAccount"]);
}

#[test]
fn symbols_are_added_and_removed_once_each() {
    let mut trial = with_firm();
    let no_firm = SetFirmSymbol { account: CLIENT, ..symbol(9, 3) };
    assert_eq!(trial.send(no_firm), ["rejected NotAFirm"]);
    assert_eq!(trial.send(symbol(9, 3)), ["rejected UnknownInstrument"]);
    assert_eq!(trial.send(symbol(COIN, 3)), ["rejected InvalidCombination"]);
    assert_eq!(trial.send(symbol(DUST, 1)), ["rejected NotQuotable"]);
    assert!(trial.send(symbol(DUST, 2)).is_empty());
    assert_eq!(trial.send(symbol(COIN, 1)), ["symbol 1/1 1"]);
    assert!(trial.send(symbol(COIN, 1)).is_empty());
    assert_eq!(trial.send(symbol(COIN, 2)), ["symbol 1/1 2"]);
    assert!(trial.send(symbol(COIN, 2)).is_empty());
}

#[test]
fn makers_share_the_symbols_as_they_come_and_go() {
    let mut trial = with_firm();
    trial.send(symbol(HALF, 1));
    trial.send(symbol(COIN, 1));
    assert_eq!(
        trial.send(heartbeat("a", 1, 0)),
        ["maker 1/1 joined epoch 1", "assigned 1/1 0 -> 1", "assigned 1/2 0 -> 1"]
    );
    assert_eq!(
        trial.send(heartbeat("b", 1, 0)),
        ["maker 1/2 joined epoch 1", "assigned 1/2 1 -> 2"]
    );
    assert_eq!(trial.send(heartbeat("c", 7, 0)), ["maker 1/3 joined epoch 7"]);
    assert_eq!(
        trial.send(heartbeat("a", 1, 1)),
        ["maker 1/1 left Requested", "assigned 1/1 1 -> 3"]
    );
    assert_eq!(trial.send(symbol(HALF, 2)), ["symbol 1/2 2"]);
    assert_eq!(trial.send(symbol(HALF, 1)), ["symbol 1/2 1", "assigned 1/2 0 -> 2"]);
    // The same name again is a new maker.
    assert_eq!(trial.send(heartbeat("a", 2, 0)), ["maker 1/4 joined epoch 2"]);
}

#[test]
fn removing_a_symbol_moves_another_one_when_that_is_fair() {
    let mut trial = with_firm();
    trial.send(symbol(COIN, 1));
    trial.send(symbol(HALF, 1));
    trial.send(heartbeat("a", 1, 0));
    trial.send(Reserve { maker: 1, epoch: 1, ..reserve(HALF, 4, 6) });
    trial.send(heartbeat("b", 1, 0));
    // b took HALF over, with its reservation; without COIN it stays b's.
    assert_eq!(trial.send(symbol(COIN, 2)), ["symbol 1/1 2"]);
    assert_eq!(trial.send(symbol(HALF, 2)), ["symbol 1/2 2", "released 1/2 4 6 Requested"]);
}

#[test]
fn heartbeats_are_checked_before_they_count() {
    let mut trial = with_firm();
    let kind = CommandKind::MakerHeartbeat as u8;
    let client = MakerHeartbeat { kind, account: CLIENT, ..Default::default() };
    assert_eq!(trial.send(Sent::named(client, "")), ["rejected NotAFirm"]);
    assert_eq!(trial.send(heartbeat("a b", 0, 2)), ["rejected InvalidName"]);
    assert_eq!(trial.send(heartbeat("a", 1, 2)), ["rejected InvalidCombination"]);
    assert_eq!(trial.send(heartbeat("a", 0, 0)), ["rejected InvalidCombination"]);
    assert!(trial.send(heartbeat("a", 1, 1)).is_empty(), "nobody leaves");
}

#[test]
fn a_later_run_takes_over_and_an_earlier_one_is_stale() {
    let mut trial = with_firm();
    trial.send(heartbeat("a", 5, 0));
    assert_eq!(trial.send(heartbeat("a", 4, 0)), ["rejected StaleMaker"]);
    assert_eq!(trial.send(heartbeat("a", 4, 1)), ["rejected StaleMaker"]);
    assert!(trial.send(heartbeat("a", 5, 0)).is_empty());
    assert_eq!(trial.send(heartbeat("a", 6, 0)), ["maker 1/1 joined epoch 6"]);
    assert_eq!(trial.send(heartbeat("a", 5, 0)), ["rejected StaleMaker"]);
    let said = trial.send(Reserve { maker: 1, epoch: 5, ..reserve(COIN, 1, 1) });
    assert_eq!(said, ["rejected NotOwner"]);
    assert_eq!(
        trial.send(heartbeat("a", 7, 1)),
        ["maker 1/1 joined epoch 7", "maker 1/1 left Requested"]
    );
}

#[test]
fn a_lease_ends_exactly_when_due_and_a_heartbeat_renews_it() {
    let mut trial = with_firm();
    trial.send(symbol(COIN, 1));
    trial.send(heartbeat("a", 1, 0));
    trial.wait(6 * SECOND);
    trial.send(heartbeat("b", 1, 0));
    trial.send(heartbeat("a", 1, 0));
    assert!(trial.wait(10 * SECOND - 1).is_empty());
    assert_eq!(
        trial.wait(1),
        [
            "maker 1/1 left Lapsed",
            "assigned 1/1 1 -> 2",
            "maker 1/2 left Lapsed",
            "assigned 1/1 2 -> 0"
        ]
    );
    assert_eq!(trial.engine.wakes_at(), None);
}

#[test]
fn quotes_outlive_their_maker_and_the_next_owner_replaces_them() {
    let mut trial = with_firm();
    trial.send(symbol(COIN, 1));
    trial.send(heartbeat("a", 1, 0));
    let by_a = Quote { maker: 1, epoch: 1, ..quote(FIRM, COIN, (99, 5), (101, 5)) };
    let bid = trial.engine.sequence + 1;
    trial.frame(&quoting(by_a));
    trial.wait(9 * SECOND);
    trial.send(heartbeat("b", 1, 0));
    let said = trial.wait(SECOND);
    assert_eq!(said, ["maker 1/1 left Lapsed", "assigned 1/1 1 -> 2"]);
    assert_eq!(trial.orders(FIRM).len(), 2);
    assert_eq!(trial.frame(&quoting(by_a)), ["rejected NotOwner"], "it wakes up too late");
    let by_b = Quote { maker: 2, bid_price: 98, ..by_a };
    let said = trial.frame(&quoting(by_b));
    assert_eq!(said[2], format!("cancelled {bid} quote 5"));
}

#[test]
fn only_the_owner_acts_in_a_symbol_that_the_firm_makes() {
    let mut trial = with_firm();
    trial.send(symbol(COIN, 1));
    trial.send(heartbeat("a", 3, 0));
    trial.send(heartbeat("b", 4, 0));
    // Maker, its epoch; may it act in COIN, which is a's, and in HALF, which nobody makes?
    let cases = [
        (1, 3, true, true),
        (1, 2, false, false),
        (2, 4, false, true),
        (0, 0, false, true),
        (3, 1, false, false),
    ];
    for (maker, epoch, in_coin, in_half) in cases {
        for (instrument, allowed) in [(COIN, in_coin), (HALF, in_half)] {
            let commands: [Vec<Sent>; 3] = [
                vec![Reserve { maker, epoch, ..reserve(instrument, 1, 1) }.into()],
                quoting(Quote { maker, epoch, ..quote(FIRM, instrument, (9, 1), (10, 1)) }).into(),
                vec![Release { maker, epoch, ..release(FIRM, instrument) }.into()],
            ];
            for (which, commands) in commands.iter().enumerate() {
                let said = trial.frame(commands);
                let refused = said == ["rejected NotOwner"];
                let is_free = which == 2 && maker == 0;
                assert_eq!(!refused, allowed || is_free, "{maker} {instrument} {which} {said:?}");
            }
        }
    }
}

#[test]
fn a_firm_has_1000_live_makers_and_no_more() {
    let mut trial = with_firm();
    let beats: Vec<Sent> = (0..1_000).map(|n| heartbeat(&format!("m{n}"), 1, 0)).collect();
    assert_eq!(trial.frame(&beats).len(), 1_000);
    assert_eq!(trial.send(heartbeat("one-more", 1, 0)), ["rejected TooManyMakers"]);
    assert!(trial.send(heartbeat("m7", 1, 0)).is_empty());
    trial.send(heartbeat("m7", 1, 1));
    assert_eq!(trial.send(heartbeat("one-more", 1, 0)), ["maker 1/1001 joined epoch 1"]);
}

#[test]
fn a_changed_lease_counts_from_the_next_heartbeat() {
    let mut trial = with_firm();
    trial.send(heartbeat("a", 1, 0));
    trial.send(DefineFirm { lease_ns: SECOND, ..firm(1, 1, 0) });
    assert!(trial.wait(9 * SECOND).is_empty());
    trial.send(heartbeat("a", 1, 0));
    assert_eq!(trial.wait(SECOND), ["maker 1/1 left Lapsed"]);
}
