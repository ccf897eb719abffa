//! Which symbol an instrument number stands for, day by day, ready to be written.

/// One symbol of an instrument from a time up to, not including, another; ns since the epoch.
struct Days {
    instrument: u32,
    start_ns: u64,
    end_ns: u64,
    /// Whole, with the comma behind it: `"instrument":"ESH4",`.
    field: Vec<u8>,
}

/// Symbols by instrument number.
#[derive(Default)]
pub struct Symbols {
    /// By instrument, then by start.
    days: Vec<Days>,
}

impl Symbols {
    /// From instrument, symbol, start and end each.
    pub fn new(mappings: impl IntoIterator<Item = (u32, String, u64, u64)>) -> Self {
        let days = mappings.into_iter().map(|(instrument, symbol, start_ns, end_ns)| {
            let mut json = crate::json::Json::default();
            json.raw("\"instrument\":");
            json.string(&symbol);
            json.raw(",");
            Days { instrument, start_ns, end_ns, field: json.into_bytes() }
        });
        let mut days: Vec<_> = days.collect();
        days.sort_by_key(|days| (days.instrument, days.start_ns));
        Self { days }
    }

    /// The field of an instrument at a time; out of all its days the last one; empty without any.
    #[inline]
    pub fn field(&self, instrument: u32, time_ns: u64) -> &[u8] {
        let start = self.days.partition_point(|days| days.instrument < instrument);
        let mut found: &[u8] = &[];
        for days in self.days[start..].iter().take_while(|days| days.instrument == instrument) {
            found = &days.field;
            if days.start_ns <= time_ns && time_ns < days.end_ns {
                break;
            }
        }
        found
    }
}
