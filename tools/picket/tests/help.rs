//! The help is part of the contract: a changed flag is a changed snapshot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clap::{Command, CommandFactory};

/// Help of `command` and of everything below it.
fn pages(command: &mut Command, path: &str, out: &mut Vec<(String, String)>) {
    command.build();
    out.push((path.to_owned(), command.render_long_help().to_string()));
    for sub in command.get_subcommands_mut().filter(|s| s.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        pages(sub, &path, out);
    }
}

#[test]
fn every_page_is_as_it_was() {
    let mut command = picket::cli::Cli::command().term_width(100);
    let mut out = Vec::new();
    pages(&mut command, "picket", &mut out);
    let text: Vec<String> = out.iter().map(|(path, help)| format!("### {path}\n\n{}", help.trim_end())).collect();
    insta::assert_snapshot!(text.join("\n\n\n"));
}

#[test]
fn every_command_that_people_type_has_an_example() {
    let mut command = picket::cli::Cli::command();
    let mut out = Vec::new();
    pages(&mut command, "picket", &mut out);
    for (path, help) in out {
        if ["picket", "picket send", "picket inbox", "picket read", "picket verify", "picket mission quickstart"]
            .contains(&path.as_str())
        {
            assert!(help.contains("Example"), "{path}");
        }
    }
}
