//! Sessions of accounts, held by the node whose connection they are (section 16).

use crate::engine::{Engine, Outcome};
use crate::wire::*;

#[derive(Default)]
pub struct Sessions {}

impl Sessions {
    /// A frame of this writer reached this market time: its sessions live on.
    #[inline(always)]
    pub fn seen(&mut self, incarnation: u64, now: i64) {
        let _ = (incarnation, now);
    }
}

impl Engine {
    pub(crate) fn bind_session(&mut self, account: u32, mode: u8, name: &str) -> Outcome {
        let _ = (account, mode, name);
        unimplemented!()
    }

    pub(crate) fn end_session(&mut self, account: u32, c: &EndSession) -> Outcome {
        let _ = (account, c);
        unimplemented!()
    }

    /// A lease may be over.
    pub(crate) fn session_lapses(&mut self, account: u32, session: u32) {
        let _ = (account, session);
        unimplemented!()
    }
}
