//! How much of a stranger's results is taken. What exceeds one of these is refused as a whole, before anything is stored.

/// Files, of all archives together.
pub const MOST_FILES: u64 = 20_000;
/// Bytes, unpacked, of all files together.
pub const MOST_BYTES: u64 = 2 << 30;
/// Bytes of one document that is read at once: a subunit stream, JUnit's XML, `summary`.
pub const LARGEST_DOCUMENT: u64 = 64 << 20;
/// Bytes of one small file: `testinfo.json`, `testpkg-version`, `exitcode`, `duration`.
pub const LARGEST_NOTE: u64 = 1 << 20;
/// Tests.
pub const MOST_CASES: usize = 20_000;
/// Files that come with one test.
pub const MOST_ATTACHMENTS: usize = 256;
/// The longest name of a test or of an attachment, in bytes.
pub const LONGEST_NAME: usize = 1024;
/// The longest reason, in bytes.
pub const LONGEST_REASON: usize = 4096;
/// The longest name of a file with its folders, in bytes.
pub const LONGEST_PATH: usize = 1024;
/// The deepest folder, and the deepest nesting of XML's elements.
pub const DEEPEST: usize = 32;
/// Bytes of a line of a log that are looked at.
pub const LONGEST_LINE: usize = 8 * 1024;
/// Memory that the xz decoder may take, in bytes.
pub const XZ_MEMORY: u64 = 128 << 20;
/// Things that are said to have been left out.
pub const MOST_LEFT_OUT: usize = 50;
