//! What lies in a folder of tracks, read in its order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::store::{cameras, numbered};
use super::{Head, HistoryError, Record, block, decode};
use crate::vocab::{Id, WallTime};

/// No segment is longer.
const LONGEST: u64 = 64 << 20;

/// A folder of tracks. It may be read while an agent writes there.
#[derive(Debug)]
pub struct Archive {
    /// The segments of each camera, in their order.
    cameras: BTreeMap<Id, Vec<PathBuf>>,
}

/// What stands there next.
#[derive(Debug)]
pub enum Entry<'a> {
    /// Rules began anew, with these facts.
    Begin(&'a Head),
    /// Blocks are missing here.
    Lost,
    /// The rules were told this.
    Record(Record),
}

/// What could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Places at which something else stood than a whole block: a torn end, or damage.
    pub damaged: u64,
    /// Blocks that are not there although later ones are.
    pub missing: u64,
    /// Whole blocks that cannot be understood: their head is gone, or they do not hold what blocks do.
    pub useless: u64,
}

impl Losses {
    /// Whether everything could be read.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Archive {
    /// Looks what lies in `folder`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, HistoryError> {
        let failed = |source| HistoryError::Folder { folder: folder.to_owned(), source };
        let mut found = BTreeMap::new();
        for (camera, folder) in cameras(folder).map_err(failed)? {
            let files: Vec<PathBuf> = numbered(&folder).map_err(failed)?.into_iter().map(|(_, file)| file).collect();
            if !files.is_empty() {
                found.insert(camera, files);
            }
        }
        Ok(Self { cameras: found })
    }

    /// Whose tracks there are.
    pub fn cameras(&self) -> impl Iterator<Item = &Id> {
        self.cameras.keys()
    }

    /// Gives `tell` everything that was kept of a camera, from the first segment on that was still written to after `since`.
    ///
    /// # Errors
    /// When a segment cannot be read. One that was deleted meanwhile is left out.
    pub fn play(
        &self,
        camera: &Id,
        since: Option<WallTime>,
        tell: &mut dyn FnMut(Entry),
    ) -> Result<Losses, HistoryError> {
        let mut reading = Reading { heads: BTreeMap::new(), run: None, losses: Losses::default(), tell };
        for file in self.cameras.get(camera).into_iter().flatten() {
            match read(file, since) {
                Ok(bytes) => reading.segment(&bytes),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(HistoryError::Read { file: file.clone(), source }),
            }
        }
        Ok(reading.losses)
    }
}

/// The bytes of a segment; none of one that is older than asked for.
fn read(file: &Path, since: Option<WallTime>) -> io::Result<Vec<u8>> {
    let modified = fs::metadata(file)?.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut bytes = Vec::new();
    if since.is_none_or(|since| i128::from(since.unix_nanos()) <= modified.as_nanos().cast_signed()) {
        File::open(file)?.take(LONGEST).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

struct Reading<'t> {
    /// What each run said of itself: a segment whose own head is damaged goes on under that of an earlier one.
    heads: BTreeMap<u64, Head>,
    /// The run that is being read, and which block is next.
    run: Option<(u64, u32)>,
    losses: Losses,
    tell: &'t mut dyn FnMut(Entry),
}

impl Reading<'_> {
    fn segment(&mut self, bytes: &[u8]) {
        let mut blocks = Vec::new();
        self.losses.damaged += block::read(bytes, &mut |block| blocks.push(block));
        for block in blocks {
            if block.is_head {
                match serde_json::from_slice(block.body) {
                    Ok(head) => drop(self.heads.insert(block.run, head)),
                    Err(_) => self.losses.useless += 1,
                }
            } else {
                self.tracks(block);
            }
        }
    }

    fn tracks(&mut self, block: block::Block) {
        let Some(head) = self.heads.get(&block.run) else {
            self.losses.useless += 1;
            return;
        };
        match self.run.replace((block.run, block.number.wrapping_add(1))) {
            Some((run, next)) if run == block.run => {
                if next != block.number {
                    self.losses.missing += u64::from(block.number.saturating_sub(next));
                    (self.tell)(Entry::Lost);
                }
            }
            _ => (self.tell)(Entry::Begin(head)),
        }
        let tell = &mut self.tell;
        if decode::records(block.body, &mut |record| tell(Entry::Record(record))).is_err() {
            self.losses.useless += 1;
            (self.tell)(Entry::Lost);
        }
    }
}
