//! `picket-dissect`: explains bytes of the hop protocol.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use clap::Parser;
use picket_dissect::{Keys, Report, broker_payload, envelope, input, packet, stream};
use picket_wire::envelope::Envelope;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Explains bytes of Picket's hop protocol, field by field.
///
/// Without keys it shows what an eavesdropper sees. Nothing it is given opens what is sealed end to end.
#[derive(Parser, Debug)]
#[command(name = "picket-dissect", version, after_help = AFTER)]
struct Arguments {
    /// Bytes as hex (white space, ':', ',' and 0x are ignored); '-' or nothing: from standard input
    hex: Option<String>,
    /// Read the bytes from a file
    #[arg(long, value_name = "FILE", conflicts_with = "hex")]
    file: Option<PathBuf>,
    /// The file or standard input holds raw bytes, not hex
    #[arg(long)]
    raw: bool,
    /// A byte stream: cut into frames at the zero bytes and COBS-decoded
    #[arg(long, group = "form")]
    stream: bool,
    /// A bare envelope, as it is stored
    #[arg(long, group = "form")]
    envelope: bool,
    /// A broker payload: the publisher's index, then a frame
    #[arg(long, group = "form")]
    mqtt: bool,
    /// Network key: unmasks frames and verifies broadcasts
    #[arg(long, value_name = "HEX", value_parser = input::key, requires = "generation")]
    nk: Option<[u8; 32]>,
    /// Generation of the network key
    #[arg(long, value_name = "N", requires = "nk")]
    generation: Option<u8>,
    /// Link key of two neighbours: verifies frames between them; repeatable
    #[arg(long, value_name = "HEX", value_parser = input::key, requires = "nk")]
    link_key: Vec<[u8; 32]>,
    /// An envelope as it was offered, to verify its acknowledgement; repeatable
    #[arg(long, value_name = "HEX", requires = "nk")]
    offer: Vec<String>,
    /// One JSON object a line instead of tables
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
Examples:
  picket-dissect 2c5f…                                 what anyone can see of one frame
  picket-dissect --nk KEY --generation 1 2c5f…         unmasked, broadcasts verified
  picket-dissect --stream --raw --file capture.bin     every frame of a serial capture
  picket-dissect --envelope 0402040012…                a stored envelope

Exit codes: 0 everything was understood, 1 something was malformed or had a wrong MAC, 2 usage.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(reports) => {
            show(&reports, arguments.json);
            let fine = !reports.is_empty() && reports.iter().all(|r| r.problem.is_none());
            ExitCode::from(u8::from(!fine))
        }
        Err(message) => {
            eprintln!("picket-dissect: {message}");
            ExitCode::from(2)
        }
    }
}

fn show(reports: &[Report], json: bool) {
    for report in reports {
        if json {
            println!("{}", report.to_json());
        } else {
            println!("{report}");
        }
    }
    if reports.is_empty() {
        eprintln!("picket-dissect: no frame in these bytes");
    }
}

fn run(arguments: &Arguments) -> Result<Vec<Report>, String> {
    let keys = keys(arguments)?;
    let bytes = bytes(arguments)?;
    Ok(if arguments.stream {
        stream(&bytes, &keys)
    } else if arguments.envelope {
        vec![envelope(&bytes)]
    } else if arguments.mqtt {
        vec![broker_payload(&bytes, &keys)]
    } else {
        vec![packet(&bytes, &keys)]
    })
}

fn keys(arguments: &Arguments) -> Result<Keys, String> {
    let mut keys = Keys::none();
    if let (Some(nk), Some(generation)) = (&arguments.nk, arguments.generation) {
        keys = keys.network(nk, generation);
    }
    for key in &arguments.link_key {
        keys = keys.link(*key);
    }
    for offer in &arguments.offer {
        let raw = input::from_hex(offer).map_err(|e| format!("--offer: {e}"))?;
        let parsed = Envelope::parse(&raw).map_err(|e| format!("--offer: {e}"))?;
        keys = keys.offer(&parsed);
    }
    Ok(keys)
}

fn bytes(arguments: &Arguments) -> Result<Vec<u8>, String> {
    if let Some(text) = arguments.hex.as_deref().filter(|t| *t != "-") {
        return input::from_hex(text).map_err(|e| e.to_string());
    }
    let mut read = Vec::new();
    match &arguments.file {
        Some(path) => read = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?,
        None => {
            std::io::stdin().read_to_end(&mut read).map_err(|e| format!("standard input: {e}"))?;
        }
    }
    if arguments.raw {
        return Ok(read);
    }
    let text = String::from_utf8(read).map_err(|_| "not hex; for raw bytes use --raw".to_owned())?;
    input::from_hex(&text).map_err(|e| e.to_string())
}
