//! Which maker of a firm makes which instrument (section 18): evenly, with as few moves as possible.

use crate::engine::Engine;
use crate::wire::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Owners of instruments after makers or instruments came or went; 0 = nobody.
///
/// `owners` is as it was before, and may name makers that are gone; `makers` are the live ones,
/// ascending.
pub fn assigned(owners: &BTreeMap<u32, u32>, makers: &[u32]) -> BTreeMap<u32, u32> {
    let mut after: BTreeMap<u32, u32> = owners.keys().map(|&instrument| (instrument, 0)).collect();
    if makers.is_empty() {
        return after;
    }
    let mut owned: BTreeMap<u32, Vec<u32>> = makers.iter().map(|&maker| (maker, vec![])).collect();
    for (&instrument, owner) in owners {
        if let Some(instruments) = owned.get_mut(owner) {
            instruments.push(instrument);
        }
    }
    let mut open = Vec::new();
    for (maker, quota) in quotas(&owned, owners.len()) {
        let instruments = &owned[&maker];
        let kept = instruments.len().min(quota);
        for &instrument in &instruments[..kept] {
            after.insert(instrument, maker);
        }
        open.push((maker, quota - kept));
    }
    open.sort_unstable();
    let mut places = open.into_iter().flat_map(|(maker, room)| std::iter::repeat_n(maker, room));
    for owner in after.values_mut().filter(|owner| **owner == 0) {
        *owner = places.next().expect("quotas sum up to the instruments");
    }
    after
}

/// How many instruments each maker may own: those that own most have the higher quota.
fn quotas(owned: &BTreeMap<u32, Vec<u32>>, instruments: usize) -> Vec<(u32, usize)> {
    let (each, more) = (instruments / owned.len(), instruments % owned.len());
    let mut makers: Vec<u32> = owned.keys().copied().collect();
    makers.sort_by_key(|maker| Reverse(owned[maker].len()));
    let quota = |rank: usize| each + usize::from(rank < more);
    makers.into_iter().enumerate().map(|(rank, maker)| (maker, quota(rank))).collect()
}

impl Engine {
    /// Makers or instruments of a firm came or went.
    pub(crate) fn assign(&mut self, account: u32) {
        let firm = self.firms.get_mut(account).expect("only firms have makers and instruments");
        let makers: Vec<u32> = firm.makers.keys().copied().collect();
        let after = assigned(&firm.owners, &makers);
        let before = std::mem::replace(&mut firm.owners, after);
        let changed =
            firm.owners.iter().filter(|(instrument, owner)| before[instrument] != **owner);
        for (&instrument, &maker) in changed {
            self.output.push(&SymbolAssigned {
                kind: EventKind::SymbolAssigned as u8,
                sequence: self.sequence,
                account,
                instrument,
                maker,
                previous_maker: before[&instrument],
                ..Default::default()
            });
        }
    }
}

#[cfg(test)]
mod tests;
