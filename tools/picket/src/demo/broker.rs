//! The embedded broker (rumqttd), as a child process of the demo so that it can be cut off and killed like a real one.

use crate::error::{Exit, Failure};
use std::process::{Child, Command, Stdio};

/// Tells the child which port to serve.
const PORT: &str = "PICKET_DEMO_BROKER_PORT";

/// The port, when this process is to be the broker.
pub(super) fn asked_for() -> Option<u16> {
    std::env::var(PORT).ok()?.parse().ok()
}

/// Starts the broker as a child process.
pub(super) fn start(port: u16) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::internal(format!("own program: {e}")))?;
    Command::new(program)
        .args(["demo", "--once"])
        .env(PORT, port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Failure::internal(format!("broker process: {e}")))
}

/// Serves MQTT 5 on loopback until killed.
pub(super) fn serve(port: u16) -> Result<Exit, Failure> {
    let config: rumqttd::Config =
        toml::from_str(&config(port)).map_err(|e| Failure::internal(format!("broker configuration: {e}")))?;
    rumqttd::Broker::new(config).start().map_err(|e| Failure::internal(format!("broker: {e}")))?;
    Ok(Exit::Done)
}

fn config(port: u16) -> String {
    format!(
        r#"
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 4

[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"#
    )
}
