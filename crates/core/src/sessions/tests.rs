use super::*;
use crate::trial::*;

fn bind(account: u32, name: &str, mode: u8) -> Sent {
    let kind = CommandKind::BindSession as u8;
    Sent::named(BindSession { kind, mode, account, ..Default::default() }, name)
}

fn end(account: u32, session: u32, binding: u64) -> EndSession {
    let kind = CommandKind::EndSession as u8;
    EndSession { kind, account, session, binding, ..Default::default() }
}

fn order(account: u32, session: u32, price: i64) -> PlaceOrder {
    PlaceOrder { session, ..limit(account, COIN, Side::Buy, price, 1) }
}

fn tick() -> Tick {
    Tick { kind: CommandKind::Tick as u8, ..Default::default() }
}

/// Time passes in frames of the node that writes, none longer than it may be.
fn go_on(trial: &mut Trial, ns: i64) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..ns / SECOND {
        trial.clock += SECOND;
        told.extend(trial.send(tick()));
    }
    told
}

#[test]
fn sessions_are_numbered_in_the_market_and_keep_their_number_when_bound_again() {
    let mut trial = Trial::new();
    let first = trial.engine.sequence + 1;
    assert_eq!(trial.send(bind(CLIENT, "a", 1)), [format!("session 1 bound {first} mode 1")]);
    let said = trial.send(bind(OTHER, "a", 0));
    assert_eq!(said, [format!("session 2 bound {} mode 0", first + 1)]);
    let said = trial.send(bind(CLIENT, "b", 0));
    assert_eq!(said, [format!("session 3 bound {} mode 0", first + 2)]);
    let said = trial.send(bind(CLIENT, "a", 0));
    assert_eq!(said, [format!("session 1 bound {} mode 0", first + 3)]);
}

#[test]
fn names_and_modes_of_sessions_are_checked() {
    let mut trial = Trial::new();
    assert_eq!(trial.send(bind(CLIENT, &"x".repeat(64), 1)).len(), 1);
    for name in ["", "a b", "ä", "\u{7f}", &"x".repeat(65)] {
        assert_eq!(trial.send(bind(CLIENT, name, 2)), ["rejected InvalidName"], "{name:?}");
    }
    assert_eq!(trial.send(bind(CLIENT, "~!", 2)), ["rejected InvalidCombination"]);
    assert_eq!(trial.send(bind(9, "a", 1)), ["rejected UnknownAccount"]);
}

#[test]
fn an_account_has_256_sessions_and_no_more() {
    let mut trial = Trial::new();
    for number in 0..256 {
        trial.send(bind(CLIENT, &format!("s{number}"), 0));
    }
    assert_eq!(trial.send(bind(CLIENT, "one-more", 0)), ["rejected TooManySessions"]);
    assert!(trial.send(bind(CLIENT, "s255", 0))[0].starts_with("session 256 bound"));
    assert!(trial.send(bind(OTHER, "s0", 0))[0].starts_with("session 257 bound"));
    let binding = trial.engine.sequence - 1;
    trial.send(end(CLIENT, 256, binding));
    assert!(trial.send(bind(CLIENT, "one-more", 0))[0].starts_with("session 258 bound"));
}

#[test]
fn orders_name_a_live_session_of_their_account_or_none() {
    let mut trial = Trial::new();
    trial.send(bind(CLIENT, "a", 0));
    assert!(trial.send(order(CLIENT, 1, 10))[0].starts_with("accepted"));
    assert_eq!(trial.send(order(OTHER, 1, 10)), ["rejected UnknownSession"]);
    assert_eq!(trial.send(order(CLIENT, 2, 10)), ["rejected UnknownSession"]);
    let binding = trial.engine.sequence - 3;
    trial.send(end(CLIENT, 1, binding));
    assert_eq!(trial.send(order(CLIENT, 1, 10)), ["rejected UnknownSession"]);
    trial.send(state(CLIENT, AccountState::Suspended));
    assert_eq!(trial.send(order(CLIENT, 1, 10)), ["rejected AccountSuspended"]);
}

#[test]
fn the_end_of_a_session_cancels_its_orders_by_id_when_it_was_bound_so() {
    let mut trial = Trial::new();
    trial.send(bind(CLIENT, "cancels", 1));
    trial.send(bind(CLIENT, "stays", 0));
    let base = trial.engine.sequence;
    trial.frame(&[
        order(CLIENT, 1, 11).into(),
        order(CLIENT, 2, 12).into(),
        order(CLIENT, 0, 13).into(),
        order(CLIENT, 1, 10).into(),
    ]);
    let said = trial.send(end(CLIENT, 1, base - 1));
    assert_eq!(
        said,
        [
            format!("cancelled {} disconnect 1", base + 1),
            format!("cancelled {} disconnect 1", base + 4),
            "session 1 ended Requested count 2".into(),
        ]
    );
    assert_eq!(trial.send(end(CLIENT, 2, base)), ["session 2 ended Requested count 0"]);
    assert_eq!(trial.orders(CLIENT), [(base + 2, 12, 1), (base + 3, 13, 1)]);
}

#[test]
fn a_session_is_ended_by_its_account_and_its_latest_binding_only() {
    let mut trial = Trial::new();
    trial.send(bind(CLIENT, "a", 1));
    let old = trial.engine.sequence;
    trial.send(order(CLIENT, 1, 10));
    trial.send(bind(CLIENT, "a", 1));
    let new = trial.engine.sequence;
    let unknown = ["rejected UnknownSession"];
    assert_eq!(trial.send(end(CLIENT, 1, old)), unknown);
    assert_eq!(trial.send(end(OTHER, 1, new)), unknown);
    assert_eq!(trial.send(end(CLIENT, 2, new)), unknown);
    assert_eq!(trial.send(end(CLIENT, 1, new)).len(), 2);
    assert_eq!(trial.send(end(CLIENT, 1, new)), unknown);
}

#[test]
fn a_session_lives_as_long_as_its_node_writes() {
    let mut trial = Trial::new();
    trial.send(bind(CLIENT, "a", 1));
    trial.send(order(CLIENT, 1, 10));
    assert!(go_on(&mut trial, 20 * SECOND).is_empty());
    assert_eq!(trial.engine.wakes_at(), Some(trial.engine.now + LEASE_NS));
    // A jump of its own node counts, however far.
    assert!(trial.wait(3_600 * SECOND).is_empty());
    // Now another node writes on, in the place of one that died.
    trial.writer = 2;
    assert!(go_on(&mut trial, 4 * SECOND).is_empty());
    trial.clock += SECOND - 1;
    assert!(trial.send(tick()).is_empty());
    trial.clock += 1;
    let said = trial.send(tick());
    let order = trial.engine.sequence - 27;
    assert_eq!(
        said,
        [format!("cancelled {order} disconnect 1"), "session 1 ended Lapsed count 1".into()]
    );
    assert_eq!(trial.engine.wakes_at(), None);
}

#[test]
fn a_frame_of_the_holder_counts_before_what_is_due_at_its_stamp() {
    let mut trial = Trial::new();
    trial.send(bind(CLIENT, "a", 1));
    trial.writer = 2;
    assert!(go_on(&mut trial, 4 * SECOND).is_empty());
    trial.writer = 1;
    trial.clock += SECOND;
    assert!(trial.send(tick()).is_empty());
    trial.writer = 2;
    assert_eq!(go_on(&mut trial, 5 * SECOND), ["session 1 ended Lapsed count 0"]);
}

#[test]
fn the_lease_of_a_session_bound_anew_is_that_of_its_new_holder() {
    let mut trial = Trial::new();
    trial.send(bind(CLIENT, "moves", 1));
    trial.send(bind(CLIENT, "stays", 1));
    trial.send(order(CLIENT, 1, 10));
    let id = trial.engine.sequence;
    trial.writer = 2;
    go_on(&mut trial, 2 * SECOND);
    trial.send(bind(CLIENT, "moves", 1));
    assert_eq!(go_on(&mut trial, 4 * SECOND), ["session 2 ended Lapsed count 0"]);
    assert_eq!(trial.orders(CLIENT), [(id, 10, 1)]);
    assert!(go_on(&mut trial, 20 * SECOND).is_empty());
    // Its orders from before it was bound anew are its orders still.
    trial.writer = 3;
    let said = go_on(&mut trial, 5 * SECOND);
    assert_eq!(said[1], "session 1 ended Lapsed count 1");
}

#[test]
fn sessions_that_are_due_together_end_by_account_and_number_whoever_held_them() {
    let mut trial = Trial::new();
    trial.send(bind(OTHER, "a", 0));
    trial.writer = 2;
    trial.send(bind(CLIENT, "b", 0));
    trial.writer = 1;
    trial.send(bind(CLIENT, "c", 0));
    trial.writer = 3;
    let said = trial.wait(60 * SECOND);
    assert_eq!(
        said,
        [
            "session 2 ended Lapsed count 0",
            "session 3 ended Lapsed count 0",
            "session 1 ended Lapsed count 0",
        ]
    );
}

#[test]
fn orders_from_before_version_2_came_with_no_session() {
    let mut trial = Trial::new();
    trial.engine.rules_version = 1;
    assert!(trial.send(order(CLIENT, 1, 10))[0].starts_with("accepted"));
    trial.engine.rules_version = 2;
    trial.send(bind(CLIENT, "a", 1));
    let binding = trial.engine.sequence;
    let said = trial.send(end(CLIENT, 1, binding));
    assert_eq!(said, ["session 1 ended Requested count 0"]);
}
