//! Firms: budgets, makers and their leases, which maker makes which instrument (sections 17, 18).

use crate::engine::{Engine, Outcome};
use crate::wire::*;

#[derive(Default)]
pub struct Firms {}

impl Engine {
    pub(crate) fn define_firm(&mut self, c: &DefineFirm) -> Outcome {
        let _ = c;
        unimplemented!()
    }

    pub(crate) fn set_firm_symbol(&mut self, c: &SetFirmSymbol) -> Outcome {
        let _ = c;
        unimplemented!()
    }

    pub(crate) fn maker_heartbeat(
        &mut self,
        account: u32,
        mode: u8,
        epoch: u64,
        name: &str,
    ) -> Outcome {
        let _ = (account, mode, epoch, name);
        unimplemented!()
    }

    pub(crate) fn maker_lapses(&mut self, account: u32, maker: u32) {
        let _ = (account, maker);
        unimplemented!()
    }
}
