//! Frames: cutting journal bytes into commands, and checking them.

use crate::wire::{
    FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, RECORD_BYTES, SCHEMA_VERSION, Wire,
};

/// Why bytes are not a run of good frames. The names are part of the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes end inside a frame.
    Short,
    /// Only zeros where a frame would begin: preallocated space.
    Zeros,
    Magic,
    Version,
    Crc,
    Chain,
    Sequence,
    Length,
    Padding,
    Text,
}

impl Problem {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Zeros => "zeros",
            Self::Magic => "magic",
            Self::Version => "version",
            Self::Crc => "crc",
            Self::Chain => "chain",
            Self::Sequence => "sequence",
            Self::Length => "length",
            Self::Padding => "padding",
            Self::Text => "text",
        }
    }
}

/// One frame inside a buffer.
pub struct Frame<'a> {
    pub header: FrameHeader,
    pub records: &'a [u8],
    pub texts: &'a [u8],
    pub bytes: usize,
}

/// No frame is larger; a length beyond it is damage, not a reason to allocate.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

impl<'a> Frame<'a> {
    /// Cut the frame at the front of `bytes`, checking its shape but not its checksum.
    pub fn cut(bytes: &'a [u8]) -> Result<Self, Problem> {
        if bytes.len() < FRAME_HEADER_BYTES {
            let zeros = bytes.iter().all(|&b| b == 0);
            return Err(if zeros { Problem::Zeros } else { Problem::Short });
        }
        let header = FrameHeader::from_bytes(bytes);
        if header.magic != FRAME_MAGIC {
            let zeros = bytes[..FRAME_HEADER_BYTES].iter().all(|&b| b == 0);
            return Err(if zeros { Problem::Zeros } else { Problem::Magic });
        }
        if header.schema_version != SCHEMA_VERSION {
            return Err(Problem::Version);
        }
        let records = header.record_count as usize * RECORD_BYTES;
        let texts = header.text_bytes as usize;
        let total = FRAME_HEADER_BYTES + records + texts.next_multiple_of(8);
        if header.record_count == 0 || total > FRAME_BYTES_MAX || header.reserved != 0 {
            return Err(Problem::Length);
        }
        if bytes.len() < total {
            return Err(Problem::Short);
        }
        let text_start = FRAME_HEADER_BYTES + records;
        if bytes[text_start + texts..total].iter().any(|&b| b != 0) {
            return Err(Problem::Padding);
        }
        Ok(Self {
            header,
            records: &bytes[FRAME_HEADER_BYTES..text_start],
            texts: &bytes[text_start..text_start + texts],
            bytes: total,
        })
    }
}

/// CRC-32 of a whole frame, its own crc field taken as zero.
pub fn frame_crc(frame: &[u8]) -> u32 {
    const CRC_AT: usize = FRAME_HEADER_BYTES - 4;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..CRC_AT]);
    hasher.update(&[0; 4]);
    hasher.update(&frame[FRAME_HEADER_BYTES..]);
    hasher.finalize()
}

/// What `scan` found from the start of a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    pub valid_bytes: usize,
    pub frames: u64,
    pub last_sequence: u64,
    pub last_crc: u32,
    pub last_time_ns: i64,
    pub problem: Option<Problem>,
}

/// Check whole frames: shape, checksum, chain of checksums, dense sequences.
pub fn scan(buffer: &[u8], first_sequence: u64, previous_crc: u32) -> Scan {
    let mut found = Scan {
        last_sequence: first_sequence.saturating_sub(1),
        last_crc: previous_crc,
        ..Scan::default()
    };
    while found.valid_bytes < buffer.len() {
        let rest = &buffer[found.valid_bytes..];
        let checked = Frame::cut(rest).and_then(|frame| check(rest, frame, &found));
        match checked {
            Ok(frame) => {
                found.valid_bytes += frame.bytes;
                found.frames += 1;
                found.last_sequence += u64::from(frame.header.record_count);
                found.last_crc = frame.header.crc;
                found.last_time_ns = frame.header.time_ns;
            }
            Err(problem) => {
                found.problem = Some(problem);
                break;
            }
        }
    }
    found
}

fn check<'a>(bytes: &[u8], frame: Frame<'a>, before: &Scan) -> Result<Frame<'a>, Problem> {
    if frame_crc(&bytes[..frame.bytes]) != frame.header.crc {
        return Err(Problem::Crc);
    }
    if frame.header.previous_crc != before.last_crc {
        return Err(Problem::Chain);
    }
    if frame.header.first_sequence != before.last_sequence + 1 {
        return Err(Problem::Sequence);
    }
    Ok(frame)
}

/// Reads a frame's texts in record order.
pub struct TextReader<'a> {
    rest: &'a [u8],
}

impl<'a> TextReader<'a> {
    pub const fn new(texts: &'a [u8]) -> Self {
        Self { rest: texts }
    }

    /// The next text; `None` when the bytes are short or not UTF-8.
    pub fn next_text(&mut self) -> Option<&'a str> {
        let (length, rest) = self.rest.split_at_checked(2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (text, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}
