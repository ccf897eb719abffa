//! What was seen: messages by action, mistakes by kind, crossed states by phase.

/// Letters of the actions that are counted, in the order of the counts; the last count is of
/// everything else.
pub const ACTIONS: [u8; 7] = *b"ACMRTFN";
pub const ACTION_COUNTS: usize = ACTIONS.len() + 1;
pub const PROBLEM_COUNTS: usize = 10;

/// What can be wrong with a record. Numbers and names: `ERROR_…` in Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Problem {
    DuplicateOrder = 1,
    UnknownCancel = 2,
    UnknownModify = 3,
    CancelTooLarge = 4,
    NoSide = 5,
    NoPrice = 6,
    NoSize = 7,
    UnknownAction = 8,
    NotMbo = 9,
}

/// Counts over all records applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub records: u64,
    /// Records that ended an event.
    pub events: u64,
    pub actions: [u64; ACTION_COUNTS],
    pub problems: [u64; PROBLEM_COUNTS],
}

impl Counts {
    pub fn mistakes(&self) -> u64 {
        self.problems.iter().sum()
    }
}

/// Place of every action in the counts. A table: actions follow no pattern to predict.
const ACTION_PLACES: [u8; 256] = {
    let mut places = [ACTIONS.len() as u8; 256];
    let mut at = 0;
    while at < ACTIONS.len() {
        places[ACTIONS[at] as usize] = at as u8;
        at += 1;
    }
    places
};

/// Place of an action in the counts.
#[inline(always)]
pub const fn action_place(action: u8) -> usize {
    ACTION_PLACES[action as usize] as usize % ACTION_COUNTS
}

/// Events after which a book was crossed, in one phase of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrossedPhase {
    pub events: u64,
    /// `ts_event` of the first and the last such event; 0 = none.
    pub first_ns: u64,
    pub last_ns: u64,
}

impl CrossedPhase {
    #[inline]
    pub fn note(&mut self, ts_event: u64) {
        if self.events == 0 {
            self.first_ns = ts_event;
        }
        self.last_ns = ts_event;
        self.events += 1;
    }
}
