//! Ordinary orders, read straight from what a client sent into the record of the journal.
//!
//! Only what is plainly in order is recognised: a limit order, good till cancelled, of an account
//! and an instrument that exist, written the usual way. Everything else is `None`, and the gateway
//! reads it the long way; nothing is ever refused here, so validation has one home.

use crate::engine::{Engine, Instrument};
use crate::wire::*;
use xxhash_rust::xxh3::xxh3_128;

/// Instruments are looked for one by one; beyond these the gateway's own table is faster.
const INSTRUMENTS_MAX: usize = 256;
/// Longest number: it fits 63 bits.
const DIGITS_MAX: usize = 18;
const KEY_MAX: usize = 64;
const NOT_PLAIN: [&str; 13] = [
    "time_in_force",
    "post_only",
    "client_order_id",
    "display_quantity",
    "stop_price",
    "trail_amount",
    "expires_at",
    "self_trade_prevention",
    "reduce_only",
    "valid_until",
    "order_id",
    "channel",
    "from",
];

/// An order for the journal, and whose it is.
pub struct Plain<'a> {
    pub record: PlaceOrder,
    pub client_id: &'a str,
}

/// A request for one order.
pub struct Request<'a> {
    pub order: Plain<'a>,
    /// Where the key's value begins; 0 = there is none.
    pub key_start: usize,
    pub body_start: usize,
}

/// A socket message that places an order.
pub struct Message<'a> {
    pub order: Plain<'a>,
    /// JSON of its id.
    pub id: &'a [u8],
}

/// Orders of one account.
pub struct Batch<'a> {
    pub records: Vec<u8>,
    pub count: usize,
    pub client_id: &'a str,
}

/// Fields of an order as they were found.
#[derive(Default)]
struct Fields<'a> {
    client_id: Option<&'a str>,
    instrument: Option<&'a str>,
    side: Option<&'a str>,
    order_type: Option<&'a str>,
    price: Option<&'a [u8]>,
    quantity: Option<&'a [u8]>,
    op: Option<&'a str>,
    id: Option<&'a [u8]>,
    key: Option<&'a str>,
}

/// A whole `POST /api/v1/orders` and nothing after it, with the Host given.
pub fn request<'a>(engine: &Engine, bytes: &'a [u8], host: &[u8]) -> Option<Request<'a>> {
    let head = Head::read(bytes)?;
    if host.is_empty() || head.host != Some(host) {
        return None;
    }
    let mut reader = Reader { bytes, at: head.end };
    let mut fields = Fields::default();
    reader.object(&mut fields)?;
    reader.end()?;
    let key = head.key.map(|(_, key)| key);
    Some(Request {
        order: order(engine, &fields, key)?,
        key_start: head.key.map_or(0, |(start, _)| start),
        body_start: head.end,
    })
}

/// A socket message `{"id": .., "op": "place", ..}`.
pub fn message<'a>(engine: &Engine, bytes: &'a [u8]) -> Option<Message<'a>> {
    let mut reader = Reader { bytes, at: 0 };
    let mut fields = Fields::default();
    reader.object(&mut fields)?;
    reader.end()?;
    if fields.op != Some("place") {
        return None;
    }
    let key = match fields.key {
        Some(text) => Some(visible(text.as_bytes())?),
        None => None,
    };
    Some(Message { order: order(engine, &fields, key)?, id: fields.id.unwrap_or(b"null") })
}

/// A body `{"client_id": .., "operations": [..]}` that only places orders of that account.
pub fn batch<'a>(
    engine: &Engine,
    body: &'a [u8],
    key: Option<&[u8]>,
    operations_max: usize,
) -> Option<Batch<'a>> {
    let mut reader = Reader { bytes: body, at: 0 };
    reader.token(b'{')?;
    reader.is_named("client_id")?;
    let client_id = reader.text()?;
    reader.token(b',')?;
    reader.is_named("operations")?;
    reader.token(b'[')?;
    let mut batch = Batch { records: Vec::with_capacity(body.len()), count: 0, client_id };
    let mut own_key = Vec::new();
    loop {
        let mut fields = Fields::default();
        reader.object(&mut fields)?;
        if fields.op != Some("place") || batch.count == operations_max {
            return None;
        }
        if *fields.client_id.get_or_insert(client_id) != client_id {
            return None;
        }
        let key = key.map(|key| {
            own_key.clear();
            own_key.extend_from_slice(key);
            own_key.extend_from_slice(format!("/{}", batch.count).as_bytes());
            &own_key[..]
        });
        batch.records.extend_from_slice(order(engine, &fields, key)?.record.as_bytes());
        batch.count += 1;
        match reader.next()? {
            b',' => {}
            b']' => break,
            _ => return None,
        }
    }
    reader.token(b'}')?;
    reader.end()?;
    Some(batch)
}

fn order<'a>(engine: &Engine, fields: &Fields<'a>, key: Option<&[u8]>) -> Option<Plain<'a>> {
    let client_id = fields.client_id?;
    let side = match fields.side? {
        "buy" | "BUY" => Side::Buy,
        "sell" | "SELL" => Side::Sell,
        _ => return None,
    };
    if !matches!(fields.order_type, None | Some("limit" | "LIMIT")) {
        return None;
    }
    let instrument = find(engine, fields.instrument?)?;
    let (tick, lot) = (instrument.tick_exponent, instrument.lot_exponent);
    if instrument.tick_mantissa != 1 || instrument.lot_mantissa != 1 {
        return None;
    }
    let hash = key.map(xxh3_128);
    let record = PlaceOrder {
        kind: CommandKind::PlaceOrder as u8,
        flags: if hash.is_some() { record_flag::KEY } else { 0 },
        side: side as u8,
        order_type: OrderType::Limit as u8,
        time_in_force: TimeInForce::Gtc as u8,
        self_trade_prevention: SelfTradePrevention::CancelTaker as u8,
        account: engine.ledger.number_of(client_id)?,
        instrument: instrument.number,
        key_low: hash.unwrap_or(0) as u64,
        key_high: (hash.unwrap_or(0) >> 64) as u64,
        price: units(fields.price?, tick)?,
        quantity: units(fields.quantity?, lot)?,
        definition_version: instrument.definition_version,
        ..PlaceOrder::default()
    };
    Some(Plain { record, client_id })
}

fn find<'a>(engine: &'a Engine, symbol: &str) -> Option<&'a Instrument> {
    let mut instruments = engine.instruments.iter().take(INSTRUMENTS_MAX);
    instruments.find(|instrument| instrument.symbol == symbol && !instrument.is_removed())
}

/// Whole steps above zero of a plain number, with no more places than the step has.
fn units(number: &[u8], exponent: u32) -> Option<i64> {
    let point = number.iter().position(|&byte| byte == b'.').unwrap_or(number.len());
    let (whole, fraction) = (&number[..point], number.get(point + 1..).unwrap_or(&[]));
    let missing = exponent.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    if whole.len() + fraction.len() > DIGITS_MAX {
        return None;
    }
    let digits = whole.iter().chain(fraction);
    let value = digits.fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    let units = value.checked_mul(10i64.checked_pow(missing)?)?;
    (units > 0).then_some(units)
}

fn whole_number(digits: &[u8]) -> Option<usize> {
    let is_short = (1..=DIGITS_MAX).contains(&digits.len());
    let is_number = is_short && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
}

fn visible(text: &[u8]) -> Option<&[u8]> {
    let is_visible = text.iter().all(|byte| (0x21..=0x7e).contains(byte));
    (is_visible && (1..=KEY_MAX).contains(&text.len())).then_some(text)
}

/// What the head of a request says.
struct Head<'a> {
    host: Option<&'a [u8]>,
    /// Where it begins, and its text.
    key: Option<(usize, &'a [u8])>,
    end: usize,
}

impl<'a> Head<'a> {
    /// Read a head whose body is the rest of the bytes.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let path = bytes.strip_prefix(b"POST /api/v1/orders")?;
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let rest = path.strip_prefix(b" HTTP/1.1\r\n")?;
        let mut at = bytes.len() - rest.len();
        let mut head = Self { host: None, key: None, end: 0 };
        let (mut length, mut has_type) = (None, false);
        loop {
            let line = &bytes[at..];
            if line.starts_with(b"\r\n") {
                head.end = at + 2;
                break;
            }
            let colon = line.iter().position(|&byte| byte == b':')?;
            let padding = usize::from(*line.get(colon + 1)? == b' ');
            let start = at + colon + 1 + padding;
            let size = bytes[start..].iter().position(|byte| !(0x21..=0x7e).contains(byte))?;
            let mut end = start + size;
            let name = &line[..colon];
            let value = &bytes[start..end];
            if name.eq_ignore_ascii_case(b"host") && head.host.is_none() {
                head.host = Some(value);
            } else if name.eq_ignore_ascii_case(b"content-length") && length.is_none() {
                length = Some(whole_number(value)?);
            } else if name.eq_ignore_ascii_case(b"content-type") && !has_type {
                has_type = value == b"application/json";
                if !has_type {
                    return None;
                }
            } else if name.eq_ignore_ascii_case(b"idempotency-key") && head.key.is_none() {
                head.key = Some((start, visible(value)?));
            } else if name.eq_ignore_ascii_case(b"connection") {
                if !value.eq_ignore_ascii_case(b"keep-alive") {
                    return None;
                }
            } else if [&b"accept"[..], b"accept-encoding", b"accept-language", b"user-agent"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
            {
                let blank = |byte: &u8| !(0x20..=0x7e).contains(byte);
                end = start + bytes[start..].iter().position(blank)?;
            } else {
                return None;
            }
            if !bytes[end..].starts_with(b"\r\n") {
                return None;
            }
            at = end + 2;
        }
        (length? == bytes.len() - head.end).then_some(head)
    }
}

/// Reads JSON of the ordinary kind: no escapes, no exponents, nothing nested, ASCII.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is not white space; it is passed.
    fn next(&mut self) -> Option<u8> {
        let rest = &self.bytes[self.at..];
        let blank = rest.iter().position(|byte| !b" \t\n\r".contains(byte))?;
        self.at += blank + 1;
        Some(rest[blank])
    }

    fn token(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn end(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        self.rest_of_text()
    }

    fn rest_of_text(&mut self) -> Option<&'a str> {
        let rest = &self.bytes[self.at..];
        let is_end = |byte: &u8| matches!(byte, b'"' | b'\\') || !(0x20..=0x7e).contains(byte);
        let size = rest.iter().position(is_end)?;
        if rest[size] != b'"' {
            return None;
        }
        self.at += size + 1;
        std::str::from_utf8(&rest[..size]).ok()
    }

    fn is_named(&mut self, name: &str) -> Option<()> {
        (self.text()? == name).then_some(())?;
        self.token(b':')
    }

    /// A text or a number: its JSON.
    fn scalar(&mut self) -> Option<&'a [u8]> {
        let first = self.next()?;
        let start = self.at - 1;
        if first == b'"' {
            self.rest_of_text()?;
        } else {
            let rest = &self.bytes[start..];
            let size = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'.'))?;
            decimal(&rest[..size])?;
            self.at = start + size;
        }
        Some(&self.bytes[start..self.at])
    }

    /// A decimal, as a number or a text.
    fn decimal(&mut self) -> Option<&'a [u8]> {
        let json = self.scalar()?;
        let bare = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
        decimal(bare.unwrap_or(json))
    }

    /// A flat object; each field at most once.
    fn object(&mut self, fields: &mut Fields<'a>) -> Option<()> {
        self.token(b'{')?;
        loop {
            let name = self.text()?;
            self.token(b':')?;
            self.field(name, fields)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn field(&mut self, name: &str, fields: &mut Fields<'a>) -> Option<()> {
        match name {
            "client_id" => once(&mut fields.client_id, self.text()?),
            "instrument" => once(&mut fields.instrument, self.text()?),
            "side" => once(&mut fields.side, self.text()?),
            "type" => once(&mut fields.order_type, self.text()?),
            "price" => once(&mut fields.price, self.decimal()?),
            "quantity" => once(&mut fields.quantity, self.decimal()?),
            "op" => once(&mut fields.op, self.text()?),
            "id" => once(&mut fields.id, self.scalar()?),
            "idempotency_key" => once(&mut fields.key, self.text()?),
            name if NOT_PLAIN.contains(&name) => None,
            _ => self.scalar().map(|_| ()),
        }
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// The bytes, when they are digits with at most one point between them and no idle zero before.
fn decimal(bytes: &[u8]) -> Option<&[u8]> {
    let mut parts = bytes.split(|&byte| byte == b'.');
    let whole = parts.next()?;
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let has_idle_zero = whole.len() > 1 && whole[0] == b'0';
    let fraction_is_fine = parts.next().is_none_or(is_number);
    let is_fine = is_number(whole) && !has_idle_zero && fraction_is_fine && parts.next().is_none();
    is_fine.then_some(bytes)
}
