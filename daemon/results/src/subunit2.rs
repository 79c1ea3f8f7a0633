//! subunit, version 2, read. The crate of that name is not asked: a packet whose strings reach into its own checksum makes it
//! panic, and anybody can write one. Format: subunit's README, version 2.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::case::{Attachment, Case, bounded};
use crate::error::{ResultsError, no_more};
use crate::identity::{Identity, series_of};
use crate::limits::{LONGEST_NAME, MOST_ATTACHMENTS, MOST_CASES};
use crate::run::Document;
use crate::subunit_status::{Ended, Status};

const SIGNATURE: u8 = 0xb3;
const VERSION: u16 = 0x2000;
const HAS_ID: u16 = 0x0800;
const HAS_ROUTE: u16 = 0x0400;
const HAS_TIMESTAMP: u16 = 0x0200;
const HAS_TAGS: u16 = 0x0080;
const HAS_FILE: u16 = 0x0040;
const HAS_MIME: u16 = 0x0020;
const MUST_BE_ZERO: u16 = 0x0008;
const STATUS: u16 = 0x0007;
/// A packet's length, itself and all included.
const LARGEST_PACKET: usize = 4_194_303;
const CHECKSUM: usize = 4;
/// How often the stream's length may be digested in vain: what is no packet may look like the beginning of one.
const VAIN: usize = 4;

/// Reads a stream. What is between packets is skipped; a packet that is cut off at the end, too.
///
/// # Errors
/// There is no packet in it, there is too much of it, or hardly anything of it is packets.
pub fn parse(bytes: &[u8]) -> Result<Document, ResultsError> {
    let mut stream = Stream::default();
    let mut rest = bytes;
    let mut packets = 0_u64;
    let mut in_vain = 0;
    while let Some(at) = memchr::memchr(SIGNATURE, rest) {
        rest = &rest[at..];
        match packet(rest) {
            Ok((packet, length)) => {
                packets += 1;
                stream.take(&packet)?;
                rest = &rest[length..];
            }
            Err(digested) => {
                in_vain += digested;
                if in_vain > bytes.len().saturating_mul(VAIN) {
                    let at = bytes.len() - rest.len();
                    return Err(ResultsError::damaged(
                        "subunit",
                        format!("no packets are left at byte {at}"),
                    ));
                }
                rest = &rest[1..];
            }
        }
    }
    if packets == 0 {
        return Err(ResultsError::damaged("subunit", "there is no packet in it"));
    }
    Ok(stream.finish())
}

/// What of a packet is of use.
#[derive(Debug, Default, PartialEq, Eq)]
struct Packet<'a> {
    status: u16,
    id: Option<&'a str>,
    at: Option<Timestamp>,
    tags: Vec<&'a str>,
    file: Option<(&'a str, &'a [u8])>,
    route: Option<&'a str>,
}

/// The packet that begins here, and its length; where there is none, how many bytes were digested in vain.
fn packet(bytes: &[u8]) -> Result<(Packet<'_>, usize), usize> {
    let mut header = Fields(bytes);
    let read = header.number_of(1).and_then(|_| {
        let flags = header.number_of(2)? as u16;
        let length = header.number()? as usize;
        Some((flags, length))
    });
    let (flags, length) = read.ok_or(0_usize)?;
    let header_length = bytes.len() - header.0.len();
    let is_fit = flags & 0xf000 == VERSION && flags & MUST_BE_ZERO == 0;
    if !is_fit || length > LARGEST_PACKET || length < header_length + CHECKSUM || length > bytes.len() {
        return Err(0);
    }
    let (digested, checksum) = bytes[..length].split_at(length - CHECKSUM);
    if crc32fast::hash(digested).to_be_bytes() != *checksum {
        return Err(digested.len());
    }
    let fields = Fields(&digested[header_length..]);
    fields
        .packet(flags)
        .map(|packet| (packet, length))
        .ok_or(digested.len())
}

/// The fields that are left; every read is within them.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A big-endian number of so many bytes.
    fn number_of(&mut self, length: usize) -> Option<u32> {
        let bytes = self.bytes(length)?;
        Some(bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    /// A number of variable length: its two highest bits say of how many bytes.
    fn number(&mut self) -> Option<u32> {
        let length = usize::from(*self.0.first()? >> 6) + 1;
        let number = self.number_of(length)?;
        Some(number & (u32::MAX >> (34 - 8 * length as u32)))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let text = str::from_utf8(self.bytes(length as usize)?).ok()?;
        (!text.contains('\0')).then_some(text)
    }

    fn packet(mut self, flags: u16) -> Option<Packet<'a>> {
        let has = |flag| flags & flag != 0;
        let mut packet = Packet {
            status: flags & STATUS,
            ..Packet::default()
        };
        if has(HAS_TIMESTAMP) {
            let seconds = self.number_of(4)?;
            let nanoseconds = i32::try_from(self.number()?).ok()?;
            packet.at = Timestamp::new(i64::from(seconds), nanoseconds).ok();
        }
        if has(HAS_ID) {
            packet.id = Some(self.text()?);
        }
        if has(HAS_TAGS) {
            for _ in 0..self.number()? {
                packet.tags.push(self.text()?);
            }
        }
        if has(HAS_MIME) {
            self.text()?;
        }
        if has(HAS_FILE) {
            let name = self.text()?;
            let length = self.number()?;
            packet.file = Some((name, self.bytes(length as usize)?));
        }
        if has(HAS_ROUTE) {
            packet.route = Some(self.text()?);
        }
        self.0.is_empty().then_some(packet)
    }
}

#[derive(Debug, Default)]
struct Test {
    id: String,
    began: Option<Timestamp>,
    ended: Option<(Status, Option<Timestamp>)>,
    runs: bool,
    is_superficial: bool,
    is_flaky: bool,
    files: Vec<Attachment>,
}

#[derive(Debug, Default)]
struct Stream {
    tests: Vec<Test>,
    /// By route and id.
    places: HashMap<(String, String), usize>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    identity: Identity,
}

impl Stream {
    fn take(&mut self, packet: &Packet<'_>) -> Result<(), ResultsError> {
        if let Some(at) = packet.at {
            self.first.get_or_insert(at);
            self.last = self.last.max(Some(at));
        }
        let Some(id) = packet.id else { return Ok(()) };
        let route = packet.route.unwrap_or_default();
        // Ours: ticket/series/architecture.
        if let (None, [_, series, architecture]) = (&self.identity.series, &route.split('/').collect::<Vec<_>>()[..]) {
            self.identity.series = series_of(series);
            self.identity.architecture = Some(bounded(architecture, LONGEST_NAME).to_owned());
        }
        let id = bounded(id, LONGEST_NAME);
        let key = (bounded(route, LONGEST_NAME).to_owned(), id.to_owned());
        let tests = &mut self.tests;
        let place = *self.places.entry(key).or_insert_with(|| {
            tests.push(Test {
                id: id.to_owned(),
                ..Test::default()
            });
            tests.len() - 1
        });
        no_more("tests", tests.len() as u64, MOST_CASES as u64)?;
        let test = &mut tests[place];
        test.is_superficial |= packet.tags.contains(&"superficial");
        test.is_flaky |= packet.tags.contains(&"flaky");
        if let Some((name, content)) = packet.file {
            test.attach(name, content)?;
        }
        match Status::of_number(packet.status) {
            Some(status) => {
                test.runs = true;
                test.ended = Some((status, packet.at));
            }
            None if packet.status == 2 => {
                test.runs = true;
                test.began = test.began.or(packet.at);
            }
            None => test.runs |= packet.file.is_some(),
        }
        Ok(())
    }

    fn finish(self) -> Document {
        let cases = self.tests.into_iter().filter(|test| test.runs).map(Test::case);
        Document {
            cases: cases.collect(),
            started: self.first,
            duration: duration(self.first, self.last),
            identity: self.identity,
        }
    }
}

/// From one moment to a later one.
pub(crate) fn duration(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<std::time::Duration> {
    to?.duration_since(from?).try_into().ok()
}

impl Test {
    fn attach(&mut self, name: &str, content: &[u8]) -> Result<(), ResultsError> {
        let name = bounded(name, LONGEST_NAME);
        match self.files.iter_mut().find(|file| file.name == name) {
            Some(file) => file.content.extend_from_slice(content),
            None => {
                no_more(
                    "files of one test",
                    self.files.len() as u64 + 1,
                    MOST_ATTACHMENTS as u64,
                )?;
                self.files.push(Attachment {
                    name: name.to_owned(),
                    content: content.to_vec(),
                });
            }
        }
        Ok(())
    }

    fn case(self) -> Case {
        let ended = Ended {
            status: self.ended.map_or(Status::Lost, |(status, _)| status),
            is_superficial: self.is_superficial,
            is_flaky: self.is_flaky,
            attachments: self.files,
        };
        let at = self.ended.and_then(|(_, at)| at);
        Case {
            duration: duration(self.began, at).unwrap_or_default(),
            ..ended.case(&self.id)
        }
    }
}

#[cfg(test)]
mod tests;
