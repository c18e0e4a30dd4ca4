//! A file system in memory whose power can be cut at any operation. What was not synced is kept, lost or torn at any
//! byte, each write and each name for itself (spec §60.1).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::disk::{Disk, Entry, folder_of};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Clone)]
enum Change {
    Truncate,
    Write(usize, Vec<u8>),
}

#[derive(Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Name {
    Set(PathBuf, usize),
    Gone(PathBuf),
    Moved(PathBuf, PathBuf, usize),
}

#[derive(Clone, Default)]
pub struct Sim {
    inodes: Vec<Inode>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<Name>,
    /// Operations that changed or synced something so far.
    pub steps: usize,
    /// The power goes with this one.
    pub cut: Option<usize>,
    dead: bool,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>, keep: &mut dyn FnMut() -> bool) {
        match self {
            Self::Truncate => bytes.clear(),
            Self::Write(at, new) => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                for (n, b) in new.iter().enumerate() {
                    if keep() {
                        bytes[at + n] = *b;
                    }
                }
            }
        }
    }
}

impl Name {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, inode) => drop(names.insert(path.clone(), *inode)),
            Self::Gone(path) => drop(names.remove(path)),
            Self::Moved(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Sim {
    /// A durable file.
    pub fn with(mut self, path: &Path, bytes: &[u8]) -> Self {
        self.inodes.push(Inode { durable: bytes.to_vec(), pending: Vec::new() });
        self.durable.insert(path.into(), self.inodes.len() - 1);
        self
    }

    /// The power is back; chance decides what became of what was not synced.
    pub fn after_the_cut(&self, seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut after = Self { steps: 0, cut: None, dead: false, ..self.clone() };
        for inode in &mut after.inodes {
            for change in core::mem::take(&mut inode.pending) {
                match dice.roll(4) {
                    0 => {}
                    1 => change.apply(&mut inode.durable, &mut || true),
                    2 => {
                        let mut left = dice.roll(64);
                        change.apply(&mut inode.durable, &mut || {
                            left = left.saturating_sub(1);
                            left > 0
                        });
                    }
                    _ => change.apply(&mut inode.durable, &mut || dice.roll(2) == 0),
                }
            }
        }
        for name in core::mem::take(&mut after.pending) {
            if dice.roll(2) == 0 {
                name.apply(&mut after.durable);
            }
        }
        after
    }

    /// Whether the bytes are anywhere on the medium, under a name or not.
    pub fn holds(&self, wanted: &[u8]) -> bool {
        self.inodes.iter().any(|i| i.durable.windows(wanted.len()).any(|w| w == wanted))
    }

    /// All files.
    pub fn names(&self) -> BTreeMap<PathBuf, usize> {
        let mut names = self.durable.clone();
        for name in &self.pending {
            name.apply(&mut names);
        }
        names
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names().get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn content(&self, inode: usize) -> Vec<u8> {
        let mut bytes = self.inodes[inode].durable.clone();
        for change in &self.inodes[inode].pending {
            change.apply(&mut bytes, &mut || true);
        }
        bytes
    }

    /// Counts an operation that has been noted as pending; the power may go with it.
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        if self.dead || self.cut == Some(self.steps) {
            self.dead = true;
            return Err(io::Error::other("the power is gone"));
        }
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn sync_inode(&mut self, inode: usize) -> io::Result<()> {
        self.step()?;
        let bytes = self.content(inode);
        self.inodes[inode] = Inode { durable: bytes, pending: Vec::new() };
        Ok(())
    }
}

impl Disk for Sim {
    fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        self.alive()?;
        Ok(self.content(self.inode(path)?))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.read(path, 0).map(|b| b.len() as u64)
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.alive()?;
        let inode = match self.inode(path) {
            Ok(inode) => inode,
            Err(_) => {
                self.inodes.push(Inode::default());
                self.pending.push(Name::Set(path.into(), self.inodes.len() - 1));
                self.inodes.len() - 1
            }
        };
        self.inodes[inode].pending.push(Change::Truncate);
        self.inodes[inode].pending.push(Change::Write(0, bytes.to_vec()));
        self.step()
    }

    fn write_at(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.alive()?;
        let inode = self.inode(path)?;
        self.inodes[inode].pending.push(Change::Write(at as usize, bytes.to_vec()));
        self.step()
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.alive()?;
        let inode = self.inode(path)?;
        self.sync_inode(inode)
    }

    fn supersede(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.alive()?;
        let (inode, old) = (self.inode(from)?, self.inode(to).ok());
        self.pending.push(Name::Moved(from.into(), to.into(), inode));
        self.step()?;
        self.sync_folder(folder_of(to))?;
        let Some(old) = old else { return Ok(()) };
        let zeros = vec![0; self.content(old).len()];
        self.inodes[old].pending.push(Change::Write(0, zeros));
        self.step()?;
        self.sync_inode(old)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.alive()?;
        self.inode(path)?;
        self.pending.push(Name::Gone(path.into()));
        self.step()
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        self.alive()?;
        let full = self.names().keys().any(|p| p.starts_with(path));
        if full { Err(io::ErrorKind::DirectoryNotEmpty.into()) } else { self.step() }
    }

    /// Names in the folder become durable; those elsewhere do not.
    fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        self.alive()?;
        self.step()?;
        let here = |name: &Name| match name {
            Name::Set(p, _) | Name::Gone(p) | Name::Moved(_, p, _) => folder_of(p) == path,
        };
        let (now, later): (Vec<Name>, Vec<Name>) = core::mem::take(&mut self.pending).into_iter().partition(here);
        for name in &now {
            name.apply(&mut self.durable);
        }
        self.pending = later;
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.alive()?;
        let mut found = BTreeMap::new();
        for path in self.names().into_keys() {
            let Ok(rest) = path.strip_prefix(folder) else { continue };
            let mut parts = rest.components();
            let first = folder.join(parts.next().unwrap());
            found.insert(first, parts.next().is_some());
        }
        Ok(found.into_iter().map(|(path, folder)| Entry { path, folder }).collect())
    }
}
