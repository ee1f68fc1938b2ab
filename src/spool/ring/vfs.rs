//! The few things that the ring asks of a disk, behind a seam: the real disk here, a simulated one in the tests.

use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where files lie.
pub(in crate::spool) trait Vfs: Send {
    /// Keeps other processes away until what it returns is dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>>;
    /// Opens a file to read and write it; with `create` makes it, or empties the one there.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn Storage>>;
    /// Gives a file another name, in place of the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names of files in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// One open file.
pub(in crate::spool) trait Storage: Send {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Makes it so long, and takes the space for it from the disk, or fails without having written anything. Returns
    /// whether the space is taken; some file systems take it only when it is written.
    fn reserve(&mut self, bytes: u64) -> io::Result<bool>;
    /// Fills `out` with what lies at `at`.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes at `at`. Durable only after [`Storage::sync`].
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable. After a failure nobody knows what is: the kernel may have dropped the pages and
    /// call them clean, so the same bytes must be written again before they are believed.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy)]
pub(in crate::spool) struct RealDisk;

impl Vfs for RealDisk {
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        file.try_lock()?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(File::options().read(true).write(true).create(create).truncate(create).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

impl Storage for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<bool> {
        // Asked first, because a refused fallocate may have filled the disk on its way.
        let disk = rustix::fs::fstatvfs(&*self)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match rustix::fs::fallocate(&*self, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Err(rustix::io::Errno::OPNOTSUPP) => self.set_len(bytes).map(|()| false),
            answer => Ok(answer.map(|()| true)?),
        }
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, at)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
