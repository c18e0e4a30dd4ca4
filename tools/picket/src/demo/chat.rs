//! After the story: the stage is the user's.

use super::Telling;
use super::stage::{Gw, Stage};
use crate::error::Failure;
use serde_json::Value;
use std::io::BufRead;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

const HELP: &str = "
The stage is yours. Type a text to send it from alpha to bravo; `b: text` sends from bravo to alpha.
  /uplink off|on   pull or plug the cable to the broker      /radio off|on   silence the radio, or not
  /kill 1|2        kill a gateway with -9 and restart it     /queue          what the gateways hold, and why
  /help            this                                      /quit           end";

/// Reads the user's lines until `/quit` or the end of input.
pub(super) fn open(stage: &mut Stage, telling: &mut Telling) -> Result<(), Failure> {
    telling.line(HELP)?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    loop {
        let news: Vec<Value> = stage.bravo.news().into_iter().chain(stage.alpha.news()).collect();
        for message in news {
            telling.line(&shown(&message))?;
        }
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) if line.trim() == "/quit" => return Ok(()),
            Ok(line) => obey(stage, telling, line.trim())?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn shown(message: &Value) -> String {
    let field = |name: &str| message[name].as_str().unwrap_or("?").to_owned();
    format!("  {} reads from {}: {}", field("to"), field("from"), field("text"))
}

fn obey(stage: &mut Stage, telling: &mut Telling, line: &str) -> Result<(), Failure> {
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        [] => Ok(()),
        ["/help"] => telling.line(HELP),
        ["/uplink", state @ ("on" | "off")] => {
            stage.uplink.set_cut(*state == "off");
            telling.line(&format!("  uplink {state}"))
        }
        ["/radio", state @ ("on" | "off")] => {
            stage.radio.set_outage(*state == "off");
            telling.line(&format!("  radio {state}"))
        }
        ["/kill", which @ ("1" | "2")] => {
            let gw = if *which == "1" { Gw::One } else { Gw::Two };
            stage.kill(gw)?;
            stage.start(gw)?;
            telling.line(&format!("  {} was killed and is back", gw.name()))
        }
        ["/queue"] => queue(stage, telling),
        [first, ..] if first.starts_with('/') => telling.line("  no such command; /help lists them"),
        _ => say(stage, telling, line),
    }
}

fn queue(stage: &Stage, telling: &mut Telling) -> Result<(), Failure> {
    for gw in [Gw::One, Gw::Two] {
        let rows = stage.gateway(gw, "queue")?;
        telling.line(&format!("  {} holds {}", gw.name(), rows.len()))?;
        for row in rows {
            let field = |name: &str| row[name].as_str().unwrap_or("?").to_owned();
            telling.line(&format!(
                "    {} {} {}: {}",
                field("id"),
                field("precedence"),
                field("state"),
                field("why")
            ))?;
        }
    }
    Ok(())
}

fn say(stage: &Stage, telling: &mut Telling, line: &str) -> Result<(), Failure> {
    let (from, to, text) = match line.strip_prefix("b:") {
        Some(text) => ("bravo", "alpha", text.trim()),
        None => ("alpha", "bravo", line),
    };
    match stage.send(from, to, &[], text) {
        Ok(id) => telling.line(&format!("  {from} sent {id}")),
        Err(why) => telling.line(&format!("  {why}")),
    }
}
