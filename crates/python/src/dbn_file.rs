//! Order-by-order records of a DBN file, read through the format's own library.
//!
//! Versions 1 to 3, plain or zstd, whole or a fragment without a header. The library's state
//! machine reads the header and cuts the bytes into records; runs of order-by-order ones are handed
//! on where they lie (they look the same in every version), others are counted. Whatever is wrong with a file comes up only
//! after everything before it was delivered.

use dbn::decode::DynReader;
use dbn::decode::dbn::fsm::{DbnFsm, ProcessResult};
use dbn::enums::rtype;
use dbn::{Metadata, RType, VersionUpgradePolicy};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use tradepit_core::mbo::RECORD_BYTES;

pub type RecordBytes = [u8; RECORD_BYTES];

/// What one read asks the file for.
const FILE_BYTES: usize = 256 << 10;
/// Decompressed bytes on their way to records: they fit into the second level cache.
const BUFFER_BYTES: usize = 128 << 10;
/// Enough to tell a header from a record from anything else.
const START_BYTES: usize = 16;
const MAGIC: &[u8] = b"DBN";
const LEGACY_NAME: &[u8] = b"DBZ";
/// Second to fourth byte of every skippable zstd frame.
const LEGACY_FRAME: [u8; 3] = [0x2a, 0x4d, 0x18];
/// The version a fragment is read as: order-by-order records are the same in all.
const FRAGMENT_VERSION: u8 = 3;
const WORD_BYTES: usize = 4;
const LENGTH_WORDS: u8 = (RECORD_BYTES / WORD_BYTES) as u8;
/// With the time of sending behind it, as live data can have it.
const LENGTH_WORDS_TS_OUT: u8 = LENGTH_WORDS + 2;

/// Why a file cannot be read, or not on.
pub enum Trouble {
    /// The file itself: not there, not readable.
    File(std::io::Error),
    /// Its content, in words.
    Content(String),
}

pub struct DbnFile {
    reader: DynReader<'static, BufReader<File>>,
    fsm: DbnFsm,
    pub metadata: Option<Metadata>,
    /// Decompressed bytes taken in.
    taken: u64,
    /// Records of all kinds seen, order-by-order or not.
    pub records: u64,
    /// Records passed over, by record type.
    pub skipped: BTreeMap<u8, u64>,
    /// What ended the reading, to be told once all before it was delivered.
    trouble: Option<Trouble>,
    is_at_end: bool,
    pub file_bytes: u64,
}

impl DbnFile {
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let file = File::open(path).map_err(Trouble::File)?;
        let file_bytes = file.metadata().map_err(Trouble::File)?.len();
        let mut file = BufReader::with_capacity(FILE_BYTES, file);
        if is_legacy(file.fill_buf().map_err(Trouble::File)?) {
            return Err(Trouble::Content(
                "a legacy DBZ file, which is not read; the format's `dbn` tool can convert it"
                    .into(),
            ));
        }
        let content = |error: dbn::Error| Trouble::Content(error.to_string());
        let mut reader = DynReader::inferred_with_buffer(file).map_err(content)?;
        let start = read_start(&mut reader)?;
        let is_fragment = !start.starts_with(MAGIC);
        if is_fragment && !could_be_record(&start) {
            return Err(Trouble::Content("no DBN file, whole or fragment".into()));
        }
        let builder = DbnFsm::builder()
            .upgrade_policy(VersionUpgradePolicy::AsIs)
            .buffer_size(BUFFER_BYTES)
            .skip_metadata(is_fragment)
            .input_dbn_version(is_fragment.then_some(FRAGMENT_VERSION))
            .map_err(content)?;
        let mut fsm = builder.build().map_err(content)?;
        fsm.write_all(&start);
        let mut file = Self {
            reader,
            fsm,
            metadata: None,
            taken: start.len() as u64,
            records: 0,
            skipped: BTreeMap::new(),
            trouble: None,
            is_at_end: false,
            file_bytes,
        };
        if !is_fragment {
            file.read_metadata()?;
        }
        Ok(file)
    }

    fn read_metadata(&mut self) -> Result<(), Trouble> {
        loop {
            match self.fsm.process() {
                ProcessResult::Metadata(metadata) => {
                    self.metadata = Some(metadata);
                    return Ok(());
                }
                ProcessResult::ReadMore(_) if self.take_in()? => {}
                ProcessResult::ReadMore(_) => {
                    let text = format!("ends inside its header, at byte {}", self.taken);
                    return Err(Trouble::Content(text));
                }
                ProcessResult::Err(error) => return Err(Trouble::Content(error.to_string())),
                ProcessResult::Record(()) => unreachable!("a header comes before records"),
            }
        }
    }

    /// Bytes of the file taken in so far, compressed ones as they are.
    pub fn file_bytes_read(&mut self) -> u64 {
        use std::io::Seek;
        self.reader.get_mut().stream_position().unwrap_or_default()
    }

    /// Hand on about `count` order-by-order records, at least one, unless the end has come; how
    /// many. An error says what is wrong at the place that has been reached, after a call that
    /// handed on what comes before it.
    pub fn read(
        &mut self,
        count: usize,
        mut sink: impl FnMut(&[RecordBytes]),
    ) -> Result<usize, Trouble> {
        let (mut read, wanted) = (0, count.max(1));
        while read < wanted && !self.is_at_end {
            match self.step(wanted - read, &mut sink) {
                Ok(records) => read += records,
                Err(trouble) => {
                    self.is_at_end = true;
                    self.trouble = Some(trouble);
                }
            }
        }
        match self.trouble.take_if(|_| read == 0) {
            Some(trouble) => Err(trouble),
            None => Ok(read),
        }
    }

    /// Hand on what is in the buffer, at most so many records, or take more in.
    fn step(
        &mut self,
        count: usize,
        sink: &mut impl FnMut(&[RecordBytes]),
    ) -> Result<usize, Trouble> {
        // The common case, without a copy: bytes that the library has not cut yet.
        let run = plain_run(self.fsm.data(), count);
        if !run.is_empty() {
            let (records, bytes) = (run.len(), size_of_val(run));
            sink(run);
            self.fsm.skip(bytes);
            self.records += records as u64;
            return Ok(records);
        }
        match self.fsm.process() {
            ProcessResult::Record(()) => {
                let record = self.fsm.last_record().expect("one was cut");
                let (bytes, number): (&[u8], _) = (record.as_ref(), self.records);
                self.records += 1;
                if bytes[1] != rtype::MBO {
                    *self.skipped.entry(bytes[1]).or_default() += 1;
                    return Ok(0);
                }
                let record = without_time_sent(bytes).ok_or_else(|| {
                    let length = bytes.len();
                    Trouble::Content(format!("record {number} is an MBO record of {length} bytes"))
                })?;
                sink(&[record]);
                Ok(1)
            }
            ProcessResult::ReadMore(_) => match self.take_in() {
                Ok(true) => Ok(0),
                Ok(false) => self.end().map(|()| 0),
                Err(trouble) => Err(trouble),
            },
            ProcessResult::Err(error) => {
                Err(Trouble::Content(format!("{}: {error}", self.place())))
            }
            ProcessResult::Metadata(_) => {
                Err(Trouble::Content(format!("{}: a second header", self.place())))
            }
        }
    }

    fn end(&mut self) -> Result<(), Trouble> {
        self.is_at_end = true;
        match self.fsm.data().len() {
            0 => Ok(()),
            left => Err(Trouble::Content(format!(
                "{} is cut short: {left} bytes of it are there",
                self.place()
            ))),
        }
    }

    /// Read on; whether there was anything.
    fn take_in(&mut self) -> Result<bool, Trouble> {
        match self.reader.read(self.fsm.space()) {
            Ok(0) => Ok(false),
            Ok(bytes) => {
                self.fsm.fill(bytes);
                self.taken += bytes as u64;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.raw_os_error().is_some() => Err(Trouble::File(error)),
            Err(error) => Err(Trouble::Content(format!("{}: {error}", self.place()))),
        }
    }

    /// Where the next record begins.
    fn place(&self) -> String {
        let byte = self.taken - self.fsm.data().len() as u64;
        let what = if self.reader.is_compressed() { "decompressed byte" } else { "byte" };
        format!("record {} at {what} {byte}", self.records)
    }
}

/// Whether a file that begins so is of the format's first form: a skippable zstd frame and a name.
fn is_legacy(start: &[u8]) -> bool {
    start.get(8..11) == Some(LEGACY_NAME) && start[1..4] == LEGACY_FRAME
}

/// The first bytes, fewer when there are no more.
fn read_start(reader: &mut impl Read) -> Result<Vec<u8>, Trouble> {
    let mut start = Vec::with_capacity(START_BYTES);
    let done = reader.take(START_BYTES as u64).read_to_end(&mut start);
    match done {
        Err(error) if error.raw_os_error().is_some() => Err(Trouble::File(error)),
        Err(error) => Err(Trouble::Content(error.to_string())),
        Ok(_) => Ok(start),
    }
}

/// Whether a file that begins so can be records without a header.
fn could_be_record(start: &[u8]) -> bool {
    let [words, kind, ..] = start else { return false };
    usize::from(*words) * WORD_BYTES >= START_BYTES && RType::try_from(*kind).is_ok()
}

/// The order-by-order records without a time of sending that bytes begin with, at most `count`.
#[inline]
fn plain_run(bytes: &[u8], count: usize) -> &[RecordBytes] {
    let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
    let records = &records[..records.len().min(count)];
    let is_other = |record: &RecordBytes| record[..2] != [LENGTH_WORDS, rtype::MBO];
    &records[..records.iter().position(is_other).unwrap_or(records.len())]
}

/// An order-by-order record that a time of sending follows.
fn without_time_sent(bytes: &[u8]) -> Option<RecordBytes> {
    let mut record = *bytes.first_chunk::<RECORD_BYTES>()?;
    let is_right = record[0] == LENGTH_WORDS_TS_OUT;
    record[0] = LENGTH_WORDS;
    is_right.then_some(record)
}
