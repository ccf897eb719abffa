//! Readers of streams, all on one core: cheap, because they share the machine with what they
//! measure. Every message of every reader is checked: it came once, in order. `python -m bench
//! fan-out` and `feed-latency` run this.
//!
//! It prints `ready` when every reader has what its stream begins with, `measured` when the time is
//! up, and one line of JSON when nothing comes any more.

mod arrivals;
mod message;
mod options;
mod reader;
mod readers;
mod report;
mod sequence;
mod wire;

use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match readers::run(&options) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", options.address);
            ExitCode::FAILURE
        }
    }
}
