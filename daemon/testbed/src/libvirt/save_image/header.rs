//! The head of a save image, as `struct _virQEMUSaveHeader` in libvirt's `src/qemu/qemu_saveimage.h` has it since 2010:
//! read with bounds, and written anew around another domain's XML. Pure; the stream of QEMU's that follows is not looked
//! into.
//!
//! All numbers are of 32 bits and in the host's own byte order:
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `LibvirtQemudSave`, or `LibvirtQemudPart` as long as it is being written |
//! | 4 | version, 2 |
//! | 4 | length of the data below |
//! | 4 | whether the guest ran |
//! | 4 | format of the stream: 0 raw, 1 to 5 a compressor's, 6 sparse (libvirt 11.2) |
//! | 4 | where in the data the cookie begins; 0 without one |
//! | 56 | unused |
//! | data | XML, NUL; cookie (libvirt's notes on the processor, as XML), NUL; zeros |

/// Bytes before the data.
pub(super) const LENGTH: usize = 92;
/// More than any domain's XML with libvirt's 64 KiB of zeros behind it.
const LARGEST_DATA: u32 = 16 << 20;
const COMPLETE: &[u8; 16] = b"LibvirtQemudSave";
const PARTIAL: &[u8; 16] = b"LibvirtQemudPart";
const VERSION: u32 = 2;
/// The last format whose stream can be read from its beginning to its end.
const LAST_STREAM: u32 = 5;
const SPARSE: u32 = 6;

/// Why something is no save image that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("it is no save image of libvirt's")]
    Magic,
    #[error("it was not written to its end")]
    Partial,
    #[error("it is of version {0}, {VERSION} is known")]
    Version(u32),
    #[error(
        "it is sparse, and such an image can't be given another name; set `save_image_format = \"raw\"` in libvirt's \
         qemu.conf"
    )]
    Sparse,
    #[error("its format {0} is not known")]
    Format(u32),
    #[error("its head says {0} bytes, which it can't have")]
    Length(u64),
    #[error("the domain's XML can't stand in a save image")]
    Xml,
}

/// What the head of a save image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    format: u32,
    data: u32,
    cookie: u32,
}

impl Header {
    /// Reads the head of an image that has `file` bytes.
    pub(super) fn parse(head: &[u8; LENGTH], file: u64) -> Result<Self, HeaderError> {
        let number = |index: usize| {
            let at = 16 + 4 * index;
            u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
        };
        match &head[..16] {
            magic if magic == COMPLETE => {}
            magic if magic == PARTIAL => return Err(HeaderError::Partial),
            _ => return Err(HeaderError::Magic),
        }
        let (version, data, format, cookie) = (number(0), number(1), number(3), number(4));
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        match format {
            0..=LAST_STREAM => {}
            SPARSE => return Err(HeaderError::Sparse),
            other => return Err(HeaderError::Format(other)),
        }
        let header = Self { format, data, cookie };
        if data == 0 || data > LARGEST_DATA || header.stream() >= file {
            return Err(HeaderError::Length(data.into()));
        }
        if cookie >= data {
            return Err(HeaderError::Length(cookie.into()));
        }
        Ok(header)
    }

    /// How many bytes of data follow the head.
    pub(super) fn data_length(&self) -> usize {
        // It was compared with LARGEST_DATA.
        self.data as usize
    }

    /// Where QEMU's stream begins.
    pub(super) fn stream(&self) -> u64 {
        LENGTH as u64 + u64::from(self.data)
    }

    /// The cookie, without its NUL.
    pub(super) fn cookie<'data>(&self, data: &'data [u8]) -> Option<&'data [u8]> {
        if self.cookie == 0 {
            return None;
        }
        let rest = data.get(self.cookie as usize..)?;
        let cookie = rest.split(|byte| *byte == 0).next()?;
        (!cookie.is_empty()).then_some(cookie)
    }

    /// The head of an image with the same stream, and what comes before that stream: another domain's XML and the cookie.
    pub(super) fn renewed(&self, xml: &str, cookie: Option<&[u8]>) -> Result<Vec<u8>, HeaderError> {
        if xml.is_empty() || xml.contains('\0') {
            return Err(HeaderError::Xml);
        }
        let mut data = Vec::from(xml);
        data.push(0);
        let mut at = 0;
        if let Some(cookie) = cookie {
            at = data.len();
            data.extend_from_slice(cookie);
            data.push(0);
        }
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if length > LARGEST_DATA {
            return Err(HeaderError::Xml);
        }
        // The cookie lies before the data's end, so that it is of 32 bits, too.
        let at = u32::try_from(at).map_err(|_| HeaderError::Xml)?;
        let mut image = Vec::with_capacity(LENGTH + data.len());
        image.extend_from_slice(COMPLETE);
        // That the guest ran: whether it will is said with the call.
        for number in [VERSION, length, 1, self.format, at] {
            image.extend_from_slice(&number.to_ne_bytes());
        }
        image.resize(LENGTH, 0);
        image.extend_from_slice(&data);
        Ok(image)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A head as libvirt would write it.
    pub(in super::super) fn head(magic: &[u8; 16], numbers: [u32; 5]) -> [u8; LENGTH] {
        let mut head = [0; LENGTH];
        head[..16].copy_from_slice(magic);
        for (index, number) in numbers.into_iter().enumerate() {
            head[16 + 4 * index..][..4].copy_from_slice(&number.to_ne_bytes());
        }
        head
    }

    #[test]
    fn what_libvirt_wrote_is_read() {
        let parsed = Header::parse(&head(COMPLETE, [2, 100, 1, 0, 40]), 193).unwrap();
        assert_eq!((parsed.data_length(), parsed.stream()), (100, 192));
        let mut data = [b'x'; 100];
        data[39] = 0;
        data[40..].fill(0);
        data[40..49].copy_from_slice(b"<cookie/>");
        assert_eq!(parsed.cookie(&data), Some(&b"<cookie/>"[..]));
        let without = Header::parse(&head(COMPLETE, [2, 100, 0, 3, 0]), 4000).unwrap();
        assert_eq!(without.cookie(&data), None);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (magic, numbers, file, wanted) in [
            (b"LibvirtQemudSabe", [2, 100, 1, 0, 0], 1000, HeaderError::Magic),
            (PARTIAL, [2, 100, 1, 0, 0], 1000, HeaderError::Partial),
            (COMPLETE, [1, 100, 1, 0, 0], 1000, HeaderError::Version(1)),
            (COMPLETE, [3, 100, 1, 0, 0], 1000, HeaderError::Version(3)),
            // Of a host with the other byte order.
            (
                COMPLETE,
                [2 << 24, 100 << 24, 1 << 24, 0, 0],
                1000,
                HeaderError::Version(2 << 24),
            ),
            (COMPLETE, [2, 100, 1, 6, 0], 1000, HeaderError::Sparse),
            (COMPLETE, [2, 100, 1, 7, 0], 1000, HeaderError::Format(7)),
            (COMPLETE, [2, 0, 1, 0, 0], 1000, HeaderError::Length(0)),
            (COMPLETE, [2, 100, 1, 0, 0], 192, HeaderError::Length(100)),
            (
                COMPLETE,
                [2, u32::MAX, 1, 0, 0],
                1000,
                HeaderError::Length(u32::MAX.into()),
            ),
            (
                COMPLETE,
                [2, u32::MAX, 1, 0, 0],
                u64::MAX,
                HeaderError::Length(u32::MAX.into()),
            ),
            (COMPLETE, [2, 100, 1, 0, 100], 1000, HeaderError::Length(100)),
        ] {
            assert_eq!(Header::parse(&head(magic, numbers), file), Err(wanted), "{numbers:?}");
        }
        let header = Header::parse(&head(COMPLETE, [2, 100, 1, 0, 0]), 1000).unwrap();
        for xml in ["", "<a/>\0"] {
            assert_eq!(header.renewed(xml, None), Err(HeaderError::Xml));
        }
    }

    proptest! {
        #[test]
        fn any_numbers_are_judged(
            version in 1..=3_u32,
            data in prop_oneof![0..300_u32, any::<u32>()],
            format in 0..9_u32,
            cookie in prop_oneof![0..300_u32, any::<u32>()],
            file in prop_oneof![0..500_u64, any::<u64>()],
            bytes: Vec<u8>,
        ) {
            if let Ok(header) = Header::parse(&head(COMPLETE, [version, data, 1, format, cookie]), file) {
                prop_assert!(header.stream() < file);
                prop_assert!(version == VERSION && data <= LARGEST_DATA && cookie < data && format <= LAST_STREAM);
                // Whatever the data is, and also if there is less of it than was said.
                prop_assert!(header.cookie(&bytes).is_none_or(|found| !found.contains(&0)));
            }
        }

        #[test]
        fn a_renewed_head_says_the_same_of_the_stream(xml in "<[a-z]{1,99}/>", cookie in proptest::option::of("<[a-z]{1,9}/>"), format in 0..=5_u32) {
            let old = Header::parse(&head(COMPLETE, [2, 100, 0, format, 0]), 1000).unwrap();
            let image = old.renewed(&xml, cookie.as_deref().map(str::as_bytes)).unwrap();
            let (front, data) = image.split_first_chunk::<LENGTH>().unwrap();
            let new = Header::parse(front, image.len() as u64 + 1).unwrap();
            prop_assert_eq!(new.stream(), image.len() as u64);
            prop_assert_eq!(new.format, format);
            prop_assert_eq!(new.cookie(data), cookie.as_deref().map(str::as_bytes));
            prop_assert_eq!(&data[..xml.len()], xml.as_bytes());
            prop_assert_eq!(data[xml.len()], 0);
        }
    }
}
