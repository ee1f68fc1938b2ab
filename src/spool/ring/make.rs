//! A new ring: an empty one, or one of another size with all that an old one holds.

use std::path::{Path, PathBuf};

use super::format::Geometry;
use super::lane::{self, Lane};
use super::vfs::{Storage, Vfs};
use super::{Fault, Ring, Segment, failed};
use crate::spool::loss::Losses;
use crate::spool::queue::{Stored, new_epoch};
use crate::spool::{Class, LossReason};

/// How much is written at once.
const CHUNK: u64 = 1 << 20;

/// Makes an empty ring at `path`. Until it is whole it has another name.
pub(super) fn create(disk: &dyn Vfs, path: &Path, geometry: Geometry) -> Result<Ring, Fault> {
    let ring = Ring::zeroed(disk, path, geometry, new_epoch());
    finish(disk, path, ring)
}

/// Puts a ring of another size in place of `old`, with its records, numbers and losses.
pub(super) fn resize(disk: &dyn Vfs, path: &Path, geometry: Geometry, old: &Ring) -> Result<Ring, Fault> {
    let ring = Ring::zeroed(disk, path, geometry, old.epoch).and_then(|mut ring| {
        ring.losses = old.losses.clone();
        ring.take_over(old)?;
        Ok(ring)
    });
    finish(disk, path, ring)
}

fn finish(disk: &dyn Vfs, path: &Path, ring: Result<Ring, Fault>) -> Result<Ring, Fault> {
    let renamed = ring.and_then(|mut ring| {
        ring.save()?;
        disk.rename(&unfinished(path), path).map_err(failed("rename"))?;
        disk.sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(failed("sync the folder of"))?;
        Ok(ring)
    });
    if renamed.is_err() {
        // Its space may be what the disk lacks. Where this fails too, the next attempt uses the same name.
        let _ = disk.remove(&unfinished(path));
    }
    renamed
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

impl Ring {
    fn zeroed(disk: &dyn Vfs, path: &Path, geometry: Geometry, epoch: u64) -> Result<Self, Fault> {
        let mut file = disk.open(&unfinished(path), true).map_err(failed("make"))?;
        let is_taken = file.reserve(geometry.file()).map_err(failed("find room on the disk for"))?;
        let zeros = if is_taken { geometry.start(0) } else { geometry.file() };
        write_zeros(&mut *file, zeros).map_err(failed("write zeros to"))?;
        Ok(Self {
            file,
            geometry,
            epoch,
            generation: 1,
            counter: 0,
            slot: 0,
            next_use: 1,
            fresh: if is_taken { 0 } else { geometry.count },
            lanes: Class::ALL.map(|class| Lane::new(class, &lane::LaneState::new())),
            segments: vec![Segment::default(); geometry.count as usize],
            tails: [const { None }; 3],
            losses: Losses::default(),
            committed: [(1, 1); 3],
            durable: [(1, 1); 3],
            latest: geometry.count as usize - 1,
            unsaved: 0,
        })
    }

    fn take_over(&mut self, old: &Self) -> Result<(), Fault> {
        for class in Class::ALL {
            for (place, entry) in old.lanes[class.index()].waiting() {
                let id = old.lanes[class.index()].id(place);
                let unix_ms = old.unix_ms(entry).unwrap_or_default();
                match old.read(id, place, entry)? {
                    Some(payload) => self.append(id, &Stored { unix_ms, payload })?,
                    None => self.losses.add(id, LossReason::Damaged),
                }
            }
            self.lanes[class.index()].next_seq = old.lanes[class.index()].next_seq;
        }
        self.commit()
    }
}

fn write_zeros(file: &mut dyn Storage, length: u64) -> std::io::Result<()> {
    let zeros = vec![0; CHUNK as usize];
    for at in (0..length).step_by(CHUNK as usize) {
        let part = CHUNK.min(length - at);
        file.write_at(at, &zeros[..part as usize])?;
    }
    Ok(())
}
