//! Finds an order's number in the history by its id, without a search.

/// Blocks of 64 sequences that are covered: the last four million sequences.
const BLOCKS: usize = 1 << 16;

/// Which sequences of a block placed orders, and the number of the first of them.
#[derive(Clone, Copy)]
struct Block {
    block: u64,
    bits: u64,
    first: u64,
}

/// Where an id stands.
pub enum Found {
    At(u64),
    Nowhere,
    /// Before the blocks that are covered.
    TooOld,
}

/// Orders come in ascending order of their ids, so counting bits numbers them.
pub struct Numbers(Vec<Block>);

impl Default for Numbers {
    fn default() -> Self {
        Self(vec![Block { block: 0, bits: 0, first: 0 }; BLOCKS])
    }
}

impl Numbers {
    /// The order with this id, higher than all before, has this number, one above the last.
    #[inline]
    pub fn set(&mut self, id: u64, number: u64) {
        let block = id / 64;
        let entry = &mut self.0[block as usize % BLOCKS];
        if entry.block != block || entry.bits == 0 {
            *entry = Block { block, bits: 0, first: number };
        }
        entry.bits |= 1 << (id % 64);
    }

    #[inline]
    pub fn find(&self, id: u64) -> Found {
        let block = id / 64;
        let entry = &self.0[block as usize % BLOCKS];
        if entry.block > block {
            return Found::TooOld;
        }
        let bit = 1 << (id % 64);
        if entry.block < block || entry.bits & bit == 0 {
            return Found::Nowhere;
        }
        Found::At(entry.first + u64::from((entry.bits & (bit - 1)).count_ones()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_order_of_ids_and_old_blocks_give_way() {
        let mut numbers = Numbers::default();
        let ids = [1, 2, 63, 64, 70, 5_000, 64 * BLOCKS as u64 + 2];
        for (number, id) in ids.into_iter().enumerate() {
            numbers.set(id, 10 + number as u64);
        }
        assert!(matches!(numbers.find(70), Found::At(14)));
        assert!(matches!(numbers.find(71), Found::Nowhere));
        assert!(matches!(numbers.find(6_000), Found::Nowhere));
        assert!(matches!(numbers.find(63), Found::TooOld), "its block was taken over");
        assert!(matches!(numbers.find(64 * BLOCKS as u64 + 2), Found::At(16)));
    }
}
