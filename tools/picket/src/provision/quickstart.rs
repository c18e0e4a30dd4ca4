//! A whole bench mission in one step. Here, and only here, one machine makes the keys of all devices.

use super::check_name;
use super::device::{self, NewDevice};
use super::keyring::Place;
use super::mission::{Enrolment, Handover, Mission, protection};
use crate::cli::QuickstartArgs;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::passphrase::Protection;
use crate::via::Via;
use picket_roster::Kind;
use picket_roster::device::DeviceRequest;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// `picket mission quickstart`.
///
/// # Errors
/// Usage for names, radios and a folder that is not empty; nothing is written then.
pub fn quickstart(args: &QuickstartArgs, out: &Output) -> Result<(), Failure> {
    check(args)?;
    let protection = protection(&args.protection)?;
    let dir = args.dir.as_path();
    let place = Place::File(protection.clone());
    let mut mission = Mission::create(dir, &args.name, &place, args.broker.as_deref().and_then(host_of))?;
    mission.draft_mut().epoch_seconds = args.epoch_seconds.unwrap_or(mission.draft_mut().epoch_seconds);
    mission.draft_mut().max_delay_s = args.max_delay.unwrap_or(mission.draft_mut().max_delay_s);
    let members = args.members.iter().map(|name| NewDevice::make(name, Kind::Member, args.epochs));
    let gateways = args.gateways.iter().map(|name| NewDevice::make(name, Kind::Gateway, 0));
    let devices: Vec<NewDevice> = members.chain(gateways).collect::<Result<_, _>>()?;
    let mut enrolments = Vec::new();
    for device in &devices {
        let request = DeviceRequest::verify(&device.request)
            .map_err(|e| Failure::internal(format!("the request just made: {e}")))?;
        enrolments.push(Enrolment { request, bytes: &device.request, secrets: Some(&device.secrets) });
    }
    let signing = mission.enrol(&enrolments, Handover::Clear)?;
    for (n, device) in signing.devices.iter().enumerate() {
        match device.kind {
            Kind::Gateway => {
                let radio = args.radio.iter().find(|r| r.gateway == device.name);
                mission.write_gateway(&device.name, args.broker.as_deref(), radio)?;
            }
            Kind::Member => {
                let gateway = args.gateways.get(n % args.gateways.len().max(1)).map_or("gw", String::as_str);
                make_home(dir, &device.name, gateway, &protection, &device.keyfill)?;
            }
        }
    }
    mission.commit_with(&signing, |device| device.kind == Kind::Gateway)?;
    report(args, out)
}

fn check(args: &QuickstartArgs) -> Result<(), Failure> {
    let mut seen = BTreeSet::from(["roster", "authority", "tls", "run", "state"]);
    for name in args.members.iter().chain(&args.gateways) {
        check_name(name)?;
        if !seen.insert(name) {
            return Err(Failure::usage(
                format!("\"{name}\" is given twice, or is the name of a file in DIR"),
                "choose another name",
            ));
        }
    }
    if let Some(radio) = args.radio.iter().find(|r| !args.gateways.contains(&r.gateway)) {
        return Err(Failure::usage(
            format!("--radio names \"{}\", which is not one of --gateways", radio.gateway),
            "correct the name",
        ));
    }
    match args.broker.as_deref() {
        Some(url) if host_of(url).is_none() => Err(Failure::usage(
            format!("--broker \"{url}\" is not mqtts://HOST:PORT or mqtt://HOST:PORT"),
            "correct the address",
        )),
        _ => Ok(()),
    }
}

/// Host of mqtts://HOST:PORT or mqtt://HOST:PORT.
fn host_of(url: &str) -> Option<&str> {
    let address = url.strip_prefix("mqtts://").or_else(|| url.strip_prefix("mqtt://"))?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0)).then_some(host)
}

fn make_home(dir: &Path, name: &str, gateway: &str, protection: &Protection, keyfill: &[u8]) -> Result<(), Failure> {
    let home = Home::create(&dir.join(name), protection)?;
    let opened = home.open_alone()?;
    let via = Via::Unix(dir.join("run").join(format!("{gateway}.sock"))).absolute();
    device::join_member(opened.state, keyfill, Some(&[via]))
}

fn report(args: &QuickstartArgs, out: &Output) -> Result<(), Failure> {
    let dir = args.dir.display();
    out.object(&json!({
        "mission": args.name, "dir": args.dir, "members": args.members, "gateways": args.gateways,
        "protected": !args.protection.unprotected,
    }))?;
    if args.protection.unprotected {
        out.warn("the keys are NOT protected by a passphrase: whoever copies these files can read every message");
    }
    out.warn(
        "A BENCH MISSION: this machine made every device's keys, and gateways' keyfills lie in clear files. For a real one \
         use `picket mission new` and `picket device new`: keyfills are sealed there",
    );
    let gateway = |n: usize| args.gateways.get(n % args.gateways.len().max(1)).map_or("gw", String::as_str);
    let mut text =
        format!("Mission {} is in {dir}.\n  next: start the gateways, each in a terminal of its own\n", args.name);
    for name in &args.gateways {
        text.push_str(&format!("    picketd --config {dir}/{name}.toml\n"));
    }
    if let [first, second, ..] = args.members.as_slice() {
        text.push_str(&format!(
            "  then follow {second}'s mailbox, and send from {first}\n    picket inbox --home {dir}/{second} --follow\n    \
             picket send --home {dir}/{first} --to {second} --wait delivered \"hello\"\n"
        ));
        text.push_str(&format!(
            "  {first} attaches at {dir}/run/{}.sock and {second} at {dir}/run/{}.sock unless --via says otherwise",
            gateway(0),
            gateway(1)
        ));
    }
    if args.gateways.len() > 1 && args.broker.is_none() && args.radio.is_empty() {
        text.push_str(
            "\n  the gateways have no way to each other yet: fill in [[uplink]] or the radio in their .toml files, \
             or give --broker or --radio",
        );
    }
    out.say(&text)
}
