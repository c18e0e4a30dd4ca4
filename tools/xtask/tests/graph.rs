//! The picture of the house, held against `cargo metadata`: who may depend on whom, who reaches an async runtime, and
//! what the gateway must not contain.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Edges between our own crates, as drawn. A crate that is not in the table may not exist.
const ALLOWED: [(&str, &[&str]); 19] = [
    ("picket-wire", &[]),
    ("picket-roster", &["picket-wire"]),
    ("picket-provision", &["picket-roster", "picket-wire"]),
    ("picket-seal", &["picket-roster", "picket-wire"]),
    ("picket-codes", &[]),
    ("picket-link", &["picket-codes", "picket-wire"]),
    ("picket-relay", &["picket-wire"]),
    ("picket-store", &["picket-wire"]),
    ("picket-node", &["picket-link", "picket-relay", "picket-store", "picket-wire"]),
    ("picket-endpoint", &["picket-node", "picket-roster", "picket-seal", "picket-store", "picket-wire"]),
    ("picket-safe", &[]),
    ("picket-shell", &["picket-store", "picket-wire"]),
    ("picketd", &["picket-node", "picket-roster", "picket-safe", "picket-shell", "picket-store", "picket-wire"]),
    (
        "picket",
        &[
            "picket-channel",
            "picket-endpoint",
            "picket-node",
            "picket-provision",
            "picket-roster",
            "picket-safe",
            "picket-seal",
            "picket-shell",
            "picket-store",
            "picket-wire",
        ],
    ),
    ("picket-channel", &["picket-codes", "picket-wire"]),
    (
        "picket-sim",
        &[
            "picket-channel",
            "picket-endpoint",
            "picket-link",
            "picket-node",
            "picket-relay",
            "picket-roster",
            "picket-seal",
            "picket-store",
            "picket-wire",
        ],
    ),
    ("picket-dissect", &["picket-codes", "picket-node", "picket-roster", "picket-wire"]),
    ("xtask", &[]),
    (
        "hil-tests",
        &[
            "picket-channel",
            "picket-endpoint",
            "picket-link",
            "picket-node",
            "picket-provision",
            "picket-roster",
            "picket-seal",
            "picket-shell",
            "picket-store",
            "picket-wire",
        ],
    ),
];

/// Crates of ours that may reach the async runtime.
const MAY_REACH_TOKIO: [&str; 4] = ["picket-shell", "picketd", "picket", "hil-tests"];

/// Crates that can open an envelope: none of them is in the gateway.
const OPENS_ENVELOPES: [&str; 4] = ["picket-seal", "picket-endpoint", "picket-provision", "hpke"];

#[test]
fn own_crates_depend_only_as_drawn() {
    let world = World::load();
    for (name, allowed) in ALLOWED {
        let found = world.own_edges(name, false);
        let wrong: Vec<_> = found.iter().filter(|d| !allowed.contains(&d.as_str())).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}: see the drawing of the dependencies");
    }
}

#[test]
fn every_own_crate_is_in_the_drawing() {
    let world = World::load();
    let drawn: BTreeSet<&str> = ALLOWED.iter().map(|(n, _)| *n).collect();
    let undrawn: Vec<_> = world.own.keys().filter(|n| !drawn.contains(n.as_str())).collect();
    assert!(undrawn.is_empty(), "not in the drawing: {undrawn:?}");
}

#[test]
fn the_firmware_knows_nothing_of_tools_and_tests() {
    let world = World::load();
    for (name, folder) in &world.own {
        let outside: Vec<_> =
            world.own_edges(name, true).into_iter().filter(|d| !world.own[d].starts_with("firmware/")).collect();
        assert!(
            !folder.starts_with("firmware/") || outside.is_empty(),
            "{name} depends on {outside:?}, even if for tests"
        );
    }
}

#[test]
fn only_the_shell_and_the_programs_reach_the_async_runtime() {
    let world = World::load();
    for name in world.own.keys() {
        let reaches = world.tree(name).contains("tokio");
        assert!(!reaches || MAY_REACH_TOKIO.contains(&name.as_str()), "{name} reaches tokio");
    }
    assert!(world.tree("picketd").contains("tokio"), "the walk sees what is there");
}

#[test]
fn the_gateway_contains_nothing_that_opens_an_envelope() {
    let world = World::load();
    let tree = world.tree("picketd");
    for name in OPENS_ENVELOPES {
        assert!(!tree.contains(name), "picketd links {name}");
    }
    assert!(world.tree("picket").contains("hpke"), "the walk sees what is there");
}

#[test]
fn the_core_has_no_randomness_of_its_own() {
    let world = World::load();
    for name in ["picket-wire", "picket-codes", "picket-link", "picket-relay", "picket-store", "picket-node"] {
        let tree = world.tree(name);
        let sources: Vec<_> = ["getrandom", "rand", "fastrand"].into_iter().filter(|s| tree.contains(*s)).collect();
        assert!(sources.is_empty(), "{name} reaches {sources:?}: randomness is an argument");
    }
}

/// Keys come from the operating system's source only (`picket_shell::random`): nothing that makes them links a generator
/// that would do for games. The sockets of the demonstration's broker are no concern of this.
#[test]
fn what_makes_keys_links_no_weak_generator() {
    let world = World::load();
    for name in ["picket-seal", "picket-roster", "picket-endpoint", "picket-shell"] {
        let tree = world.tree(name);
        let weak: Vec<_> =
            ["fastrand", "oorandom", "nanorand", "rand"].into_iter().filter(|w| tree.contains(*w)).collect();
        assert!(weak.is_empty(), "{name} links {weak:?}");
    }
    assert!(world.tree("picket-shell").contains("getrandom"), "the walk sees what is there");
}

/// The resolved workspace, all features on.
struct World {
    metadata: Metadata,
    /// Our crates: name to folder.
    own: BTreeMap<String, String>,
}

impl World {
    fn load() -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let all = cargo_metadata::CargoOpt::AllFeatures;
        let metadata =
            MetadataCommand::new().manifest_path(manifest).features(all).exec().expect("cargo metadata runs");
        let root = metadata.workspace_root.clone();
        let own = metadata
            .workspace_packages()
            .into_iter()
            .map(|p| (p.name.to_string(), p.manifest_path.strip_prefix(&root).expect("below the root").to_string()))
            .collect();
        Self { metadata, own }
    }

    /// Our crates that one of ours names in its manifest, dev-dependencies or not.
    fn own_edges(&self, name: &str, dev: bool) -> Vec<String> {
        let packages = self.metadata.workspace_packages();
        let package = packages.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no crate {name}"));
        // The tools and the rig may test against anything; the firmware's tests keep to the drawing too.
        let tests_keep = self.own[name].starts_with("firmware/");
        let wanted = |d: &&cargo_metadata::Dependency| d.kind != DependencyKind::Development || dev || tests_keep;
        let named = package.dependencies.iter().filter(wanted).map(|d| d.name.clone());
        named.filter(|d| self.own.contains_key(d) && d != name).collect()
    }

    /// Everything that a crate links: its normal dependencies, as resolved.
    fn tree(&self, name: &str) -> BTreeSet<String> {
        let resolve = self.metadata.resolve.as_ref().expect("resolved");
        let edges: BTreeMap<&PackageId, Vec<&PackageId>> =
            resolve.nodes.iter().map(|n| (&n.id, normal_edges(n))).collect();
        let packages = self.metadata.workspace_packages();
        let start = &packages.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no crate {name}")).id;
        let mut seen = BTreeSet::from([start]);
        let mut todo = vec![start];
        while let Some(id) = todo.pop() {
            todo.extend(edges[id].iter().copied().filter(|next| seen.insert(*next)));
        }
        seen.iter().map(|id| self.metadata[*id].name.to_string()).collect()
    }
}

fn normal_edges(node: &cargo_metadata::Node) -> Vec<&PackageId> {
    let normal = |d: &&cargo_metadata::NodeDep| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
    node.deps.iter().filter(normal).map(|d| &d.pkg).collect()
}
