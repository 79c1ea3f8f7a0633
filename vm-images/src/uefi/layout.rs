//! Where things are on the disk: pure arithmetic. The order is that of the table: system partition, root, nothing else.

/// Partitions begin and end at multiples of this; what all partitioning tools do, and a multiple of every sector's size.
const ALIGNMENT: u64 = 1 << 20;
/// FAT32 wants 65525 clusters at least, and those are of one sector here: 33 MiB. Rounded up for firmware that is strict.
const SMALLEST_SYSTEM_PARTITION: u64 = 64 << 20;
/// Beside its files: the two tables of clusters, folders, and a little room for who edits the entry.
const SPARE: u64 = 8 << 20;

/// A piece of the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

impl Extent {
    /// The first byte behind it.
    #[must_use]
    pub fn end(self) -> u64 {
        self.start + self.length
    }
}

/// Where things are on the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The EFI system partition.
    pub system: Extent,
    /// The root file system's.
    pub root: Extent,
    /// The whole disk; the second copy of the partition table ends it.
    pub size: u64,
}

impl Layout {
    /// For a system partition that holds so many bytes of files, and a root file system of so many bytes.
    pub(super) fn new(files: u64, root: u64) -> Self {
        // An eighth more: a cluster is never quite full, and its two table entries are 8 bytes for each 512.
        let system = Extent {
            start: ALIGNMENT,
            length: aligned(files + files / 8 + SPARE).max(SMALLEST_SYSTEM_PARTITION),
        };
        let root = Extent {
            start: system.end(),
            length: aligned(root),
        };
        Self {
            system,
            root,
            size: root.end() + ALIGNMENT,
        }
    }
}

fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn partitions_are_aligned_and_hold_what_they_are_for(files in 0..4_u64 << 30, root in 1..1_u64 << 45) {
            let layout = Layout::new(files, root);
            for number in [layout.system.start, layout.system.length, layout.root.start, layout.root.length, layout.size] {
                prop_assert_eq!(number % ALIGNMENT, 0);
            }
            prop_assert_eq!(layout.system.start, ALIGNMENT);
            prop_assert_eq!(layout.system.end(), layout.root.start);
            prop_assert_eq!(layout.root.end() + ALIGNMENT, layout.size);
            prop_assert!(layout.root.length >= root && layout.root.length < root + ALIGNMENT);
            prop_assert!(layout.system.length >= files + SPARE);
            // Fat32's least, in clusters of a sector: 8 bytes of tables for each.
            prop_assert!((layout.system.length - (1 << 20)) / 520 >= 65_525);
        }
    }
}
