//! `picket gateway`: the operator's view, over the gateway's control socket.

use crate::cli::{ControlArgs, LinksArgs, RosterToGatewayArgs};
use crate::duration::short;
use crate::error::{Exit, Failure};
use crate::files;
use crate::limits;
use crate::output::{Output, table};
use picket_node::operator::{KeysStatus, LinkStatus, Queued, Reply, Request, Status};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// `status`, `queue` and `links`, by the request.
///
/// # Errors
/// [`Exit::NoGateway`] when none answers there.
pub fn gateway(request: &Request, args: &ControlArgs, out: &Output) -> Result<(), Failure> {
    match ask(&args.control, request)? {
        Reply::Status(status) => show_status(&status, out),
        Reply::Links(links) => show_links(&links, out),
        Reply::Queue(queue) => show_queue(&queue, out),
        Reply::Emcon(emcon) => super::emcon::show(&emcon, out),
        Reply::Roster { version } => show_roster(version, out),
        Reply::Object { generation } => show_generation(generation, out),
        Reply::Error { message, next, .. } => Err(Failure::usage(message, next)),
    }
}

/// `gateway links`.
///
/// # Errors
/// [`Exit::NoGateway`] when none answers there.
pub fn gateway_links(args: &LinksArgs, out: &Output) -> Result<(), Failure> {
    match ask(&args.control.control, &Request::Links)? {
        Reply::Links(links) => {
            show_links(&links, out)?;
            let texts = links.iter().filter(|_| args.quality).filter_map(super::quality::text);
            texts.into_iter().try_for_each(|text| out.say(&text))
        }
        Reply::Error { message, next, .. } => Err(Failure::usage(message, next)),
        other => Err(Failure::internal(format!("the gateway answered something else: {other:?}"))),
    }
}

/// `gateway roster FILE`.
///
/// # Errors
/// Usage, when the gateway refuses the roster; [`Exit::NoGateway`] when none answers.
pub fn gateway_roster(args: &RosterToGatewayArgs, out: &Output) -> Result<(), Failure> {
    let bytes = files::read(&args.file, limits::KEYFILL_MAX)?;
    gateway(&Request::Roster(hex::encode(&*bytes)), &args.control, out)
}

/// `gateway push FILE`: a revocation, or a roster.
///
/// # Errors
/// Usage, when the gateway refuses it; [`Exit::NoGateway`] when none answers.
pub fn gateway_push(args: &RosterToGatewayArgs, out: &Output) -> Result<(), Failure> {
    let bytes = files::read(&args.file, limits::KEYFILL_MAX)?;
    let request = match picket_roster::file::OBJECT.open(&bytes) {
        Ok(object) => Request::Object(hex::encode(object)),
        Err(_) => Request::Roster(hex::encode(&*bytes)),
    };
    gateway(&request, &args.control, out)
}

fn show_generation(generation: u8, out: &Output) -> Result<(), Failure> {
    out.object(&serde_json::json!({"generation": generation}))?;
    out.say(&format!("Network key generation {generation} is in force; the gateway passes the revocation on."))
}

pub(super) fn ask(path: &Path, request: &Request) -> Result<Reply, Failure> {
    let mut line = serde_json::to_vec(request).map_err(|e| Failure::internal(e.to_string()))?;
    line.push(b'\n');
    let answer = exchange(path, &line).map_err(|e| unreachable(path, &e))?;
    if answer.is_empty() {
        return Err(unreachable(path, &io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    serde_json::from_slice(&answer).map_err(|e| {
        Failure::internal(format!("the gateway at {} answered what this program does not know: {e}", path.display()))
    })
}

fn exchange(path: &Path, line: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(limits::CONTROL_WAIT))?;
    stream.set_write_timeout(Some(limits::CONTROL_WAIT))?;
    stream.write_all(line)?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(limits::CONTROL_REPLY_MAX).read_until(b'\n', &mut answer)?;
    Ok(answer)
}

fn unreachable(path: &Path, e: &io::Error) -> Failure {
    Failure::new(
        Exit::NoGateway,
        format!("no gateway answers at {}: {e}", path.display()),
        "check that picketd runs, and that --control is the `control` of its configuration",
    )
}

fn show_status(s: &Status, out: &Output) -> Result<(), Failure> {
    out.object(s)?;
    let mut text = format!(
        "{}  picketd {}  up {}\nroster     version {}\nqueue      {} messages, {} bytes stored\n",
        s.name,
        s.version,
        short(s.uptime_s),
        s.roster_version,
        s.queued,
        s.stored_bytes
    );
    text.push_str(&super::emcon::line(&s.emcon));
    text.push_str(&keys_line(&s.keys));
    for uplink in &s.uplinks {
        text.push_str(&format!("uplink     {}: {}\n", uplink.name, uplink.state));
    }
    for (name, count) in s.counters.iter().filter(|(_, count)| **count > 0) {
        text.push_str(&format!("counter    {name} {count}\n"));
    }
    out.say(text.trim_end())?;
    s.emcon.warnings.iter().for_each(|warning| out.warn(&format!("warning: {warning}")));
    Ok(())
}

fn keys_line(keys: &KeysStatus) -> String {
    let mut text = match keys.kept.as_str() {
        "clear" => "keys       in CLEAR, in the keyfill; seal them with `picketd --import-keyfill`\n".to_owned(),
        "file" => "keys       NOT protected: the wrapping key lies in the state folder\n".to_owned(),
        "tpm" => "keys       under this machine's TPM\n".to_owned(),
        other => format!("keys       {other}\n"),
    };
    if let Some(left) = keys.dead_man_left_ms {
        let near = if keys.warnings.iter().any(|w| w == "dead_man_near") { ", NEAR" } else { "" };
        text.push_str(&format!(
            "dead man   zeroizes in {}{near}, unless `picket gateway alive`\n",
            short(left / 1_000)
        ));
    }
    text
}

fn show_links(links: &[LinkStatus], out: &Output) -> Result<(), Failure> {
    links.iter().try_for_each(|link| out.object(link))?;
    if links.is_empty() {
        return out.say("This gateway has no links.");
    }
    let rows: Vec<Vec<String>> = links
        .iter()
        .map(|l| {
            let heard = if l.attached.is_empty() { "-".into() } else { l.attached.join(", ") };
            let (rx, tx) = (l.rx_bytes.to_string(), l.tx_bytes.to_string());
            vec![l.name.clone(), l.kind.clone(), rx, tx, heard, airtime(l), l.silence.clone(), l.state.clone()]
        })
        .collect();
    out.say(&table(&["NAME", "KIND", "RX BYTES", "TX BYTES", "ATTACHED", "AIRTIME", "SILENCE", "STATE"], &rows))
}

/// Used of the hour's budget, and what is left for routine and for flash.
fn airtime(link: &LinkStatus) -> String {
    let seconds = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    link.band.as_ref().map_or_else(
        || "-".into(),
        |b| {
            let (used, limit) = (seconds(b.used_ms), seconds(b.limit_ms));
            let (left, urgent) = (seconds(b.left_ms), seconds(b.left_urgent_ms));
            format!("{}: {used} of {limit} used, {left} left, {urgent} for flash", b.name)
        },
    )
}

fn show_queue(queue: &[Queued], out: &Output) -> Result<(), Failure> {
    queue.iter().try_for_each(|q| out.object(q))?;
    if queue.is_empty() {
        return out.say("Nothing waits here.");
    }
    let rows: Vec<Vec<String>> = queue
        .iter()
        .map(|q| {
            vec![
                q.id.clone(),
                q.precedence.clone(),
                short(q.age_s),
                short(q.lifetime_s),
                q.bytes.to_string(),
                q.state.clone(),
                q.why.clone(),
            ]
        })
        .collect();
    out.say(&table(&["ID", "PRECEDENCE", "AGE", "LIFETIME", "BYTES", "STATE", "WHY"], &rows))
}

fn show_roster(version: u32, out: &Output) -> Result<(), Failure> {
    out.object(&serde_json::json!({"roster_version": version}))?;
    out.say(&format!("Roster version {version} is in force."))
}
