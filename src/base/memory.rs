//! Memory that is free goes back to the system, also where it lies between pieces that are in use.

/// Gives back every page that the allocator keeps and nobody uses, but for its caches of small pieces.
///
/// glibc gives back by itself only what is free at the end of its heap. A burst, such as eight cameras that connect anew, leaves
/// holes of tens of MiB below some small piece that stays, and they would count as the program's for as long as it
/// runs. What is used again costs its pages anew: with one 1080p camera and every ten seconds, 3 ms a second of the kernel's
/// time. Does nothing where the C library is another.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "the C library offers it in no other way; it takes the allocator's own locks and touches nothing in use"
    )]
    // SAFETY: `malloc_trim` may be called by any thread at any time (man malloc_trim: MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anonymous memory that is resident, KiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn holes_below_a_piece_that_stays_go_back_and_the_piece_stays() {
        // Pieces too small for mappings of their own, each behind one that stays.
        let (freed, kept): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
            (0..400u32).map(|n| (vec![1; 100_000], vec![n as u8; 64])).unzip();
        let full = resident();
        drop(freed);
        give_back();
        let after = resident();
        assert!(after + 30_000 < full, "{full} KiB before, {after} KiB after 40 MB were freed");
        assert!(kept.iter().enumerate().all(|(n, piece)| piece.iter().all(|byte| *byte == n as u8)));
    }
}
