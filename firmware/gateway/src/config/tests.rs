#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

const MINIMAL: &str =
    "version = 1\n[gateway]\nname = \"gw1\"\nkeyfill = \"gw1.keyfill\"\nstate = \"state\"\ncontrol = \"run/c\"\n";

fn refusal(text: &str) -> String {
    match parse(text, Path::new("/etc/picket")) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err((at, problem)) => format!("{}: {problem}", line_of(text, at)),
    }
}

fn with(more: &str) -> String {
    format!("{MINIMAL}{more}")
}

#[test]
fn no_links_and_no_uplinks_is_valid_and_paths_begin_at_the_files_folder() {
    let config = parse(MINIMAL, Path::new("/etc/picket")).unwrap();
    assert!(config.links.is_empty() && config.uplinks.is_empty());
    assert_eq!(config.gateway.state, Path::new("/etc/picket/state"));
    assert_eq!(config.gateway.control, unix::Settings { path: "/etc/picket/run/c".into(), mode: 0o600 });
    assert_eq!(config.store_bytes, 256 << 20);
    assert_eq!(config.gateway.drain, Duration::from_secs(5));
    let absolute = MINIMAL.replace("\"state\"", "\"/var/lib/picket\"");
    assert_eq!(parse(&absolute, Path::new("/etc")).unwrap().gateway.state, Path::new("/var/lib/picket"));
}

#[test]
fn every_kind_of_link_and_uplink_means_what_it_says() {
    let config = parse(
        &with(
            "[store]\nmax_bytes = \"64MiB\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n\
             [[link]]\nname = \"hf\"\nkind = \"serial\"\nport = \"/dev/ttyX\"\nbaud = 57600\nair_bps = 9600\nduplex = \"half\"\n\
             [[link]]\nname = \"attach\"\nkind = \"unix\"\npath = \"run/gw1.sock\"\nmode = \"0660\"\n\
             [[link]]\nname = \"ip\"\nkind = \"udp\"\nbind = \"0.0.0.0:1\"\npeer = \"radio.lan:2\"\nmtu = 500\n\
             [[link]]\nname = \"lan\"\nkind = \"tcp\"\nconnect = \"host:7361\"\n\
             [[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\nurl = \"mqtts://broker.example\"\nca = \"tls/ca.pem\"\ncert = \"tls/c\"\nkey = \"tls/k\"\n",
        ),
        Path::new("/p"),
    )
    .unwrap();
    assert!(config.log.json && config.log.level == "debug" && config.store_bytes == 64 << 20);
    let [hf, attach, ip, lan] = config.links.as_slice() else { panic!("four links") };
    assert_eq!((hf.machine.air_bps, hf.machine.duplex), (Some(9600), Duplex::Half));
    assert!(matches!(&hf.medium, Medium::Serial(s) if s.baud == 57_600 && s.path == Path::new("/dev/ttyX")));
    assert!(matches!(&attach.medium, Medium::Unix(s) if s.mode == 0o660));
    assert_eq!((attach.machine.air_bps, attach.machine.duplex), (None, Duplex::Full));
    assert_eq!((ip.machine.framing, ip.machine.mtu), (Framing::Packet, Some(500)));
    assert!(matches!(&lan.medium, Medium::TcpConnect(peer) if peer == "host:7361"));
    let [hq] = config.uplinks.as_slice() else { panic!("one uplink") };
    assert_eq!((hq.host.as_str(), hq.port, hq.prefix.as_str()), ("broker.example", 8883, "picket"));
    assert_eq!(hq.tls.as_ref().unwrap().ca, Path::new("/p/tls/ca.pem"));
}

#[test]
fn every_refusal_names_its_line_and_what_to_do() {
    let serial = "[[link]]\nname = \"hf\"\nkind = \"serial\"\nport = \"/dev/x\"\n";
    let mqtt = "[[uplink]]\nname = \"hq\"\nkind = \"mqtt\"\n";
    let cases: &[(String, &str)] = &[
        (with(&format!("{serial}buad = 9600\n")), "11: unknown key `buad` in [[link]]; did you mean `baud`?"),
        (with(&format!("{serial}path = \"x\"\n")), "11: `path` is for links of kind unix, this one is `serial`"),
        (with(&format!("{serial}baud = \"fast\"\n")), "11: `baud` takes a whole number from 50 to 4000000"),
        (with(&format!("{serial}baud = 0\n")), "11: `baud` takes"),
        (with(&format!("{serial}duplex = \"both\"\n")), "11: `duplex` takes one of: half, full"),
        (with(&format!("{serial}{serial}")), "12: the name `hf` is used twice"),
        (with("[[link]]\nname = \"x\"\n"), "7: `kind` is missing in [[link]]"),
        (
            with("[[link]]\nname = \"x\"\nkind = \"serail\"\nbaud = 1\n"),
            "9: `kind` takes one of: serial, udp, tcp, unix",
        ),
        (with("[[link]]\nname = \"x\"\nkind = \"serial\"\n"), "7: `port` is missing in [[link]]: add it"),
        (with("[[link]]\nname = \"x\"\nkind = \"tcp\"\n"), "7: exactly one of `listen` and `connect` is needed"),
        (
            with("[[link]]\nname = \"x\"\nkind = \"tcp\"\nlisten = \"1.2.3.4:5\"\nconnect = \"h:1\"\n"),
            "7: exactly one of `listen` and `connect` is needed",
        ),
        (with("[[link]]\nname = \"x\"\nkind = \"tcp\"\nlisten = \"here:5\"\n"), "10: `listen` takes \"IP:PORT\""),
        (with("[[link]]\nname = \"x\"\nkind = \"tcp\"\nconnect = \"h:0\"\n"), "10: `connect` takes \"HOST:PORT\""),
        (with("[[link]]\nname = \"x\"\nkind = \"udp\"\nbind = \"1.2.3.4:5\"\n"), "7: `peer` is missing"),
        (with("[link]\nname = \"x\"\n"), "7: write this as a table: [[link]]"),
        (with(&format!("{mqtt}url = \"http://h\"\n")), "10: `url` takes \"mqtts://HOST:PORT\""),
        (with(&format!("{mqtt}url = \"mqtts://h\"\n")), "10: `mqtts://` needs `ca`"),
        (with(&format!("{mqtt}url = \"mqtts://h\"\nca = \"a\"\ncert = \"c\"\n")), "12: `cert` needs `key`"),
        (with(&format!("{mqtt}url = \"mqtt://h\"\nprefix = \"a/#\"\n")), "11: `prefix` takes topic levels"),
        (with(&format!("{serial}band = \"uhf\"\n")), "11: there is no band `uhf`: add a [[band]]"),
        (
            with(&format!("{serial}emits = false\nband = \"uhf\"\n")),
            "12: `band` and `emits = false` exclude each other",
        ),
        (
            with("[[link]]\nname = \"x\"\nkind = \"tcp\"\nconnect = \"h:1\"\nband = \"uhf\"\n"),
            "11: `band` needs `air_bps`: add it",
        ),
        (with("[[band]]\nname = \"uhf\"\n"), "7: `duty` is missing in [[band]]: add it"),
        (with("[[band]]\nname = \"uhf\"\nduty = \"1\"\n"), "9: `duty` takes a share such as \"1%\""),
        (with("[[band]]\nname = \"uhf\"\nduty = \"100.01%\"\n"), "9: `duty` takes a share"),
        (with("[[band]]\nname = \"uhf\"\nduty = \"1%\"\nreserve = \"95%\"\n"), "10: `reserve` takes a share"),
        (with("[store]\nmax_bytes = \"1KiB\"\n"), "8: `max_bytes` takes a size"),
        (with("[store]\nmax_bytes = \"much\"\n"), "8: `max_bytes` takes a size"),
        (with("[stroe]\n"), "7: unknown key `stroe`; did you mean `store`?"),
        (with("[zzz]\n"), "7: unknown key `zzz`; `picketd config` prints every key"),
        (with("[log]\nlevel = \"loud\"\n"), "8: `level` takes one of: error, warn"),
        (MINIMAL.replace("version = 1", "version = 2"), "1: `version` takes 1"),
        (MINIMAL.replace("version = 1\n", ""), "1: `version` is missing"),
        (MINIMAL.replace("name = \"gw1\"", "name = \"\""), "3: `name` takes text of 1 to 64 bytes"),
        (MINIMAL.replace("name = \"gw1\"\n", ""), "2: `name` is missing in [gateway]"),
        (format!("{MINIMAL}mode = \"0888\"\n"), "7: `mode` takes permission bits"),
        (format!("{MINIMAL}drain = \"5\"\n"), "7: `drain` takes a time"),
        (format!("{MINIMAL}drain = \"2h\"\n"), "7: `drain` takes a time"),
        (format!("{MINIMAL}clock = \"maybe\"\n"), "7: `clock` takes one of: synchronised, always, never"),
        (MINIMAL.replace("run/c", &"x".repeat(96)), "6: `control` is 108 bytes long"),
        ("version = \n".to_owned(), "1: "),
        (String::new(), "1: `version` is missing"),
    ];
    for (text, expected) in cases {
        let got = refusal(text);
        assert!(got.starts_with(expected), "{text}\n got      {got}\n expected {expected}");
    }
}

#[test]
fn the_reference_is_a_valid_configuration_with_every_key_and_the_defaults_in_force() {
    let printed = reference::print();
    let config = parse(&printed, Path::new("/")).unwrap_or_else(|(at, p)| panic!("{}: {p}", line_of(&printed, at)));
    assert_eq!(config.links.len(), schema::LINK_KINDS.len());
    let bare = parse(MINIMAL, Path::new("/")).unwrap();
    assert_eq!(config.gateway.drain, bare.gateway.drain);
    assert_eq!(config.store_bytes, bare.store_bytes);
    let sections = [
        &schema::ROOT,
        &schema::GATEWAY,
        &schema::STORE,
        &schema::ZEROIZE,
        &schema::LOG,
        &schema::BAND,
        &schema::LINK,
        &schema::UPLINK,
    ];
    let kinds = schema::LINK_KINDS.iter().filter_map(|k| schema::of_kind(k));
    for key in sections.into_iter().chain(kinds).flat_map(|s| s.keys) {
        let shown = printed.lines().any(|l| l.trim_start_matches('#').starts_with(&format!("{} = ", key.name)));
        assert!(shown, "{} is not in the reference", key.name);
    }
    // What is commented out is an example: it must be acceptable too (`connect` excludes `listen`).
    let all: Vec<_> = printed
        .lines()
        .filter(|l| !l.starts_with("#connect"))
        .map(|l| if l.starts_with("# ") { l } else { l.trim_start_matches('#') })
        .collect();
    let all = all.join("\n");
    parse(&all, Path::new("/")).unwrap_or_else(|(at, p)| panic!("{}: {p}", line_of(&all, at)));
}

#[test]
fn the_committed_reference_is_what_is_printed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/reference.toml");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&file, reference::print()).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == reference::print(), "run `picketd config > configs/reference.toml` and commit it");
}

#[test]
fn a_file_is_read_with_paths_from_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gw.toml");
    std::fs::write(&file, MINIMAL).unwrap();
    assert_eq!(load(&file).unwrap().gateway.keyfill, folder.path().join("gw1.keyfill"));
    let absent = load(&folder.path().join("absent.toml")).unwrap_err();
    assert!(absent.to_string().contains("cannot be read"), "{absent}");
}

#[test]
fn bands_and_emissions_mean_what_they_say() {
    let config = parse(
        &with(
            "minimize = \"flash\"\n[[band]]\nname = \"uhf\"\nduty = \"0.1%\"\npreamble = \"250ms\"\n\
             [[link]]\nname = \"a\"\nkind = \"serial\"\nport = \"/dev/a\"\nband = \"uhf\"\n\
             [[link]]\nname = \"b\"\nkind = \"serial\"\nport = \"/dev/b\"\nemits = false\n\
             [[link]]\nname = \"c\"\nkind = \"unix\"\npath = \"c\"\n\
             [[link]]\nname = \"d\"\nkind = \"tcp\"\nlisten = \"1.2.3.4:5\"\n",
        ),
        Path::new("/p"),
    )
    .unwrap();
    let [uhf] = config.bands.as_slice() else { panic!("one band") };
    assert_eq!((uhf.duty, uhf.reserve, uhf.preamble), (10, 2_000, Duration::from_millis(250)));
    let airs: Vec<Air> = config.links.iter().map(|l| l.air).collect();
    assert_eq!(airs, [Air::Band(0), Air::Cable, Air::Cable, Air::Open]);
    assert_eq!(config.gateway.minimize, Precedence::Flash);
    assert_eq!(config.gateway.emcon_mark, Path::new("/p/run/c.emcon"));
}
