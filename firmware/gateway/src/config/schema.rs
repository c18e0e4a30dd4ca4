//! Every key of the configuration, defined once: its form, its default, its reason. The parser, the reference and the
//! messages all come from these tables.

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text of 1 to 64 bytes without control characters.
    Name,
    /// A file or folder; relative ones are resolved against the configuration's folder.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number between both bounds.
    Integer(u64, u64),
    /// A size: a whole number of bytes, or text such as `256MiB`; between both bounds.
    Bytes(u64, u64),
    /// A time such as `300ms`, `5s`, `15m`, `72h`; between both bounds, in milliseconds.
    Span(u64, u64),
    /// A share such as `1%`, `0.1%`, `12.5%`, from this to that in parts of ten thousand.
    Share(u64, u64),
    /// Octal permission bits as text.
    Mode,
    /// `true` or `false`.
    Flag,
    /// `IP:PORT`.
    Address,
    /// `HOST:PORT`.
    HostPort,
    /// `mqtts://HOST[:PORT]` or `mqtt://HOST[:PORT]`.
    Url,
    /// A switch: `gpio:/dev/gpiochip0:17`, `gpio-low:…` or `file:PATH`.
    Line,
    /// Topic prefix: levels of letters, digits, `-`, `_` separated by `/`.
    Prefix,
}

/// What is in force when the key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The configuration is refused; the example is for the reference.
    Required(&'static str),
    /// This value, as written in a file.
    Default(&'static str),
    /// Something that depends on other keys, or nothing (the documentation says which); the example is for the
    /// reference, where it is commented out.
    Unset(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub form: Form,
    /// What is in force without it.
    pub absent: Absent,
    /// Why it exists; lines of the reference.
    pub doc: &'static str,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its header as written, `[gateway]`.
    pub header: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

const fn key(name: &'static str, form: Form, absent: Absent, doc: &'static str) -> Key {
    Key { name, form, absent, doc }
}

use Absent::{Default, Required, Unset};

const HOUR: u64 = 3_600_000;
const MIB: u64 = 1 << 20;

/// The top of the file.
pub const ROOT: Section = Section {
    header: "",
    doc: "Configuration of a Picket gateway (picketd). Every key with its default, or an example where there is none.\n\
          Relative paths are resolved against the folder of this file. Unknown keys are refused.",
    keys: &[key("version", Form::Integer(1, 1), Required("1"), "Version of this format.")],
};

/// `[gateway]`.
pub const GATEWAY: Section = Section {
    header: "[gateway]",
    doc: "",
    keys: &[
        key("name", Form::Name, Required("\"gw1\""), "Name of this gateway, as the roster has it."),
        key(
            "keyfill",
            Form::Path,
            Required("\"gw1.keyfill\""),
            "What this gateway received before the mission: roster, network key, its own keys. Keep it mode 0600, or\n\
             have it imported (`picketd --import-keyfill`): it then lies encrypted in the state folder, and the file\n\
             is gone.",
        ),
        key(
            "state",
            Form::Path,
            Required("\"state/gw1\""),
            "Folder for everything durable: the store of envelopes in custody, the newest roster.\n\
             Made with mode 0700. Keep it on a device that survives power cuts.",
        ),
        key(
            "control",
            Form::Path,
            Required("\"run/gw1.ctl\""),
            "Operator socket, for `picket gateway status|queue|links|roster|emcon`. At most 107 bytes.",
        ),
        key(
            "secrets",
            Form::Path,
            Unset("\"gw1.secrets\""),
            "This gateway's own keys, where the keyfill does not carry them.",
        ),
        key("mode", Form::Mode, Default("\"0600\""), "Permission bits of the operator socket."),
        key(
            "clock",
            Form::Word(&["synchronised", "always", "never"]),
            Default("\"synchronised\""),
            "When the wall clock is believed: while a time service keeps it synchronised, always, or never.\n\
             Without believed time, lifetimes stand still while the board is switched off.",
        ),
        key("drain", Form::Span(0, 60_000), Default("\"5s\""), "Longest time SIGTERM waits for answers owed."),
        key(
            "uplink_timeout",
            Form::Span(1_000, HOUR),
            Default("\"15s\""),
            "Custody unacknowledged for this long on an uplink: the next way is tried.",
        ),
        key(
            "link_timeout",
            Form::Span(1_000, 24 * HOUR),
            Default("\"120s\""),
            "The same on a link, counted from when the envelope is first on air there.",
        ),
        key(
            "publish_window",
            Form::Integer(1, 4096),
            Default("512"),
            "Publishes under way at each broker without its acknowledgement.",
        ),
        key(
            "uplink_rate",
            Form::Integer(1, 1_000_000),
            Default("20000"),
            "Envelopes a second accepted from each broker on average: it cannot flood the radios.",
        ),
        key(
            "minimize",
            Form::Word(&["override", "flash", "immediate", "priority", "routine"]),
            Default("\"immediate\""),
            "Least precedence that leaves by radio under MINIMIZE. The state itself is no key of this file: see\n\
             `picketd --emcon STATE` and `picket gateway emcon`. No configuration can clear a silence.",
        ),
        key(
            "emcon_mark",
            Form::Path,
            Unset("\"/var/lib/picket-emcon/gw1\""),
            "Second copy of the emission-control mark, outside the state folder, so that a state folder restored from a\n\
             backup does not clear a silence: the stricter of both applies. Default: beside the operator socket.",
        ),
    ],
};

/// `[store]`.
pub const STORE: Section = Section {
    header: "[store]",
    doc: "",
    keys: &[key(
        "max_bytes",
        Form::Bytes(4 * MIB, 1 << 40),
        Default("\"256MiB\""),
        "Room for envelopes in custody. A full gateway refuses custody; senders keep their messages.",
    )],
};

/// `[zeroize]`.
pub const ZEROIZE: Section = Section {
    header: "[zeroize]",
    doc: "What destroys this gateway's keys by itself, beside `picketd --zeroize`. The wrapping key goes first, then the\n\
          store; the gateway stops transmitting and ends with exit code 9. It cannot be undone.",
    keys: &[
        key(
            "line",
            Form::Line,
            Unset("\"gpio-low:/dev/gpiochip0:17\""),
            "A switch that zeroizes while it is closed: a line of a GPIO device (gpio-low: closed is low), or a file\n\
             whose first byte is 1. It must be closed for a fifth of a second, as contacts bounce. Default: none.",
        ),
        key(
            "dead_man",
            Form::Span(HOUR, 365 * 24 * HOUR),
            Unset("\"72h\""),
            "Without `picket gateway alive` for this long the gateway zeroizes. Counted in powered-on time, and in\n\
             believed wall time while it was off. A warning is logged for the last tenth of it, at most a day.\n\
             Default: never.",
        ),
    ],
};

/// `[log]`.
pub const LOG: Section = Section {
    header: "[log]",
    doc: "To stderr. Never contains keys, names of topics or anything sealed.",
    keys: &[
        key("level", Form::Word(&["error", "warn", "info", "debug", "trace"]), Default("\"info\""), "Least level."),
        key("format", Form::Word(&["text", "json"]), Default("\"text\""), "For people, or one object a line."),
    ],
};

/// Kinds of link.
pub const LINK_KINDS: &[&str] = &["serial", "udp", "tcp", "unix"];

/// Keys of every `[[link]]`.
pub const LINK: Section = Section {
    header: "[[link]]",
    doc: "A radio, a cable or a socket. Any number of them; endpoints may attach on each.",
    keys: &[
        key("name", Form::Name, Required("\"name\""), "Name for people and for `picket gateway links`; unique."),
        key("kind", Form::Word(LINK_KINDS), Required("\"kind\""), "serial | udp | tcp | unix"),
        key(
            "duplex",
            Form::Word(&["half", "full"]),
            Unset("\"half\""),
            "Whether both sides may transmit at once. Default: half for serial, full for the others.",
        ),
        key(
            "air_bps",
            Form::Integer(10, 1_000_000_000),
            Unset("9600"),
            "Bits per second on air, for pacing: the modem's own queue stays shallow, so that precedence works.\n\
             Default: baud for serial; none for the others, which pace themselves.",
        ),
        key(
            "framing",
            Form::Word(&["auto", "cobs", "fec", "packet"]),
            Default("\"auto\""),
            "cobs: cables and streams; fec: radios, corrects bit errors; packet: datagrams. Both ends need the same.\n\
             auto: fec on serial ports in half duplex or slower on air than on the wire, cobs on others and on\n\
             streams, packet on udp.",
        ),
        key(
            "access",
            Form::Word(&["turns", "radio"]),
            Default("\"turns\""),
            "Half duplex: who keeps stations from talking at once. turns: we do; radio: it listens before it talks.",
        ),
        key(
            "turn_round",
            Form::Span(0, 10_000),
            Unset("\"20ms\""),
            "Half duplex: time from the end of a transmission until the other side can be heard. Default: 20ms.",
        ),
        key(
            "emits",
            Form::Flag,
            Unset("true"),
            "Whether bytes that leave here are an emission, which receive-only and silent stop. false only for a cable\n\
             without a transmitter behind it. Default: true for serial, udp and tcp; false for unix.",
        ),
        key(
            "band",
            Form::Name,
            Unset("\"band\""),
            "Name of the [[band]] whose airtime this link uses; several links may share one. Default: no budget.",
        ),
    ],
};

/// `[[band]]`.
pub const BAND: Section = Section {
    header: "[[band]]",
    doc: "A band with a duty cycle. It is never exceeded in any hour, not by a restart either.",
    keys: &[
        key("name", Form::Name, Required("\"band\""), "Name for people and for `band` of links; unique."),
        key(
            "duty",
            Form::Share(1, 10_000),
            Required("\"1%\""),
            "Airtime allowed in any hour. Frames are charged with their whole time on air before they leave.",
        ),
        key(
            "reserve",
            Form::Share(0, 9_000),
            Default("\"20%\""),
            "Share of that airtime which only flash and override may use.",
        ),
        key(
            "preamble",
            Form::Span(0, 10_000),
            Default("\"0ms\""),
            "Time on air that the radio adds to each frame (preamble, key-up), charged with it.",
        ),
    ],
};

/// Keys of `kind = "serial"`.
pub const SERIAL: Section = Section {
    header: "[[link]]",
    doc: "A radio modem or a cable on a serial port.",
    keys: &[
        key(
            "port",
            Form::Path,
            Required("\"/dev/serial/by-id/usb-radio\""),
            "Device, by its stable name. It may be absent, unplugged and replugged at any time.",
        ),
        key("baud", Form::Integer(50, 4_000_000), Default("57600"), "Speed of the port; 8N1."),
        key("flow", Form::Word(&["none", "rtscts"]), Default("\"none\""), "Handshake."),
        key(
            "dtr",
            Form::Flag,
            Unset("false"),
            "Level of DTR after opening. Default: left alone (it resets many boards).",
        ),
        key("rts", Form::Flag, Unset("false"), "Level of RTS after opening. Default: left alone."),
    ],
};

/// Keys of `kind = "udp"`.
pub const UDP: Section = Section {
    header: "[[link]]",
    doc: "An IP radio or a point-to-point network: one datagram carries one frame.",
    keys: &[
        key("bind", Form::Address, Required("\"0.0.0.0:7360\""), "Own address."),
        key("peer", Form::HostPort, Required("\"10.0.0.2:7360\""), "The neighbour."),
        key("mtu", Form::Integer(64, 65_507), Default("1200"), "Longest datagram in bytes."),
    ],
};

/// Keys of `kind = "tcp"`.
pub const TCP: Section = Section {
    header: "[[link]]",
    doc: "A stream over a network; frames carry their own authentication. Exactly one of listen and connect.",
    keys: &[
        key("listen", Form::Address, Unset("\"0.0.0.0:7361\""), "Serve connections here; each is a link of its own."),
        key("connect", Form::HostPort, Unset("\"10.0.0.2:7361\""), "Connect there, for ever."),
    ],
};

/// Keys of `kind = "unix"`.
pub const UNIX: Section = Section {
    header: "[[link]]",
    doc: "A socket where endpoints on this board attach; each connection is a link of its own.",
    keys: &[
        key(
            "path",
            Form::Path,
            Required("\"run/gw1.sock\""),
            "Where; its folder is made with mode 0700. At most 107 bytes.",
        ),
        key("mode", Form::Mode, Default("\"0600\""), "Permission bits, for example 0660 to let a group attach."),
    ],
};

/// `[[uplink]]`.
pub const UPLINK: Section = Section {
    header: "[[uplink]]",
    doc: "A broker. Any number of them; trouble with one does not hold up the others.",
    keys: &[
        key("name", Form::Name, Required("\"hq\""), "Name for people; unique."),
        key("kind", Form::Word(&["mqtt"]), Required("\"mqtt\""), "mqtt (version 5)"),
        key(
            "url",
            Form::Url,
            Required("\"mqtts://broker.example:8883\""),
            "mqtts:// with the mission's own CA, or mqtt:// for a bench.",
        ),
        key(
            "ca",
            Form::Path,
            Unset("\"tls/ca.pem\""),
            "The mission's CA. Required for mqtts://; no other is believed.",
        ),
        key(
            "cert",
            Form::Path,
            Unset("\"tls/gw1.pem\""),
            "This gateway's certificate chain, if the broker asks for one.",
        ),
        key("key", Form::Path, Unset("\"tls/gw1.key\""), "Its private key."),
        key("prefix", Form::Prefix, Default("\"picket\""), "First levels of every topic; what follows is masked."),
        key(
            "keep_alive",
            Form::Span(5_000, HOUR),
            Default("\"30s\""),
            "Silence after which the broker is asked whether it is there.",
        ),
        key(
            "session",
            Form::Span(0, 366 * 24 * HOUR),
            Default("\"168h\""),
            "How long the broker keeps what arrives while this gateway is away.",
        ),
        key(
            "emits",
            Form::Flag,
            Default("false"),
            "Whether the way to this broker is itself a radio: it is disconnected in receive-only too, not only in\n\
             silent, where every uplink is.",
        ),
    ],
};

/// The section with the keys of one kind of link.
#[must_use]
pub fn of_kind(kind: &str) -> Option<&'static Section> {
    match kind {
        "serial" => Some(&SERIAL),
        "udp" => Some(&UDP),
        "tcp" => Some(&TCP),
        "unix" => Some(&UNIX),
        _ => None,
    }
}
