//! A disk of its own for the agent: ext4 in a file that lies in a small memory disk. The kernel can be told to give it up,
//! and parts of it can be made to fail: a hole in the file, for which the memory disk has no room, cannot be written.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate};

/// Bytes of a block of the file system.
const BLOCK: u64 = 4096;

/// The disk; gone when dropped.
pub struct LoopDisk {
    folder: PathBuf,
}

impl LoopDisk {
    /// Makes one of `mib` below `folder`, or says that the calling test is skipped: only root may.
    pub fn mount(folder: PathBuf, mib: u32) -> Option<Self> {
        let disk = Self { folder };
        for part in ["device", "disk"] {
            fs::create_dir_all(disk.folder.join(part)).unwrap();
        }
        let size = format!("size={}m", mib + 8);
        let made = run("mount", &["-t", "tmpfs", "-o", &size, "none", &disk.path("device")])
            && File::create(disk.image()).and_then(|file| file.set_len(u64::from(mib) << 20)).is_ok()
            && run("mkfs.ext4", &["-q", "-b", "4096", &disk.path("device/image")])
            // What mkfs left as holes gets room too.
            && File::options().write(true).open(disk.image()).is_ok_and(|file| {
                fallocate(file, FallocateFlags::empty(), 0, u64::from(mib) << 20).is_ok()
            })
            && disk.attach();
        if !made {
            println!("SKIPPED {}: this user cannot mount a disk", std::thread::current().name().unwrap_or("test"));
        }
        made.then_some(disk)
    }

    /// Mounts it, after [`LoopDisk::detach`].
    pub fn attach(&self) -> bool {
        run("mount", &["-o", "loop", &self.path("device/image"), &self.path("disk")])
    }

    /// Unmounts it. Whoever uses it must have ended.
    pub fn detach(&self) {
        assert!(run("umount", &[&self.path("disk")]));
    }

    /// Where its files are.
    pub fn folder(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// Has the kernel give it up, as after an error of the device: nothing can be written any more, by those either who have
    /// files open.
    pub fn abort(&self) {
        assert!(run("mount", &["-o", "remount,abort", &self.path("disk")]));
    }

    /// Has the device fail where this file lies and was never written.
    pub fn break_unwritten(&self, file: &Path) {
        assert!(run("sync", &["-f", &self.path("disk")]));
        let told = Command::new("filefrag").arg("-v").arg(file).output().unwrap();
        let image = File::options().write(true).open(self.image()).unwrap();
        let mut broken = 0;
        for line in String::from_utf8(told.stdout).unwrap().lines().filter(|line| line.contains("unwritten")) {
            // "1:      256..    2047:       8704..     10495:   1792:             last,unwritten,eof"
            let mut parts = line.split(':').skip(2);
            let first: u64 = parts.next().unwrap().split("..").next().unwrap().trim().parse().unwrap();
            let length: u64 = parts.next().unwrap().trim().parse().unwrap();
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&image, flags, first * BLOCK, length * BLOCK).unwrap();
            broken += length;
        }
        assert!(broken > 0, "all of {} was written", file.display());
        let mut filler = File::create(self.folder.join("device/filler")).unwrap();
        for size in [65_536, 4096] {
            let bytes = vec![7; size];
            while filler.write_all(&bytes).is_ok() {}
        }
    }

    /// Has the device work again.
    pub fn mend(&self) {
        fs::remove_file(self.folder.join("device/filler")).unwrap();
    }

    fn image(&self) -> PathBuf {
        self.folder.join("device/image")
    }

    fn path(&self, part: &str) -> String {
        self.folder.join(part).display().to_string()
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // Lazily: who used it may not have let go of it yet.
        for part in ["disk", "device"] {
            run("umount", &["-l", &self.path(part)]);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let program = ["/usr/sbin", "/sbin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|p| p.exists())
        .unwrap_or_else(|| program.into());
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
