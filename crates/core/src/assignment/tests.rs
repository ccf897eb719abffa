use super::*;
use crate::session::random::Random;
use std::collections::BTreeSet;

fn counts(owners: &BTreeMap<u32, u32>, makers: &[u32]) -> Vec<usize> {
    makers.iter().map(|maker| owners.values().filter(|owner| *owner == maker).count()).collect()
}

fn moves(before: &BTreeMap<u32, u32>, after: &BTreeMap<u32, u32>) -> usize {
    before.iter().filter(|(instrument, owner)| after[instrument] != **owner).count()
}

fn is_even(owners: &BTreeMap<u32, u32>, makers: &[u32]) -> bool {
    let counts = counts(owners, makers);
    counts.iter().sum::<usize>() == owners.len()
        && counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
}

/// The fewest moves of all even assignments.
fn fewest_moves(before: &BTreeMap<u32, u32>, makers: &[u32]) -> usize {
    let instruments: Vec<u32> = before.keys().copied().collect();
    let choices = makers.len().pow(instruments.len() as u32);
    let assignment = |mut choice: usize| {
        let owner = |&instrument: &u32| {
            let maker = makers[choice % makers.len()];
            choice /= makers.len();
            (instrument, maker)
        };
        instruments.iter().map(owner).collect::<BTreeMap<_, _>>()
    };
    let even = (0..choices).map(assignment).filter(|after| is_even(after, makers));
    even.map(|after| moves(before, &after)).min().expect("some assignment is even")
}

#[test]
fn every_small_change_is_even_and_moves_as_few_as_possible() {
    // Owners before: nobody, one of the live makers 2, 4, 6, or 5, who is gone.
    for instruments in 0..=5u32 {
        for live in [&[2][..], &[2, 4], &[2, 4, 6]] {
            let owners_before: Vec<u32> = [0, 5].iter().chain(live).copied().collect();
            for choice in 0..owners_before.len().pow(instruments) {
                let mut rest = choice;
                let owner = |instrument: u32| {
                    let owner = owners_before[rest % owners_before.len()];
                    rest /= owners_before.len();
                    (instrument, owner)
                };
                let before: BTreeMap<u32, u32> = (1..=instruments).map(owner).collect();
                let after = assigned(&before, live);
                assert!(is_even(&after, live), "{before:?} {live:?} {after:?}");
                let fewest = fewest_moves(&before, live);
                assert_eq!(moves(&before, &after), fewest, "{before:?} {live:?} {after:?}");
            }
        }
    }
}

#[test]
fn nobody_owns_anything_without_makers() {
    let before = BTreeMap::from([(1, 3), (2, 0)]);
    assert_eq!(assigned(&before, &[]), BTreeMap::from([(1, 0), (2, 0)]));
}

#[test]
fn those_that_own_most_keep_the_higher_quota_and_give_up_their_highest() {
    let before = BTreeMap::from([(1, 7), (2, 7), (3, 7), (4, 7), (5, 9)]);
    let after = assigned(&before, &[7, 8, 9]);
    // Quotas: 7 and, after it by number, 8? No: 9 owns more than 8.
    assert_eq!(after, BTreeMap::from([(1, 7), (2, 7), (3, 8), (4, 9), (5, 9)]));
}

#[test]
fn open_instruments_go_by_number_to_the_first_maker_with_room() {
    let before = (1..=5).map(|instrument| (instrument, 0)).collect();
    let after = assigned(&before, &[3, 4]);
    assert_eq!(after, BTreeMap::from([(1, 3), (2, 3), (3, 3), (4, 4), (5, 4)]));
}

#[test]
fn many_changes_in_a_row_stay_even_and_move_no_more_than_they_must() {
    let seed = 11;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut makers, mut owners) = (BTreeSet::new(), BTreeMap::new());
    for number in 1..=400u32 {
        match random.below(4) {
            0 => _ = makers.insert(number),
            1 => _ = makers.pop_first(),
            2 => _ = owners.insert(number, 0),
            _ => _ = owners.pop_last(),
        }
        let live: Vec<u32> = makers.iter().copied().collect();
        let after = assigned(&owners, &live);
        if live.is_empty() {
            assert!(after.values().all(|&owner| owner == 0));
        } else {
            assert!(is_even(&after, &live), "seed {seed}");
            // One maker or instrument came or went: at most one share moves.
            let share = owners.len() / live.len() + 1;
            let lost = owners.values().filter(|owner| !makers.contains(owner)).count();
            assert!(moves(&owners, &after) <= lost + share, "seed {seed}");
        }
        owners = after;
    }
}
