//! Clients of an order entry port, all on one core: cheap, because they share the machine with what
//! they measure. `python -m bench.order_entry` and its neighbours run this; it prints one JSON line.

mod connection;
mod load;
mod options;
mod orders;
mod report;
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
    match load::run(&options) {
        Ok(report) => {
            println!("{}", report.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", options.address);
            ExitCode::FAILURE
        }
    }
}
