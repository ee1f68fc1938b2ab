//! Blocks: what a segment is a row of, and how they are found again in one that is torn or damaged.

/// How a head begins.
pub(super) const HEAD: [u8; 4] = *b"VdTh";
/// How tracks begin.
pub(super) const TRACKS: [u8; 4] = *b"VdTk";
/// What stands before the body.
const BEFORE: usize = 24;
/// No body is longer.
pub(super) const LONGEST: usize = 4 << 20;

/// A block as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub is_head: bool,
    pub run: u64,
    pub number: u32,
    pub body: &'a [u8],
}

/// Appends a block to `to`.
pub(super) fn write(to: &mut Vec<u8>, mark: [u8; 4], run: u64, number: u32, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let (run, number) = (run.to_le_bytes(), number.to_le_bytes());
    to.extend_from_slice(&mark);
    to.extend_from_slice(&length);
    to.extend_from_slice(&run);
    to.extend_from_slice(&number);
    to.extend_from_slice(&checksum(&[&mark, &length, &run, &number, body]).to_le_bytes());
    to.extend_from_slice(body);
}

/// Gives `tell` each whole block of a segment. Returns how many times something else stood where one should begin.
pub(super) fn read<'a>(segment: &'a [u8], tell: &mut dyn FnMut(Block<'a>)) -> u64 {
    let (mut rest, mut damaged, mut is_lost) = (segment, 0, false);
    while !rest.is_empty() {
        if let Some((block, length)) = first(rest) {
            tell(block);
            rest = &rest[length..];
            is_lost = false;
            continue;
        }
        // Counted once, however far the next whole block is.
        damaged += u64::from(!is_lost);
        is_lost = true;
        let next = rest.windows(4).skip(1).position(|mark| mark == HEAD || mark == TRACKS);
        rest = next.map_or(&[], |place| &rest[place + 1..]);
    }
    damaged
}

/// The block with which `bytes` begin, and how long it is.
fn first(bytes: &[u8]) -> Option<(Block<'_>, usize)> {
    let (before, rest) = bytes.split_at_checked(BEFORE)?;
    let is_head = before.starts_with(&HEAD);
    if !is_head && !before.starts_with(&TRACKS) {
        return None;
    }
    let (length, run) = (before[4..8].try_into().ok()?, before[8..16].try_into().ok()?);
    let (number, sum): ([u8; 4], [u8; 4]) = (before[16..20].try_into().ok()?, before[20..24].try_into().ok()?);
    let size = usize::try_from(u32::from_le_bytes(length)).ok().filter(|size| *size <= LONGEST)?;
    let body = rest.get(..size)?;
    let is_whole = checksum(&[&before[..20], body]) == u32::from_le_bytes(sum);
    let block = Block { is_head, run: u64::from_le_bytes(run), number: u32::from_le_bytes(number), body };
    is_whole.then_some((block, BEFORE + size))
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.finalize()
}
