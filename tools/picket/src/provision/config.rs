//! A ready configuration for one gateway.

use crate::cli::RadioOption;
use core::fmt::Write;

/// What a gateway's configuration is made from.
#[derive(Clone, Debug)]
pub struct GatewayConfig<'a> {
    /// The gateway.
    pub name: &'a str,
    /// Broker to connect to.
    pub broker: Option<&'a str>,
    /// Its radio.
    pub radio: Option<&'a RadioOption>,
}

impl GatewayConfig<'_> {
    /// The TOML text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = self.head();
        self.radio_block(&mut out);
        self.broker_block(&mut out);
        out
    }

    fn head(&self) -> String {
        let name = self.name;
        format!(
            r#"# Gateway {name}. Run it with `picketd --config {name}.toml`, check it with `picketd check {name}.toml`;
# `picketd config` prints every key with its default. Paths are relative to this file's folder.
version = 1

[gateway]
name = "{name}"
keyfill = "{name}.keyfill"
state = "state/{name}"            # store and everything durable
control = "run/{name}.ctl"        # operator socket: picket gateway status --control run/{name}.ctl

[store]
max_bytes = "256MiB"

[log]
level = "info"
format = "text"

# Members on this machine attach here: picket inbox --home … --via unix:run/{name}.sock
[[link]]
name = "attach"
kind = "unix"
path = "run/{name}.sock"
"#
        )
    }

    fn radio_block(&self, out: &mut String) {
        out.push_str("\n# A radio or cable on a serial port, to other gateways and to members in the field.\n");
        let (mark, port, baud, air) = match self.radio {
            Some(r) => ("", r.port.as_str(), r.baud, r.air_bps),
            None => {
                out.push_str("# Take the # away and name your port to use it.\n");
                ("# ", "/dev/serial/by-id/usb-…", 57_600, Some(9_600))
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{mark}[[link]]\n{mark}name = \"radio\"\n{mark}kind = \"serial\"");
        let _ = writeln!(out, "{mark}port = {}", quoted(port));
        let _ = writeln!(out, "{mark}baud = {baud}");
        let _ = match air {
            Some(air) => writeln!(out, "{mark}air_bps = {air}              # pacing by the rate on air"),
            None => writeln!(out, "# air_bps = 9600             # the rate on air, if it is lower than baud"),
        };
        let _ = writeln!(out, "{mark}duplex = \"half\"");
    }

    fn broker_block(&self, out: &mut String) {
        let name = self.name;
        out.push_str("\n# The IP side: an MQTT 5 broker. Its certificate and ours come from the CA in tls/.\n");
        let (mark, url) = match self.broker {
            Some(url) => ("", url),
            None => {
                out.push_str(
                    "# Take the # away and name your broker to use it; mqtt:// without ca, cert and key for a bench.\n",
                );
                ("# ", "mqtts://127.0.0.1:8883")
            }
        };
        let _ =
            writeln!(out, "{mark}[[uplink]]\n{mark}name = \"hq\"\n{mark}kind = \"mqtt\"\n{mark}url = {}", quoted(url));
        if !url.starts_with("mqtt://") {
            for (key, file) in
                [("ca", "ca.pem".to_owned()), ("cert", format!("{name}.pem")), ("key", format!("{name}.key"))]
            {
                let _ = writeln!(out, "{mark}{key} = \"tls/{file}\"");
            }
        }
        let _ = writeln!(out, "{mark}prefix = \"picket\"");
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_plain_configuration_has_one_link_and_no_uplink() {
        let text = GatewayConfig { name: "gw1", broker: None, radio: None }.text();
        let value: toml::Table = text.parse().unwrap();
        assert_eq!(value["version"].as_integer(), Some(1));
        assert_eq!(value["link"].as_array().unwrap().len(), 1);
        assert!(!value.contains_key("uplink"));
    }

    #[test]
    fn what_is_commented_is_right_once_the_marks_are_gone() {
        let text = GatewayConfig { name: "gw1", broker: None, radio: None }.text();
        let bare: Vec<&str> = text
            .lines()
            .filter(|l| !l.starts_with("# ") || l.contains(" = ") || l.starts_with("# [["))
            .map(|l| l.strip_prefix("# ").unwrap_or(l))
            .collect();
        let value: toml::Table = bare.join("\n").parse().unwrap();
        assert_eq!(value["link"].as_array().unwrap().len(), 2);
        assert_eq!(value["uplink"][0]["cert"].as_str(), Some("tls/gw1.pem"));
    }

    #[test]
    fn radio_and_broker_are_filled_in() {
        let radio = "gw1=/dev/ttyUSB0:57600/9600".parse().unwrap();
        let text = GatewayConfig { name: "gw1", broker: Some("mqtts://b.example:8883"), radio: Some(&radio) }.text();
        let value: toml::Table = text.parse().unwrap();
        assert_eq!(value["link"][1]["air_bps"].as_integer(), Some(9_600));
        assert_eq!(value["link"][1]["duplex"].as_str(), Some("half"));
        assert_eq!(value["uplink"][0]["url"].as_str(), Some("mqtts://b.example:8883"));
        assert_eq!(value["uplink"][0]["ca"].as_str(), Some("tls/ca.pem"));
        let bench = GatewayConfig { name: "gw1", broker: Some("mqtt://127.0.0.1:1883"), radio: None }.text();
        let value: toml::Table = bench.parse().unwrap();
        assert!(value["uplink"][0].get("ca").is_none());
    }
}
