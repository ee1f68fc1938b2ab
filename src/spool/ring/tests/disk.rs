//! A disk in memory, whose power is cut and which fails. For tests.
//!
//! What was written since the last sync is in the page cache. When the power is cut, each sector of 512 bytes on its own
//! keeps any of the contents that it had since then, whatever became of its neighbours. A sync that fails leaves the pages
//! clean, some of them on the disk and some not, and reading shows the cache as if nothing had happened, until the page is
//! written again or the power is cut. Names that were not synced may be the old or the new ones.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::spool::ring::vfs::{Storage, Vfs};

const SECTOR: usize = 512;
const PAGE: usize = 4096;

type Sector = [u8; SECTOR];

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    cache: Vec<u8>,
    /// What each sector was since the last sync.
    dirty: BTreeMap<usize, Vec<Sector>>,
    /// Called clean by a failed sync, and not on the disk.
    dropped: BTreeSet<usize>,
}

/// What the disk does wrong.
#[derive(Default)]
pub(super) struct Faults {
    /// The power fails when so many operations were done.
    pub(super) fuel: Option<u64>,
    /// The sync after so many others fails.
    pub(super) failing_sync: Option<u32>,
    /// All writes fail.
    pub(super) read_only: bool,
    /// Reading this byte fails.
    pub(super) unreadable: Option<u64>,
    /// Writes that make a file longer fail.
    pub(super) full: bool,
}

#[derive(Default)]
struct Disk {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    faults: Faults,
    dead: bool,
    rng: fastrand::Rng,
    /// Bytes of pages that reached the device.
    device_bytes: u64,
}

/// A disk that all clones share.
#[derive(Clone)]
pub(super) struct SimulatedDisk(Arc<Mutex<Disk>>);

impl SimulatedDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk { rng: fastrand::Rng::with_seed(seed), ..Disk::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    pub(super) fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.lock().faults);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    pub(super) fn device_bytes(&self) -> u64 {
        self.lock().device_bytes
    }

    /// Cuts the power, and gives it back.
    pub(super) fn cut(&self) {
        let disk = &mut *self.lock();
        disk.dead = false;
        disk.faults = Faults::default();
        for file in &mut disk.files {
            file.cut(&mut disk.rng);
        }
        if disk.rng.bool() {
            disk.durable_names = disk.names.clone();
        }
        disk.names = disk.durable_names.clone();
    }

    /// Changes bytes that are on the disk.
    pub(super) fn flip(&self, path: &Path, at: usize, mask: &[u8]) {
        let disk = &mut *self.lock();
        let file = &mut disk.files[disk.names[path]];
        let length = file.durable.len();
        for (i, m) in mask.iter().enumerate().filter(|(i, _)| at + i < length) {
            file.durable[at + i] ^= m;
            file.cache[at + i] ^= m;
        }
    }

    pub(super) fn bytes(&self, path: &Path) -> Vec<u8> {
        let disk = self.lock();
        disk.files[disk.names[path]].cache.clone()
    }
}

impl File {
    fn cut(&mut self, rng: &mut fastrand::Rng) {
        if self.cache.len() != self.durable.len() && (self.durable.is_empty() || rng.bool()) {
            self.durable.resize(self.cache.len(), 0);
        }
        for (sector, versions) in std::mem::take(&mut self.dirty) {
            let at = sector * SECTOR;
            let version = rng.usize(..=versions.len());
            if version < versions.len() && at < self.durable.len() {
                let end = self.durable.len().min(at + SECTOR);
                self.durable[at..end].copy_from_slice(&versions[version][..end - at]);
            }
        }
        self.dropped.clear();
        self.cache.clone_from(&self.durable);
    }

    fn touch(&mut self, sector: usize) {
        let at = sector * SECTOR;
        let mut version = [0; SECTOR];
        let end = self.cache.len().min(at + SECTOR);
        version[..end - at].copy_from_slice(&self.cache[at..end]);
        self.dirty.entry(sector).or_default().push(version);
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[at..end].copy_from_slice(bytes);
        for sector in at / SECTOR..end.div_ceil(SECTOR) {
            self.touch(sector);
        }
        // The whole page is dirty again.
        let pages = at / PAGE * PAGE / SECTOR..end.div_ceil(PAGE) * PAGE / SECTOR;
        let again: Vec<usize> = self.dropped.range(pages).copied().collect();
        for sector in again {
            self.dropped.remove(&sector);
            self.touch(sector);
        }
    }

    fn settle(&mut self, keep: impl Fn() -> bool) -> u64 {
        self.durable.resize(self.cache.len(), 0);
        let sectors: Vec<usize> = std::mem::take(&mut self.dirty).into_keys().collect();
        for &sector in &sectors {
            let range = sector * SECTOR..self.cache.len().min((sector + 1) * SECTOR);
            if keep() {
                self.durable[range.clone()].copy_from_slice(&self.cache[range]);
            } else {
                self.dropped.insert(sector);
            }
        }
        let pages: BTreeSet<usize> = sectors.iter().map(|sector| sector * SECTOR / PAGE).collect();
        (pages.len() * PAGE) as u64
    }
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        if let Some(fuel) = &mut self.faults.fuel {
            *fuel = fuel.saturating_sub(1);
            self.dead |= *fuel == 0;
        }
        if self.dead { Err(io::Error::other("there is no power")) } else { Ok(()) }
    }
}

impl Vfs for SimulatedDisk {
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send>> {
        Ok(Box::new(()))
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn Storage>> {
        let disk = &mut *SimulatedDisk::lock(self);
        disk.step()?;
        let found = disk.names.get(path).copied();
        let index = match found {
            Some(index) if !create => index,
            None if !create => return Err(io::ErrorKind::NotFound.into()),
            _ if disk.faults.read_only => return Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => {
                disk.files.push(File::default());
                disk.names.insert(path.to_owned(), disk.files.len() - 1);
                disk.files.len() - 1
            }
        };
        Ok(Box::new(Open { disk: self.clone(), index }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let disk = &mut *SimulatedDisk::lock(self);
        disk.step()?;
        let index = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), index);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let disk = &mut *SimulatedDisk::lock(self);
        disk.step()?;
        disk.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let disk = &mut *SimulatedDisk::lock(self);
        disk.step()?;
        disk.durable_names = disk.names.clone();
        Ok(())
    }
}

struct Open {
    disk: SimulatedDisk,
    index: usize,
}

impl Storage for Open {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.index].cache.len() as u64)
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<bool> {
        let disk = &mut *self.disk.lock();
        disk.step()?;
        if disk.faults.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.files[self.index].cache.resize(bytes as usize, 0);
        Ok(true)
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk.lock();
        if disk.faults.unreadable.is_some_and(|bad| (at..at + out.len() as u64).contains(&bad)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let bytes = disk.files[self.index].cache.get(at as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        let file = &mut disk.files[self.index];
        if disk.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if disk.faults.full && at as usize + bytes.len() > file.cache.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if disk.dead {
            return Err(io::Error::other("there is no power"));
        }
        // The last write before the power fails may reach the disk as well.
        file.write(at as usize, bytes);
        disk.step()
    }

    fn sync(&mut self) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        disk.step()?;
        if disk.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let file = &mut disk.files[self.index];
        let left = disk.faults.failing_sync.take();
        disk.faults.failing_sync = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) {
            let rng = std::cell::RefCell::new(&mut disk.rng);
            file.settle(|| rng.borrow_mut().bool());
            return Err(io::Error::from_raw_os_error(5));
        }
        disk.device_bytes += file.settle(|| true);
        Ok(())
    }
}
