//! Copies of files that lie elsewhere, for those who need a path: a folder of this machine that holds no more than it may.
//!
//! A copy is checked before it has its name, and names are digests, so a copy is never wrong and never old. When there is
//! no room, the copies that nobody has asked for the longest go first; one that somebody holds stays. After a restart the
//! order is that in which they came.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::error::BlobError;
use super::folder::move_read_only;
use super::incoming::Arrived;
use super::name::BlobName;

/// The folder of copies. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// What all copies together may take, in bytes.
    limit: u64,
    table: Mutex<Table>,
    /// Fetching takes turns: the same file twice would be once too often, and one takes the whole line anyway.
    fetching: Mutex<()>,
}

#[derive(Debug, Default)]
struct Table {
    copies: HashMap<BlobName, Kept>,
    /// How often any copy was asked for.
    asked: u64,
}

#[derive(Debug)]
struct Kept {
    size: u64,
    /// When it was last asked for, counted as `Table::asked`.
    last: u64,
    holders: usize,
}

/// A file of this machine that stays where it is while this is held.
#[derive(Debug, Clone)]
pub struct LocalFile {
    path: PathBuf,
    _hold: Option<Arc<Hold>>,
}

#[derive(Debug)]
struct Hold {
    shared: Arc<Shared>,
    name: BlobName,
}

impl LocalFile {
    /// One that nobody takes away.
    pub(in crate::hub) fn lasting(path: PathBuf) -> Self {
        Self { path, _hold: None }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Cache {
    /// The copies in `folder`, which is made where it is not, and may hold `limit` bytes.
    pub(super) fn open(folder: PathBuf, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let facts = entry.metadata()?;
            match entry.file_name().to_str().and_then(|text| BlobName::new(text).ok()) {
                Some(name) => found.push((facts.modified()?, name, facts.len())),
                // Half a copy, of a hub that was killed.
                None => fs::remove_file(entry.path())?,
            }
        }
        found.sort_by_key(|(modified, ..)| *modified);
        let mut table = Table::default();
        found.into_iter().for_each(|(_, name, size)| table.add(name, size));
        let shared = Shared { folder, limit, table: Mutex::new(table), fetching: Mutex::default() };
        shared.make_room(0);
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The copy of a file, if there is one.
    pub(super) fn find(&self, name: &BlobName) -> Option<LocalFile> {
        let mut table = self.shared.table();
        table.asked += 1;
        let asked = table.asked;
        let copy = table.copies.get_mut(name)?;
        let path = self.shared.folder.join(name.as_str());
        // A person may have emptied the folder.
        if copy.holders == 0 && !path.is_file() {
            table.copies.remove(name);
            return None;
        }
        (copy.last, copy.holders) = (asked, copy.holders + 1);
        let hold = Hold { shared: self.shared.clone(), name: name.clone() };
        Some(LocalFile { path, _hold: Some(Arc::new(hold)) })
    }

    /// Keeps a file that has come as a copy.
    pub(super) fn keep(&self, arrived: &Arrived) -> Result<(), BlobError> {
        let name = &arrived.name;
        self.shared.make_room(arrived.length);
        let place = self.shared.folder.join(name.as_str());
        move_read_only(&arrived.path, &place).map_err(|source| self.shared.failed("moving", name, source))?;
        self.shared.table().add(name.clone(), arrived.length);
        Ok(())
    }

    /// The copy of a file of `size` bytes, made where there is none by what `fetch` writes; `place` is where that comes
    /// from. Blocks while another is being made.
    pub(super) fn fetch(
        &self,
        name: &BlobName,
        size: u64,
        place: &str,
        fetch: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), BlobError>,
    ) -> Result<Option<LocalFile>, BlobError> {
        let _turn = self.shared.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.find(name) {
            return Ok(Some(found));
        }
        self.shared.make_room(size);
        let part = self.shared.folder.join(format!("{}.part", name.as_str()));
        let found = self.receive(name, &part, fetch).inspect_err(|_| drop(fs::remove_file(&part)))?;
        if found != *name {
            drop(fs::remove_file(&part));
            let (place, name, found) = (place.to_owned(), name.as_str().to_owned(), found.as_str().to_owned());
            return Err(BlobError::Damaged { place, name, found });
        }
        let whole = self.shared.folder.join(name.as_str());
        move_read_only(&part, &whole).map_err(|source| self.shared.failed("moving", name, source))?;
        self.shared.table().add(name.clone(), size);
        Ok(self.find(name))
    }

    /// Receives a copy into `part` and returns its digest.
    fn receive(
        &self,
        name: &BlobName,
        part: &Path,
        fetch: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), BlobError>,
    ) -> Result<BlobName, BlobError> {
        let failed = |doing| move |source| self.shared.failed(doing, name, source);
        let mut file = File::create(part).map_err(failed("making a copy of"))?;
        let mut hash = Sha256::new();
        fetch(&mut |bytes| {
            hash.update(bytes);
            file.write_all(bytes)
        })?;
        file.sync_all().map_err(failed("flushing"))?;
        Ok(BlobName::hashed(hash))
    }

    /// An error of the disk.
    pub(super) fn failed(&self, doing: &'static str, name: &BlobName, source: io::Error) -> BlobError {
        self.shared.failed(doing, name, source)
    }

    /// Takes the copy of a file away, unless somebody holds it; it then goes when there is no room for it.
    pub(super) fn remove(&self, name: &BlobName) {
        self.shared.remove(&mut self.shared.table(), name);
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes copies away until `size` bytes more have room, or somebody holds all that are left.
    fn make_room(&self, size: u64) {
        let mut table = self.table();
        let mut excess = (table.size() + size).saturating_sub(self.limit);
        while excess > 0 {
            let free = table.copies.iter().filter(|(_, copy)| copy.holders == 0);
            let Some((name, size)) =
                free.min_by_key(|(_, copy)| copy.last).map(|(name, copy)| (name.clone(), copy.size))
            else {
                return;
            };
            self.remove(&mut table, &name);
            excess = excess.saturating_sub(size);
        }
    }

    fn remove(&self, table: &mut Table, name: &BlobName) {
        if table.copies.get(name).is_none_or(|copy| copy.holders > 0) {
            return;
        }
        table.copies.remove(name);
        if let Err(error) = fs::remove_file(self.folder.join(name.as_str()))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = name.as_str(), "the copy of a file stays");
        }
    }

    fn failed(&self, doing: &'static str, name: &BlobName, source: io::Error) -> BlobError {
        BlobError::Disk { doing, name: name.as_str().to_owned(), folder: self.folder.clone(), source }
    }
}

impl Table {
    fn add(&mut self, name: BlobName, size: u64) {
        self.asked += 1;
        let last = self.asked;
        let holders = self.copies.get(&name).map_or(0, |copy| copy.holders);
        self.copies.insert(name, Kept { size, last, holders });
    }

    /// What all copies take, in bytes.
    fn size(&self) -> u64 {
        self.copies.values().map(|copy| copy.size).sum()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        if let Some(copy) = table.copies.get_mut(&self.name) {
            copy.holders = copy.holders.saturating_sub(1);
        }
        drop(table);
        // It may have stayed only because it was held.
        self.shared.make_room(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path, limit: u64) -> Cache {
        Cache::open(folder.join("copies"), limit).unwrap()
    }

    fn fetched(cache: &Cache, content: &[u8]) -> LocalFile {
        let (name, size) = (BlobName::of(content), content.len() as u64);
        let fetch = |take: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
            content.chunks(2).for_each(|piece| take(piece).unwrap());
            Ok(())
        };
        cache.fetch(&name, size, "the bucket", fetch).unwrap().unwrap()
    }

    fn has(cache: &Cache, content: &[u8]) -> bool {
        cache.find(&BlobName::of(content)).is_some()
    }

    #[test]
    fn the_copy_that_nobody_asked_for_the_longest_goes_and_one_that_is_held_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 10);
        let held = fetched(&cache, b"aaaa");
        drop(fetched(&cache, b"bbbb"));
        drop(fetched(&cache, b"cc"));
        assert!(has(&cache, b"bbbb"), "asked for again, after cc");
        drop(fetched(&cache, b"ddd"));
        assert!(has(&cache, b"aaaa") && has(&cache, b"ddd") && !has(&cache, b"cc") && !has(&cache, b"bbbb"));
        let large = fetched(&cache, b"0123456789");
        assert_eq!(fs::read(held.path()).unwrap(), b"aaaa", "it is held");
        assert_eq!(fs::read(large.path()).unwrap(), b"0123456789", "it is needed, room or not");
        drop(large);
        assert!(!has(&cache, b"0123456789"), "there is no room for it once nobody holds it");
        drop(held);
        assert!(has(&cache, b"aaaa"));
    }

    #[test]
    fn a_file_is_fetched_once_and_found_again_after_a_restart_and_half_a_copy_is_not() {
        let folder = tempfile::tempdir().unwrap();
        drop(fetched(&cache(folder.path(), 10), b"abc"));
        fs::write(folder.path().join("copies/x.part"), "a").unwrap();
        let cache = cache(folder.path(), 10);
        let never = |_: &mut dyn FnMut(&[u8]) -> io::Result<()>| panic!("it is there already");
        assert!(cache.fetch(&BlobName::of(b"abc"), 3, "the bucket", never).unwrap().is_some());
        assert_eq!(fs::read_dir(folder.path().join("copies")).unwrap().count(), 1);
        fs::remove_file(folder.path().join("copies").join(BlobName::of(b"abc").as_str())).unwrap();
        assert!(!has(&cache, b"abc"), "somebody emptied the folder");
    }

    #[test]
    fn what_is_another_file_or_breaks_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 10);
        let name = BlobName::of(b"abc");
        let wrong = |take: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
            take(b"abd").unwrap();
            Ok(())
        };
        let error = cache.fetch(&name, 3, "the bucket", wrong).unwrap_err();
        let found = BlobName::of(b"abd");
        assert!(matches!(&error, BlobError::Damaged { found: other, .. } if other == found.as_str()), "{error}");
        let broken = |take: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
            take(b"ab").unwrap();
            Err(BlobError::Busy)
        };
        assert!(matches!(cache.fetch(&name, 3, "the bucket", broken), Err(BlobError::Busy)));
        assert_eq!(fs::read_dir(folder.path().join("copies")).unwrap().count(), 0);
    }
}
