//! `cargo xtask board`: the gateway on an emulated board with the distribution's kernel, for what this machine does not
//! have: a GPIO character device. A switch is closed on it, for too short a time and then for long enough.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::cargo;
use crate::cross::AARCH64;
use crate::needs::{self, Set};

/// The board's kernel and its one other program. The kernel's package is named by the first one, which depends on it.
const KERNEL: &str = "linux-image-cloud-arm64";
const SHELL: &str = "busybox-static";
/// What the gateway is linked against.
const LIBRARIES: [&str; 4] = ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1"];
/// This board's first GPIO line that something outside can close: QEMU wires its power button to it, for 100 ms a press.
const SWITCH: &str = "gpio:/dev/gpiochip0:3";
/// A line that nobody drives reads low, which is closed where a switch goes to ground.
const GROUNDED: &str = "gpio-low:/dev/gpiochip0:0";
/// Shorter than a press: pressed again this often, the switch stays closed.
const AGAIN: Duration = Duration::from_millis(40);
/// A board that says nothing for this long hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// What the board runs; `BOARD` begins what is looked at from here.
const INIT: &str = "#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs d /dev; $b mount -t proc p /proc
picketd=/bin/picketd
$picketd --config /m/gw1.toml --import-keyfill /m/gw1.keyfill && $b echo BOARD imported
$picketd --config /m/gw1.toml 2>/log & gateway=$!
while ! $b grep -q serving /log && $b kill -0 $gateway; do $b sleep 0.1; done
$b echo BOARD serving $($b grep VmHWM /proc/$gateway/status) $($b grep VmLck /proc/$gateway/status)
wait $gateway
$b echo BOARD ended $?
$b cat /log
$b echo BOARD left $($b find /m/state /m/gw1.keyfill -type f 2>/dev/null | $b wc -l)
$b poweroff -f
";

/// Runs the gateway on the board, and closes the switch.
///
/// # Errors
/// When something does not build or boot, or the gateway does otherwise than it should.
pub fn run() -> Result<(), String> {
    needs::install_missing(Set::Boards);
    let folder = cargo::target_dir()?.join("machine");
    let parts = Parts::get(&folder)?;
    let mut board = Board::boot(&parts, &folder, SWITCH)?;
    board.until("BOARD imported")?;
    let memory = board.until("BOARD serving")?;
    board.press()?;
    board.quiet(Duration::from_secs(2))?;
    println!("ok   a switch closed for 100 ms is a contact that bounces: the gateway goes on");
    board.hold_until("BOARD ended 9")?;
    board.until("BOARD left 0")?;
    println!("ok   closed for longer, the gateway is zeroized: exit code 9, no file of its state or keys is left");

    let mut board = Board::boot(&parts, &folder, GROUNDED)?;
    board.until("BOARD imported")?;
    board.until("BOARD ended 9")?;
    board.until("BOARD left 0")?;
    println!("ok   a line that is low is closed where the switch goes to ground (gpio-low)");
    println!("     the board: Cortex-A53, Linux; picketd there: {}", memory.trim_start_matches("BOARD serving").trim());
    Ok(())
}

/// What the board is made of.
struct Parts {
    kernel: PathBuf,
    shell: PathBuf,
    gateway: PathBuf,
    mission: PathBuf,
}

impl Parts {
    fn get(folder: &Path) -> Result<Self, String> {
        let root = folder.join("root");
        if !root.join("boot").is_dir() {
            packages(folder, &root)?;
        }
        let kernel = fs::read_dir(root.join("boot")).map_err(|e| e.to_string())?.flatten().map(|e| e.path());
        let kernel = kernel.into_iter().find(|p| p.to_string_lossy().contains("vmlinuz"));
        // Like `cargo xtask dist --target`, so that nothing is built twice.
        let what = ["build", "--profile", "dist", "-p", "picketd", "-p", "picket"];
        cargo::run(&mut AARCH64.cargo("boards", "", &what)?)?;
        cargo::run(cargo::cargo().args(["build", "-p", "picket"]))?;
        let mission = folder.join("mission");
        if mission.exists() {
            fs::remove_dir_all(&mission).map_err(|e| e.to_string())?;
        }
        let mut quickstart = Command::new(cargo::target_dir()?.join("debug/picket"));
        quickstart.args(["mission", "quickstart"]).arg(&mission).stdout(Stdio::null()).stderr(Stdio::null());
        cargo::run(quickstart.args(["--members", "alpha", "--gateways", "gw1", "--unprotected"]))?;
        Ok(Self {
            kernel: kernel.ok_or("the kernel's package has no kernel")?,
            shell: root.join("bin/busybox"),
            gateway: AARCH64.built("boards", "dist")?.join("picketd"),
            mission,
        })
    }

    /// What the kernel unpacks into memory and runs: the newc form of cpio, uncompressed.
    fn file_system(&self, switch: &str) -> Result<Vec<u8>, String> {
        let read = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let mut config = fs::read_to_string(self.mission.join("gw1.toml")).map_err(|e| e.to_string())?;
        config.push_str(&format!("\n[zeroize]\nline = \"{switch}\"\n"));
        let mut archive = Archive::default();
        for folder in ["bin", "dev", "lib", "proc", "m", "tmp"] {
            archive.add(folder, 0o040_755, &[]);
        }
        archive.add("init", 0o100_755, INIT.as_bytes());
        archive.add("bin/busybox", 0o100_755, &read(&self.shell)?);
        archive.add("bin/picketd", 0o100_755, &read(&self.gateway)?);
        for name in LIBRARIES {
            archive.add(&format!("lib/{name}"), 0o100_755, &read(&AARCH64.library(name))?);
        }
        archive.add("m/gw1.toml", 0o100_600, config.as_bytes());
        archive.add("m/gw1.keyfill", 0o100_600, &read(&self.mission.join("gw1.keyfill"))?);
        Ok(archive.end())
    }
}

/// Downloads and unpacks the board's packages, by a configuration of apt that touches nothing of this machine's.
fn packages(folder: &Path, root: &Path) -> Result<(), String> {
    let lists = folder.join("apt");
    fs::create_dir_all(lists.join("lists/partial")).map_err(|e| e.to_string())?;
    fs::create_dir_all(lists.join("archives/partial")).map_err(|e| e.to_string())?;
    let status = lists.join("status");
    File::create(&status).map_err(|e| e.to_string())?;
    let config = lists.join("apt.conf");
    let text = format!(
        "APT::Architecture \"arm64\";\nAPT::Architectures {{ \"arm64\"; }};\nDir::State \"{0}\";\n\
         Dir::State::status \"{1}\";\nDir::Cache \"{0}\";\n",
        lists.display(),
        status.display()
    );
    fs::write(&config, text).map_err(|e| e.to_string())?;
    let apt = |program: &str| {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &config).current_dir(&lists);
        command
    };
    cargo::run(apt("apt-get").args(["update", "-qq"]))?;
    let depends = apt("apt-cache").args(["depends", KERNEL]).output().map_err(|e| format!("apt-cache: {e}"))?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let kernel = depends.lines().find_map(|l| l.trim().strip_prefix("Depends: ")).ok_or("no kernel for the board")?;
    cargo::run(apt("apt-get").args(["download", "-qq", kernel, SHELL]))?;
    for entry in fs::read_dir(&lists).map_err(|e| e.to_string())?.flatten().map(|e| e.path()) {
        if entry.extension().is_some_and(|e| e == "deb") {
            cargo::run(Command::new("dpkg").arg("-x").arg(&entry).arg(root))?;
            fs::remove_file(&entry).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// An archive in cpio's newc form.
#[derive(Default)]
struct Archive(Vec<u8>);

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        let number = self.0.len() as u32; // any that differs from the others'
        let fields = [number, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.0.extend_from_slice(b"070701");
        fields.iter().for_each(|field| self.0.extend_from_slice(format!("{field:08X}").as_bytes()));
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        self.align();
        self.0.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.0
    }
}

/// A running board.
struct Board {
    machine: Child,
    lines: Receiver<String>,
    buttons: UnixStream,
    said: Vec<String>,
}

impl Board {
    fn boot(parts: &Parts, folder: &Path, switch: &str) -> Result<Self, String> {
        let archive = folder.join("board.cpio");
        fs::write(&archive, parts.file_system(switch)?).map_err(|e| e.to_string())?;
        let socket = folder.join("qmp");
        let _ = fs::remove_file(&socket); // from a run before, or not there
        let mut machine = Command::new("qemu-system-aarch64");
        machine.args(["-M", "virt", "-cpu", "cortex-a53", "-m", "128", "-accel", "tcg", "-nic", "none", "-no-reboot"]);
        machine.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-append", "console=ttyAMA0 quiet"]);
        machine.arg("-kernel").arg(&parts.kernel).arg("-initrd").arg(&archive);
        machine.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));
        machine.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut machine = machine.spawn().map_err(|e| format!("qemu-system-aarch64: {e}"))?;
        let console = machine.stdout.take().ok_or("no console")?;
        let (sender, lines) = sync_channel(4096);
        std::thread::spawn(move || {
            for line in BufReader::new(console).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let begun = Instant::now();
        let buttons = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(e) if begun.elapsed() > LIMIT => return Err(format!("{}: {e}", socket.display())),
                Err(_) => std::thread::sleep(AGAIN),
            }
        };
        let mut board = Self { machine, lines, buttons, said: Vec::new() };
        board.ask("qmp_capabilities")?;
        Ok(board)
    }

    /// One command of QEMU's machine protocol; what it answers is of no interest as long as it takes it.
    fn ask(&mut self, command: &str) -> Result<(), String> {
        let line = format!("{{\"execute\":\"{command}\"}}\n");
        self.buttons.write_all(line.as_bytes()).map_err(|e| format!("{command}: {e}"))?;
        self.buttons.set_nonblocking(true).map_err(|e| e.to_string())?;
        let mut answers = [0; 4096];
        let _ = self.buttons.read(&mut answers); // taken away, so that it never waits for us
        self.buttons.set_nonblocking(false).map_err(|e| e.to_string())
    }

    fn press(&mut self) -> Result<(), String> {
        self.ask("system_powerdown")
    }

    /// The next line that begins with `wanted`.
    fn until(&mut self, wanted: &str) -> Result<String, String> {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
                Ok(line) if line.starts_with(wanted) => return Ok(line),
                Ok(line) => self.said.push(line),
                Err(_) => return Err(self.instead_of(wanted)),
            }
        }
    }

    /// Nothing is said for this long.
    fn quiet(&mut self, long: Duration) -> Result<(), String> {
        match self.lines.recv_timeout(long) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(line) => Err(self.instead_of(&format!("nothing ({line})"))),
            Err(RecvTimeoutError::Disconnected) => Err(self.instead_of("nothing (it ended)")),
        }
    }

    /// Keeps the switch closed until the line comes.
    fn hold_until(&mut self, wanted: &str) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            self.press()?;
            match self.lines.recv_timeout(AGAIN) {
                Ok(line) if line.starts_with(wanted) => return Ok(()),
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(self.instead_of(wanted))
    }

    fn instead_of(&mut self, wanted: &str) -> String {
        self.said.extend(self.lines.try_iter());
        format!("the board was to say {wanted:?}; it said:\n{}", self.said.join("\n"))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.machine.kill(); // it may have switched itself off
        let _ = self.machine.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_aligned_and_ends_as_the_kernel_wants_it() {
        let mut archive = Archive::default();
        archive.add("init", 0o100_755, b"abc");
        let bytes = archive.end();
        assert!(bytes.starts_with(b"070701") && bytes.len().is_multiple_of(4));
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..120], b"abc\0");
        assert!(bytes.windows(10).any(|w| w == b"TRAILER!!!"));
    }
}
