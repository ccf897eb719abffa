//! Engine benchmarks. `python -m bench` runs this and shows the tables; results are JSON lines.

mod export;
mod flow;
mod frames;
mod measure;
mod memory;
mod model;
mod ops;
mod peers;
mod rng;
mod tradepit;

use flow::{ACCOUNTS, SHAPES, Size};
use frames::{Window, journal};
use measure::{Sample, median};
use serde_json::{Value, json};

const RESTING: usize = 110_000;
const SETTLE: usize = 2_000_000;
const MEASURED: usize = 1_000_000;
/// Keys of as many commands as came before the measured part stay in the window.
const WINDOW: Window = Window::of_commands(SETTLE);
const SEED: u64 = 20_240_229;

const USAGE: &str = "usage: tradepit-bench engine [--flow NAME] [--rounds N] [--alone]
       tradepit-bench memory | growth
       tradepit-bench export FOLDER --flow NAME --resting N --settle N --measured N \\
                             --window N --per-frame N";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("engine") => {
            let rounds = number(&arguments, "--rounds").unwrap_or(3);
            engine(rounds, value(&arguments, "--flow"), &arguments);
        }
        Some("memory") => println!("{}", memory::per_order()),
        Some("growth") => memory::growth(|line| println!("{line}")),
        Some("export") => export(&arguments),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
}

fn export(arguments: &[String]) {
    let count = |name: &str| number(arguments, name).unwrap_or_else(|| panic!("{name} is missing"));
    let wanted = export::Wanted {
        flow: value(arguments, "--flow").expect("--flow is missing").to_string(),
        resting: count("--resting"),
        settle: count("--settle"),
        measured: count("--measured"),
        window: count("--window"),
        per_frame: count("--per-frame"),
    };
    let folder = std::path::Path::new(arguments.get(1).expect("a folder"));
    export::write(&wanted, folder).expect("the folder can be written to");
}

fn number(arguments: &[String], name: &str) -> Option<usize> {
    value(arguments, name).map(|text| text.parse().expect("a number"))
}

fn value<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

fn size() -> Size {
    Size { resting: RESTING, accounts: ACCOUNTS, settle: SETTLE, measured: MEASURED }
}

/// Each flow through every engine, in turns.
fn engine(rounds: usize, only: Option<&str>, arguments: &[String]) {
    let alone = arguments.iter().any(|argument| argument == "--alone");
    for shape in SHAPES.into_iter().filter(|shape| only.is_none_or(|name| name == shape.name)) {
        let flow = flow::generate(shape, size(), SEED);
        let journal = journal(&flow, WINDOW);
        let mut samples: [Vec<Sample>; 3] = Default::default();
        for _ in 0..rounds {
            samples[0].push(tradepit::run(&journal));
            if !alone {
                samples[1].push(peers::matchcore_book::run(&flow));
                samples[2].push(peers::orderbook_rs_book::run(&flow));
            }
        }
        for (name, samples) in ["tradepit", "matchcore", "orderbook-rs"].iter().zip(&mut samples) {
            if !samples.is_empty() {
                println!("{}", line(flow.name, name, samples, &flow));
            }
        }
    }
}

fn line(flow_name: &str, engine: &str, samples: &mut [Sample], flow: &ops::Flow) -> Value {
    let middle = median(samples);
    let commands = (flow.ops.len() - flow.warm_up) as f64;
    json!({
        "flow": flow_name,
        "engine": engine,
        "commands": commands,
        "fills": middle.fills,
        "fills_expected": flow.fills,
        "events": middle.events,
        "rejects": middle.rejects,
        "resting": middle.resting,
        "keys": middle.keys,
        "ns_per_command": middle.ns as f64 / commands,
        "ns_per_command_min": samples[0].ns as f64 / commands,
        "ns_per_command_max": samples[samples.len() - 1].ns as f64 / commands,
    })
}
