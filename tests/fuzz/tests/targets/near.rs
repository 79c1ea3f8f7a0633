//! Inputs near a grammar: valid examples, lines of which are mixed, and bytes of which are changed, cut out and doubled.

use proptest::prelude::*;
use proptest::sample::Index;

/// One change of some bytes.
#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, u8),
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
    Double(Index, Index),
}

/// The longest piece that one change concerns.
const LONGEST: usize = 64;

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (index(), index()).prop_map(|(at, length)| Edit::Cut(at, length)),
        (index(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (index(), index()).prop_map(|(at, length)| Edit::Double(at, length)),
    ]
}

/// The bytes with changes.
pub(crate) fn edited(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (bytes, prop::collection::vec(edit(), 0..4)).prop_map(|(mut bytes, edits)| {
        for edit in edits {
            apply(&mut bytes, edit);
        }
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, edit: Edit) {
    if bytes.is_empty() {
        return;
    }
    let piece = |at: Index, length: Index| {
        let from = at.index(bytes.len());
        from..(from + length.index(LONGEST)).min(bytes.len())
    };
    match edit {
        Edit::Replace(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        Edit::Cut(at, length) => drop(bytes.drain(piece(at, length))),
        Edit::Insert(at, new) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, new);
        }
        Edit::Double(at, length) => {
            let range = piece(at, length);
            let (end, again) = (range.end, bytes[range].to_vec());
            bytes.splice(end..end, again);
        }
    }
}

/// Lines of the examples in any order, with changes.
pub(crate) fn lines(examples: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<&str> = examples.iter().flat_map(|text| text.split_inclusive('\n')).collect();
    let mixed = prop::collection::vec(prop::sample::select(all), 0..most).prop_map(|lines| lines.concat().into_bytes());
    let whole = prop::sample::select(examples).prop_map(|text| text.as_bytes().to_vec());
    edited(prop_oneof![2 => mixed, 1 => whole])
}
