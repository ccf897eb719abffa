//! Limit orders around one price, on ten instruments, of many accounts: about half of them trade.

use crate::options::Options;
use std::io::Write;

const SYMBOLS: [&str; 10] = [
    "BTC-USD",
    "ETH-USD",
    "SOL-USD",
    "BNB-USD",
    "XRP-USD",
    "ADA-USD",
    "DOGE-USD",
    "DOT-USD",
    "MATIC-USD",
    "LTC-USD",
];
const MIDDLE_CENTS: u64 = 7_050_000;
const SPREAD_CENTS: u64 = 10_000;
/// Small, so that an account can afford thousands.
const LOTS_MIN: u64 = 10;
const LOTS_MAX: u64 = 99;

pub struct Orders {
    state: u64,
    run: String,
    /// Keys given out.
    pub made: u64,
    accounts: u64,
    in_turn: bool,
}

impl Orders {
    pub fn new(options: &Options) -> Self {
        let seed = options.run.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self {
            state: seed | 1,
            run: options.run.clone(),
            made: 0,
            accounts: options.accounts,
            in_turn: options.open_accounts,
        }
    }

    /// xorshift64*: a number below the bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    /// The next idempotency key: never the same twice.
    pub fn write_key(&mut self, out: &mut Vec<u8>) {
        self.made += 1;
        write!(out, "{}-{}", self.run, self.made).expect("memory");
    }

    pub fn account(&mut self) -> u64 {
        if self.in_turn { (self.made - 1) % self.accounts } else { self.below(self.accounts) }
    }

    pub fn side(&mut self) -> &'static str {
        if self.below(2) == 0 { "BUY" } else { "SELL" }
    }

    /// The fields of an order, without braces and without the account.
    pub fn write_order(&mut self, side: &str, out: &mut Vec<u8>) {
        let symbol = SYMBOLS[self.below(SYMBOLS.len() as u64) as usize];
        let cents = MIDDLE_CENTS - SPREAD_CENTS + self.below(2 * SPREAD_CENTS);
        let lots = LOTS_MIN + self.below(LOTS_MAX - LOTS_MIN);
        write!(
            out,
            "\"instrument\":\"{symbol}\",\"side\":\"{side}\",\"type\":\"LIMIT\",\
             \"price\":{}.{:02},\"quantity\":0.{lots:04}",
            cents / 100,
            cents % 100
        )
        .expect("memory");
    }
}
