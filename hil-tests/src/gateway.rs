//! A gateway under test: its configuration, its process, what its operator sees.

use std::fmt::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use picket_channel::Duplex;
use serde_json::Value;

use crate::process::{Finished, Process, finish};
use crate::programs::program;
use crate::{Broker, Rig, wait};

/// What a gateway is configured with, beside its attach socket.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    text: String,
    state: Option<PathBuf>,
    max_bytes: String,
    namespace: Option<String>,
    tls: Option<(PathBuf, String)>,
    keys: String,
    user: Option<u32>,
}

impl Plan {
    /// A gateway with nothing but its attach socket.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let max_bytes = "64MiB".to_owned();
        Self {
            name: name.to_owned(),
            text: String::new(),
            state: None,
            max_bytes,
            namespace: None,
            tls: None,
            keys: String::new(),
            user: None,
        }
    }

    /// With a radio on a serial port.
    #[must_use]
    pub fn radio(mut self, port: &Path, air_bps: u32, duplex: Duplex) -> Self {
        let duplex = match duplex {
            Duplex::Half => "half",
            Duplex::Full => "full",
        };
        let port = port.display();
        let _ = write!(
            self.text,
            "\n[[link]]\nname = \"hf\"\nkind = \"serial\"\nport = \"{port}\"\nbaud = 115200\nair_bps = {air_bps}\nduplex = \"{duplex}\"\n"
        );
        self
    }

    /// The radio added last frames its bytes like this, whatever would suit it by itself.
    #[must_use]
    pub fn framing(mut self, framing: &str) -> Self {
        let _ = writeln!(self.text, "framing = \"{framing}\"");
        self
    }

    /// With an uplink to a broker.
    #[must_use]
    pub fn uplink(self, broker: &Broker) -> Self {
        self.uplink_url(&broker.url())
    }

    /// With an uplink to an address.
    #[must_use]
    pub fn uplink_url(mut self, url: &str) -> Self {
        let name = &self.name;
        let (folder, file) = self.tls.clone().unwrap_or_else(|| ("tls".into(), name.clone()));
        let folder = folder.display();
        let _ = write!(
            self.text,
            "\n[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"{url}\"\nca = \"{folder}/ca.pem\"\n\
             cert = \"{folder}/{file}.pem\"\nkey = \"{folder}/{file}.key\"\nprefix = \"picket\"\n"
        );
        self
    }

    /// With certificates from another folder (before the uplink).
    #[must_use]
    pub fn tls(mut self, folder: &Path, file: &str) -> Self {
        self.tls = Some((folder.to_owned(), file.to_owned()));
        self
    }

    /// With its state in another place.
    #[must_use]
    pub fn state(mut self, folder: &Path) -> Self {
        self.state = Some(folder.to_owned());
        self
    }

    /// With another limit of the store.
    #[must_use]
    pub fn max_bytes(mut self, limit: &str) -> Self {
        limit.clone_into(&mut self.max_bytes);
        self
    }

    /// In a network namespace.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// With more lines of TOML at the end.
    #[must_use]
    pub fn more(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// As another user, for a rig that is root.
    #[must_use]
    pub const fn user(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// With another key under `[gateway]`.
    #[must_use]
    pub fn key(mut self, line: &str) -> Self {
        self.keys.push_str(line);
        self.keys.push('\n');
        self
    }

    fn toml(&self) -> String {
        let name = &self.name;
        let state = self.state.as_ref().map_or_else(|| format!("state/{name}"), |p| p.display().to_string());
        format!(
            "version = 1\n\n[gateway]\nname = \"{name}\"\nkeyfill = \"{name}.keyfill\"\nstate = \"{state}\"\n\
             control = \"run/{name}.ctl\"\n{}\n[store]\nmax_bytes = \"{}\"\n\n[log]\nlevel = \"debug\"\nformat = \"text\"\n\n\
             [[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/{name}.sock\"\n{}",
            self.keys, self.max_bytes, self.text
        )
    }
}

/// A gateway of the mission.
#[derive(Debug)]
pub struct Gateway {
    plan: Plan,
    config: PathBuf,
    control: PathBuf,
    log: PathBuf,
    running: Option<Process>,
}

impl Gateway {
    /// Writes its configuration; does not start it.
    ///
    /// # Panics
    /// When the mission's folder cannot be written.
    #[must_use]
    pub fn prepare(rig: &Rig, plan: Plan) -> Self {
        let config = rig.mission(&format!("{}.toml", plan.name));
        std::fs::write(&config, plan.toml()).expect("the configuration is written");
        let control = rig.mission(&format!("run/{}.ctl", plan.name));
        Self { config, control, log: rig.log(&plan.name), plan, running: None }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The operator socket.
    #[must_use]
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn start(&mut self) {
        let mut process = Process::start(&self.plan.name, self.command(), &self.log);
        let control = &self.control;
        wait::until(&format!("{} to serve", self.plan.name), wait::PROMPT, || {
            assert!(process.is_running(), "{} ended: {}", self.plan.name, process.said());
            UnixStream::connect(control).ok()
        });
        self.running = Some(process);
    }

    /// Starts it where it must not come up: how it ended.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn start_refused(&self) -> Finished {
        finish(&self.plan.name, self.command(), &self.log, wait::PROMPT)
    }

    /// `picketd check`.
    #[must_use]
    pub fn check(&self) -> Finished {
        let mut command = Command::new(program("picketd"));
        command.arg("check").arg(&self.config);
        finish("picketd check", command, &self.log, wait::PROMPT)
    }

    fn command(&self) -> Command {
        let picketd = program("picketd");
        let mut command = match self.plan.user {
            None => crate::netns::command(self.plan.namespace.as_deref(), &picketd),
            Some(id) => {
                // Another user may not reach the folder that it was built in.
                let copy = self.config.with_file_name("picketd");
                std::fs::copy(&picketd, &copy).expect("the program is copied");
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".into()]).arg(&copy);
                command
            }
        };
        command.arg("--config").arg(&self.config);
        command
    }

    /// As a power cut does to it.
    pub fn kill9(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill9();
        }
    }

    /// SIGTERM; its exit code.
    ///
    /// # Panics
    /// When it does not end in time, or does not run.
    pub fn stop(&mut self) -> i32 {
        self.running.take().expect("it runs").terminate(wait::PROMPT)
    }

    /// Does its process live?
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(Process::is_running)
    }

    /// Process id, 0 when it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.as_ref().map_or(0, Process::id)
    }

    /// What it logged so far, over all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// `picket gateway status`.
    #[must_use]
    pub fn status(&self) -> Value {
        self.ask("status").into_iter().next().unwrap_or(Value::Null)
    }

    /// `picket gateway queue`, one object per message.
    #[must_use]
    pub fn queue(&self) -> Vec<Value> {
        self.ask("queue")
    }

    /// `picket gateway links`, one object per link.
    #[must_use]
    pub fn links(&self) -> Vec<Value> {
        self.ask("links")
    }

    /// One of its counters.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.status()["counters"][name].as_u64().unwrap_or(0)
    }

    /// Waits for an uplink's state to begin with `state`.
    ///
    /// # Panics
    /// When it does not within `limit`.
    pub fn await_uplink(&self, state: &str, limit: Duration) {
        wait::until(&format!("{}'s uplink to be {state}", self.plan.name), limit, || {
            let status = self.status();
            status["uplinks"][0]["state"].as_str().filter(|s| s.starts_with(state)).map(|_| ())
        });
    }

    fn ask(&self, what: &str) -> Vec<Value> {
        let mut command = Command::new(program("picket"));
        command.args(["gateway", what, "--json", "--control"]).arg(&self.control);
        let log = self.log.with_extension("operator.log");
        let done = finish(what, command, &log, wait::PROMPT);
        assert_eq!(done.code, 0, "gateway {what}: {}", done.err);
        done.out.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    }
}
