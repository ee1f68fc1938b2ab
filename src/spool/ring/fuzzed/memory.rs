//! A disk in memory that does nothing wrong.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::spool::ring::vfs::{Storage, Vfs};

/// No file grows beyond this.
const LARGEST: usize = 4 << 20;

/// A file that is there or not, under whatever name.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(super) fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vfs for Memory {
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send>> {
        Ok(Box::new(()))
    }

    fn open(&self, _: &Path, create: bool) -> io::Result<Box<dyn Storage>> {
        if create {
            self.bytes().clear();
        }
        Ok(Box::new(self.clone()))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<bool> {
        self.bytes().resize(bytes as usize, 0);
        Ok(true)
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes();
        let part = usize::try_from(at).ok().and_then(|at| bytes.get(at..at.checked_add(out.len())?));
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, at: u64, new: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes();
        let end = usize::try_from(at).ok().and_then(|at| at.checked_add(new.len())).filter(|end| *end <= LARGEST);
        let end = end.ok_or(io::ErrorKind::StorageFull)?;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[end - new.len()..end].copy_from_slice(new);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
